/// \file When to try again, and when to give up.
///
/// Owns     arithmetic only: the clock and the random number are arguments.
/// Source   RFC 5321 §4.5.4.1 (retry at least 30 minutes apart, give up after at least 4-5 days).
#pragma once
#include "config/settings.hpp"
#include "queue/message.hpp"

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

/// Mail that a policy holds waits for the whole `policy_max_age` (a rule's own, or settings.max_age), even
/// with the null sender, so that an attack that outlasts a short lifetime does not turn into bounces.
[[nodiscard]] Time deadline(const Envelope& envelope, Held held, Millis policy_max_age);

/// To be asked after a failed attempt: true when no later attempt fits before the deadline.
[[nodiscard]] bool give_up(const Envelope& envelope, Held held, Millis policy_max_age, Time now);

}  // namespace sealpost::queue
