/// \file The commands carried out: main() without what only a process may do.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "config/settings_file.hpp"
#include "mta/cli/remote.hpp"

namespace sealpost::cli {

/// Runs one command line and returns its exit code. `serve` is the daemon's body.
[[nodiscard]] int run(const std::vector<std::string>& arguments,
                      const std::function<int(const LoadedSettings&)>& serve, Streams streams = {});

}  // namespace sealpost::cli
