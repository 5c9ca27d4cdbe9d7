#include "mta/daemon/notices.hpp"

#include <algorithm>
#include <utility>

#include "queue/retry.hpp"

namespace sealpost {
namespace {

/// What the sender can do when it was the message's own wish about TLS that could not be met; empty: it was
/// not. The codes are those of RFC 8689 §4.2.1, our own or a server's further on.
std::string_view remedy_of(security::MessageTls tls, const RecipientOutcome& outcome) {
    switch (tls) {
        case security::MessageTls::required:
            if (outcome.enhanced == "5.7.30")
                return "The message requires TLS on all of its way (REQUIRETLS), and the recipient's mail "
                       "servers "
                       "do not promise to keep to that. Ask their postmaster to support REQUIRETLS (RFC "
                       "8689), or "
                       "send the message again without requiring TLS for it.";
            if (outcome.enhanced == "5.7.10")
                return "The message requires TLS with a verified server (REQUIRETLS), and none of the "
                       "recipient's mail servers could be reached that way. Ask their postmaster to mend "
                       "their "
                       "TLS, or send the message again without requiring TLS for it.";
            break;
        case security::MessageTls::optional:
            // 530 stands for a missing login as well, so that its words have to be looked at.
            if (outcome.enhanced == "5.7.10" ||
                (outcome.code == 530 && outcome.text.find("STARTTLS") != std::string::npos))
                return "The recipient's mail server takes mail over TLS alone, and no TLS could be set up "
                       "with it. "
                       "\"TLS-Required: No\" in a message cannot change that: tell their postmaster by other "
                       "means.";
            break;
        case security::MessageTls::by_policy:
            break;
    }
    return {};
}

std::string reason_of(const SettlementInput& in, const DeliveredRecipient& r, queue::DsnKind kind) {
    if (!r.held_reason.empty())
        return fmt::format("Transport security {} this message back ({}, {}): {}",
                           kind == queue::DsnKind::delay ? "holds" : "held", r.held_reason,
                           in.report->trace.rule.empty() ? "no rule" : in.report->trace.rule, r.outcome.text);
    // What a server said is quoted as its reply; what we decided is said in our words.
    return r.outcome.command.empty() ? r.outcome.text : std::string();
}

std::string_view word_of(queue::DsnKind kind) {
    switch (kind) {
        case queue::DsnKind::delay:
            return "sender delay notification";
        case queue::DsnKind::relayed:
            return "sender delivery status notification";
        case queue::DsnKind::failure:
            break;
    }
    return "sender non-delivery notification";
}

}  // namespace

std::optional<queue::DsnKind> notice_due(const SettlementInput& in, const DeliveredRecipient& r,
                                         queue::Outcome outcome) {
    const queue::Envelope& envelope = in.message->envelope;
    if (envelope.sender.empty()) return std::nullopt;  // [SMTP-24]
    const Notify wants = notify_or_default(r.recipient.recipient.notify);
    switch (outcome) {
        case queue::Outcome::failed:
            if (wants.failure) return queue::DsnKind::failure;
            break;
        case queue::Outcome::deferred:
            if (wants.delay && !r.recipient.notified && queue::delay_is_due(envelope, in.times, in.now))
                return queue::DsnKind::delay;
            break;
        case queue::Outcome::delivered:
            if (wants.success && !r.dsn_passed_on) return queue::DsnKind::relayed;
            break;
    }
    return std::nullopt;
}

queue::DsnRecipient dsn_recipient(const SettlementInput& in, const DeliveredRecipient& r, queue::DsnKind kind,
                                  bool expired) {
    const bool held = !r.held_reason.empty();
    queue::DsnRecipient out{.address = r.recipient.recipient.address,
                            .orcpt = r.recipient.recipient.orcpt,
                            .status = r.outcome.enhanced,
                            .remote_mta = r.host,
                            .reply = {},
                            .reason = reason_of(in, r, kind),
                            .remedy = r.remedy,
                            .side = {},
                            .last_attempt = in.now,
                            .retry_until = {},
                            .expired = expired,
                            .interrupted = r.recipient.interrupted};
    if (!r.outcome.command.empty()) out.reply = fmt::format("{} {}", r.outcome.code, r.outcome.text);
    if (kind == queue::DsnKind::relayed) return out;
    if (out.remedy.empty()) out.remedy = remedy_of(in.message->envelope.tls, r.outcome);
    if (held && !in.contact.empty())
        out.remedy += fmt::format("{}Whom to ask there: {}.", out.remedy.empty() ? "" : ". ", in.contact);
    if (in.report->trace.side != security::Side::nobody) out.side = to_string(in.report->trace.side);
    if (kind == queue::DsnKind::delay)
        out.retry_until =
            queue::deadline(in.message->envelope, held ? queue::Held::by_policy : queue::Held::no, in.times);
    return out;
}

void NoticePlan::add(queue::DsnKind kind, queue::DsnRecipient recipient, queue::RecipientId id) {
    auto group =
        std::find_if(groups_.begin(), groups_.end(), [kind](const Group& g) { return g.kind == kind; });
    if (group == groups_.end())
        group = groups_.insert(group, Group{.kind = kind, .recipients = {}, .about = {}});
    group->recipients.push_back(std::move(recipient));
    group->about.push_back(id);
}

Result<void> NoticePlan::build(const SettlementInput& in, SettlementPlan& plan) {
    for (Group& group : groups_) {
        const queue::Dsn dsn{.kind = group.kind,
                             .hostname = in.hostname,
                             .id = in.ids->next(in.now),
                             .original_id = in.message->id,
                             .original = &in.message->envelope,
                             .original_body = in.message->stored_body ? in.beginning : in.message->body,
                             .recipients = std::move(group.recipients),
                             .contact = {},
                             .date = in.now,
                             .expires_at = queue::expiry(*in.settings, true, in.now),
                             .return_size = in.settings->dsn_return_size};
        std::optional<queue::NewMessage> notice = in.build_dsn(dsn);
        if (!notice) continue;
        // Refused here it costs nothing but itself; the store would refuse the whole settlement.
        if (const Result<void> valid = queue::validate(*notice); !valid) return valid;
        plan.notes.push_back(
            fmt::format("{}: {}: {}", in.message->id.str(), word_of(group.kind), notice->id.str()));
        plan.settlement.notices.push_back({.message = *std::move(notice), .about = std::move(group.about)});
    }
    return {};
}

}  // namespace sealpost
