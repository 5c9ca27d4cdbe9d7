/// \file When to try again, and when to give up.
///
/// Owns     arithmetic only: the clock and the random number are arguments.
/// Source   RFC 5321 §4.5.4.1 (retry at least 30 minutes apart, give up after at least 4-5 days).
#pragma once
#include <optional>

#include "config/settings.hpp"
#include "queue/message.hpp"
#include "security/rules.hpp"

namespace sealpost::queue {

/// Whether the reason for waiting is our own security policy.
enum class Held { no, by_policy };

/// The wait after attempt number `attempts` (1 for the first). `random` in [0, 1).
[[nodiscard]] Millis retry_delay(const QueueSettings& settings, unsigned attempts, double random);

/// `now` plus the delay, but never past `deadline`: the last attempt falls on it.
[[nodiscard]] Time next_attempt(const QueueSettings& settings, unsigned attempts, Time now, Time deadline,
                                double random);

/// What Envelope::expires_at is set to.
[[nodiscard]] Time expiry(const QueueSettings& settings, bool null_sender, Time received_at);

/// How long mail to one destination is tried, and when its sender hears of it.
struct DestinationTimes {
    Millis max_age{};              ///< the rule's, else queue.max_age
    bool by_rule = false;          ///< `max_age` is the rule's: it counts instead of Envelope::expires_at
    Millis max_age_null_sender{};  ///< what no policy holds; never longer than `max_age`
    Millis notify_after{};         ///< 0: never
};
[[nodiscard]] DestinationTimes destination_times(const QueueSettings& settings, const security::Rule& rule);

/// Mail that a policy holds waits for the whole `max_age`, even with the null sender, so that an attack that
/// outlasts a short lifetime does not turn into bounces.
[[nodiscard]] Time deadline(const Envelope& envelope, Held held, const DestinationTimes& times);

/// To be asked after a failed attempt: true when no later attempt fits before the deadline.
[[nodiscard]] bool give_up(const Envelope& envelope, Held held, const DestinationTimes& times, Time now);

/// To be asked after a deferral: the sender should hear that it takes longer. NOTIFY is not looked at.
[[nodiscard]] bool delay_is_due(const Envelope& envelope, const DestinationTimes& times, Time now);

}  // namespace sealpost::queue
