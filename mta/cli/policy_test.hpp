/// \file `sealpost policy test DOMAIN`: which rule applies, where it is written, what it demands.
///
/// Shape    JSON: {"schema": 1, "domain", "rule": "rule '...' (file:line)", "settings": {the keys of the
/// rule,
///          "origin"} or absent for the built-in rule, "ended": [rules that were passed over]}.
/// Never    asks the daemon: the files are judged as they stand, before a reload.
#pragma once
#include <boost/json/object.hpp>
#include <string>

#include "config/settings_file.hpp"
#include "security/rules.hpp"

namespace sealpost::cli {

struct PolicyAnswer {
    std::string text;
    boost::json::object json;
};

[[nodiscard]] PolicyAnswer test_policy(const LoadedSettings& loaded, const security::RuleTable& table,
                                       const Domain& domain, std::chrono::sys_days today);

}  // namespace sealpost::cli
