/// \file When a cached MTA-STS policy is fetched again, and when somebody must be told that it cannot be.
///
/// Owns     arithmetic and words; clock and chance are arguments.
/// Source   RFC 8461 §3.3 ("proactively refresh cached policies before they expire", about daily), §10.2
/// (alert
///          "in advance of a policy's expiration"); STS-53, STS-54.
#pragma once
#include <string>

#include "security/sts_discovery.hpp"

namespace sealpost::security {

struct StsRefreshPacing {
    std::chrono::milliseconds refresh_after{std::chrono::hours(24)};
    std::chrono::milliseconds retry_after{std::chrono::minutes(5)};
};

/// One cached policy and how its refresh goes.
struct StsRefreshState {
    StsMode mode = StsMode::none;
    StsClock fetched_at{};
    StsClock expires{};
    unsigned failures = 0;     ///< since fetched_at, in a row
    StsClock failing_since{};  ///< the first of them
    StsClock last_try{};       ///< the last of them
};

/// After a success: a day later, or at half of a shorter max_age; up to a quarter sooner by `random` in [0,
/// 1), so that policies that were fetched together do not stay together. After a failure: soon, then ever
/// more rarely, but always several times before the policy ends.
[[nodiscard]] StsClock next_sts_refresh(const StsRefreshState& state, const StsRefreshPacing& pacing,
                                        double random);

/// Whether the failures are worth an alert: at least three, over a day or over a quarter of a shorter life,
/// so that neither one bad hour of a web server nor a policy that nobody needs (mode none) wakes anybody.
[[nodiscard]] bool sts_refresh_alarms(const StsRefreshState& state, const StsRefreshPacing& pacing);

/// One line: which domain, since when, when it ends and what follows, the remedy.
[[nodiscard]] std::string describe_sts_refresh_alarm(const Domain& domain, const StsRefreshState& state,
                                                     const std::string& reason);

}  // namespace sealpost::security
