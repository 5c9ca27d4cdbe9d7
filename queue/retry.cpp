#include "queue/retry.hpp"

#include <algorithm>
#include <cmath>

namespace sealpost::queue {

Millis retry_delay(const QueueSettings& settings, unsigned attempts, double random) {
    const auto first = static_cast<double>(settings.retry_first.count());
    const auto longest = static_cast<double>(std::max(settings.retry_max, settings.retry_first).count());
    const double factor = std::max(settings.retry_factor, 1.0);
    // pow() may become infinite, which min() takes for what it is: longer than the longest.
    const double plain = std::min(longest, first * std::pow(factor, attempts > 0 ? attempts - 1 : 0));
    const double jitter =
        std::clamp(settings.retry_jitter, 0.0, 1.0) * (2.0 * std::clamp(random, 0.0, 1.0) - 1.0);
    return Millis{std::max<Millis::rep>(1, std::llround(plain * (1.0 + jitter)))};
}

Time next_attempt(const QueueSettings& settings, unsigned attempts, Time now, Time deadline, double random) {
    const Time next = now + retry_delay(settings, attempts, random);
    return now < deadline ? std::min(next, deadline) : next;
}

Time expiry(const QueueSettings& settings, bool null_sender, Time received_at) {
    return received_at +
           (null_sender ? std::min(settings.max_age_null_sender, settings.max_age) : settings.max_age);
}

Time deadline(const Envelope& envelope, Held held, Millis policy_max_age) {
    if (held == Held::no) return envelope.expires_at;
    return std::max(envelope.expires_at, envelope.received_at + policy_max_age);
}

bool give_up(const Envelope& envelope, Held held, Millis policy_max_age, Time now) {
    return now >= deadline(envelope, held, policy_max_age);
}

}  // namespace sealpost::queue
