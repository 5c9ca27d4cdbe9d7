/// \file What happens before anything runs: names, folders, privileges.
///
/// Errors   Errc::configuration or Errc::unavailable, with the remedy in the text.
#pragma once
#include <string>

#include "config/settings.hpp"

namespace sealpost {

/// daemon.hostname, or the host's own name; a fully qualified one where the resolver files know it.
[[nodiscard]] Result<Domain> own_hostname(const DaemonSettings& settings);

/// The state directory and the folder of the admin socket exist afterwards and belong to `user` when we are
/// root.
[[nodiscard]] Result<void> prepare_directories(const DaemonSettings& settings);

/// As root: become daemon.user, for good. Otherwise nothing.
[[nodiscard]] Result<void> drop_privileges(const DaemonSettings& settings);

}  // namespace sealpost
