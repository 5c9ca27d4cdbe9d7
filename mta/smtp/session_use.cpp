#include "mta/smtp/session_use.hpp"

namespace sealpost {

bool SessionUse::admits(const MailEnvelope& envelope) const {
    if (mails_ == 0)
        return true;  // the first one is the transaction's affair: a new connection changes nothing
    if (limits_.mail_max > 0 && mails_ >= limits_.mail_max) return false;
    if (limits_.rcpt_domain_max == 0) return true;
    std::set<std::string> domains = domains_;
    for (const MailRecipient& recipient : envelope.recipients) {
        domains.insert(recipient.address.host_str());
        if (domains.size() > limits_.rcpt_domain_max) return false;
    }
    return true;
}

void SessionUse::count(const MailEnvelope& envelope) {
    ++mails_;
    for (const MailRecipient& recipient : envelope.recipients) {
        if (domains_.size() >= limits_.rcpt_domain_max) break;
        domains_.insert(recipient.address.host_str());
    }
}

}  // namespace sealpost
