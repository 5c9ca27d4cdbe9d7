/// \file How long the answers stay true that a hop's decision rests on.
///
/// Owns     the least of the TTLs and of the MTA-STS policy's end; a TLS session may not be resumed beyond
/// it. Units    seconds; zero: use it once. Source   DANE-36, DANE-78, TLS-23; RFC 4035 §5.3.3 (no data
/// beyond its TTL).
#pragma once
#include <chrono>
#include <optional>

#include "security/host_lookup.hpp"
#include "security/sts_discovery.hpp"

namespace sealpost::security {

/// `mx`: none where the hosts are configured.
[[nodiscard]] std::chrono::seconds fresh_for(const std::optional<DnsAnswer>& mx, const HostAnswers& answers,
                                             const StsState& sts, StsClock now);

}  // namespace sealpost::security
