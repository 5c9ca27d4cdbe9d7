/// \file The daemon: builds every part, gives up root, runs until it is told to end.
///
/// Owns     everything; the order of construction and of the end.
/// Errors   one line on standard error that names the thing and the remedy; exit code 78 (configuration) or
/// 75 (try
///          again later). Nothing on disk has changed then.
#pragma once
#include "config/settings_file.hpp"

namespace sealpost {

/// Returns the exit code.
[[nodiscard]] int run_daemon(const LoadedSettings& loaded);

}  // namespace sealpost
