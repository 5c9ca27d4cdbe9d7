/// \file What must hold between settings: one wait not longer than another, no open relay.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/settings.hpp"

namespace sealpost {

/// Where a key's value stands.
struct Place {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

/// Adds one line for each rule that is broken. Keys in `refused` had no valid value: nothing is said about
/// them.
void check_settings(const Settings& settings, const std::map<std::string, Place>& places,
                    const std::set<std::string>& refused, std::vector<std::string>& problems);

}  // namespace sealpost
