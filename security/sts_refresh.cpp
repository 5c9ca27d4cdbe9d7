#include "security/sts_refresh.hpp"

#include <fmt/chrono.h>

#include <algorithm>

namespace sealpost::security {
namespace {

using std::chrono::milliseconds;

constexpr unsigned failures_before_alarm = 3;

milliseconds lifetime(const StsRefreshState& state) {
    return std::max(state.expires - state.fetched_at, milliseconds(0));
}

/// Never more often than a failed fetch is repeated: a max_age of a minute is not worth a fetch each minute.
milliseconds interval(const StsRefreshState& state, const StsRefreshPacing& pacing) {
    return std::max(std::min(pacing.refresh_after, lifetime(state) / 2), pacing.retry_after);
}

std::string date(StsClock time) {
    return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

}  // namespace

StsClock next_sts_refresh(const StsRefreshState& state, const StsRefreshPacing& pacing, double random) {
    const double sooner = 0.25 * std::clamp(random, 0.0, 1.0);
    const auto jittered = [&](milliseconds wait) {
        return milliseconds(
            static_cast<milliseconds::rep>(static_cast<double>(wait.count()) * (1.0 - sooner)));
    };
    const milliseconds regular = interval(state, pacing);
    if (state.failures == 0) return state.fetched_at + jittered(regular);
    const unsigned doublings = std::min(state.failures - 1, 20U);
    const milliseconds backoff = std::min(pacing.retry_after * (1U << doublings), regular);
    // A quarter of what is left, then a quarter of that: the end is never waited for in one step.
    const milliseconds left = std::max(state.expires - state.last_try, milliseconds(0));
    return state.last_try + std::max(std::min(jittered(backoff), left / 4), pacing.retry_after);
}

bool sts_refresh_alarms(const StsRefreshState& state, const StsRefreshPacing& pacing) {
    if (state.mode == StsMode::none || state.failures < failures_before_alarm) return false;
    const milliseconds patience = std::min(pacing.refresh_after, lifetime(state) / 4);
    return state.last_try - state.failing_since >= patience;
}

std::string describe_sts_refresh_alarm(const Domain& domain, const StsRefreshState& state,
                                       const std::string& reason) {
    return fmt::format(
        "the MTA-STS policy of {0} (mode {1}) could not be refreshed since {2} ({3} attempts: {4}). It ends "
        "{5}, "
        "and from then on mail to {0} goes out without it. Remedy: ask the postmaster of {0} to mend "
        "https://mta-sts.{0}/.well-known/mta-sts.txt; demand more in a rule for the domain if mail must not "
        "go out "
        "unprotected",
        domain, to_string(state.mode), date(state.failing_since), state.failures, reason,
        date(state.expires));
}

}  // namespace sealpost::security
