/// \file KeptSession: a session that is ready for another message, and what it is good for.
///
/// Owns     the open connection with the terms under which it was judged. A message may go over it only under
/// the
///          very same terms: the same destination, the same wish of the message about TLS, the same rules on
///          the same day, and while what DNS and MTA-STS said is fresh. So no second look is needed, and none
///          is looser.
/// Source   DANE-78, DANE-79, STS-74, TLS-23 (a connection's identity); RFC 4035 §5.3.3 (no data beyond its
/// TTL).
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "mta/delivery/session.hpp"
#include "security/message_tls.hpp"
#include "security/rules.hpp"

namespace sealpost {

/// The terms of a session; of a message: those that it needs.
struct SessionTerms {
    std::string domain;
    security::MessageTls message = security::MessageTls::by_policy;
    bool bounce = false;  ///< the null reverse-path, whose REQUIRETLS is a wish
    std::shared_ptr<const security::RuleTable> rules;
    std::chrono::sys_days day;  ///< rules end on a day
    bool operator==(const SessionTerms&) const = default;
};

/// What the operator allows of reuse.
struct ReuseLimits {
    unsigned messages = 100;
    Millis time = std::chrono::minutes(5);
};

struct KeptSession {
    using Time = std::chrono::steady_clock::time_point;

    std::unique_ptr<Session> smtp;
    SessionTerms terms;
    Time began;
    Time fresh_until;
    unsigned messages = 1;  ///< sent over it
    bool requiretls = false;
    // For the log and the trace of each further message.
    std::string host;
    std::string relay;
    std::string tls;
    std::string rule;
    std::string rule_level;
    std::optional<std::int64_t> trace;  ///< of the attempt that opened it; set when that is on disk

    [[nodiscard]] bool fits(const SessionTerms& wanted, const ReuseLimits& limits, Time now) const {
        return terms == wanted && messages < limits.messages && now < fresh_until &&
               now - began < limits.time && smtp->may_go_on();
    }
};

}  // namespace sealpost
