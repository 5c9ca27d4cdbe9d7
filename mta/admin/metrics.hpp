/// \file What the daemon counts, as Prometheus reads it.
///
/// Shape    text exposition 0.0.4. No label holds a domain, an address or anything else from outside.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "security/self_test.hpp"

namespace sealpost::admin {

struct ResolverMetrics {
    bool running = false;
    std::uint64_t questions = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t restarts = 0;
    std::size_t pending = 0;
    bool held = false;
    security::SelfTestState self_test = security::SelfTestState::off;
};

struct Metrics {
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
    bool storage_healthy = false;
    std::optional<ResolverMetrics> resolver;  ///< none: the daemon's own thread did not answer in time
};

[[nodiscard]] std::string metrics_text(const Metrics& metrics);

}  // namespace sealpost::admin
