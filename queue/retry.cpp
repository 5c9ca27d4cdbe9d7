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

DestinationTimes destination_times(const QueueSettings& settings, const security::Rule& rule) {
    const Millis max_age = rule.max_age.value_or(settings.max_age);
    return {.max_age = max_age,
            .by_rule = rule.max_age.has_value(),
            .max_age_null_sender = std::min(max_age, settings.max_age_null_sender),
            .notify_after = rule.notify_after.value_or(settings.notify_after)};
}

Time deadline(const Envelope& envelope, Held held, const DestinationTimes& times) {
    Time end = envelope.expires_at;
    if (times.by_rule)
        end = envelope.received_at + (envelope.sender.empty() ? times.max_age_null_sender : times.max_age);
    if (held == Held::no) return end;
    return std::max(end, envelope.received_at + times.max_age);
}

bool give_up(const Envelope& envelope, Held held, const DestinationTimes& times, Time now) {
    return now >= deadline(envelope, held, times);
}

bool delay_is_due(const Envelope& envelope, const DestinationTimes& times, Time now) {
    return !envelope.sender.empty() && times.notify_after > Millis{0} &&
           now >= envelope.received_at + times.notify_after;
}

}  // namespace sealpost::queue
