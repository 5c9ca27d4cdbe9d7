/// \file SessionUse: what a session has used up of the server's LIMITS, for connections that are kept.
///
/// Owns     the count of MAIL commands and the different recipient domains that were named.
/// Limits   holds at most rcpt_domain_max domains, and none where the server names no such limit.
/// Never    decides about one transaction: MailTransaction keeps RCPTMAX, and RCPTDOMAINMAX within itself.
/// Source   RFC 9422 §4.1, §4.3.
#pragma once
#include <cstdint>
#include <set>
#include <string>

#include "mta/smtp/extensions.hpp"
#include "mta/smtp/mail_transaction.hpp"

namespace sealpost {

class SessionUse {
public:
    /// Of the last EHLO.
    explicit SessionUse(const SessionLimits& limits) : limits_(limits) {}

    /// False: the message needs another connection.
    [[nodiscard]] bool admits(const MailEnvelope& envelope) const;
    /// When its transaction has sent MAIL. Whether the server took it or not: RFC 9422 counts commands.
    void count(const MailEnvelope& envelope);

private:
    SessionLimits limits_;
    std::uint32_t mails_ = 0;
    std::set<std::string> domains_;
};

}  // namespace sealpost
