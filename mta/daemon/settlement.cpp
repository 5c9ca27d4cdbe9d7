#include "mta/daemon/settlement.hpp"

#include "queue/retry.hpp"

namespace sealpost {
namespace {

using Result = RecipientOutcome::Result;

/// Before MTA-STS makes a message bounce, its policy is looked for once more and one more attempt is made
/// (RFC 8461 §5.1). An attempt that began before the deadline and ended after it had no such look [STS-68].
bool owes_last_attempt(const SettlementInput& in, queue::Held held) {
    const auto& sts = in.report->trace.sts;
    return held == queue::Held::by_policy && sts && sts->enforced() && !in.sts_checked;
}

/// A temporary outcome whose time ran out becomes a final one: 4.x.y is reported as it is, with "expired" in
/// words.
queue::RecipientOutcome outcome_of(const SettlementInput& in, const DeliveredRecipient& r, double random,
                                   bool& expired) {
    queue::RecipientOutcome out{.recipient = r.recipient.id,
                                .outcome = queue::Outcome::delivered,
                                .status = r.outcome.enhanced,
                                .reply = !r.outcome.command.empty()
                                             ? fmt::format("{} {}", r.outcome.code, r.outcome.text)
                                             : r.outcome.text,
                                .host = r.host,
                                .next_attempt = {},
                                .held_reason = {}};
    switch (r.outcome.result) {
        case Result::delivered:
            break;
        case Result::failed:
            out.outcome = queue::Outcome::failed;
            break;
        case Result::deferred: {
            const queue::Held held = r.held_reason.empty() ? queue::Held::no : queue::Held::by_policy;
            const bool over = queue::give_up(in.message->envelope, held, in.settings->max_age, in.now);
            if (over && !owes_last_attempt(in, held)) {
                out.outcome = queue::Outcome::failed;
                expired = true;
                break;
            }
            out.outcome = queue::Outcome::deferred;
            out.held_reason = r.held_reason;
            if (over) {
                out.next_attempt = in.now;
                break;
            }
            const queue::Time deadline = queue::deadline(in.message->envelope, held, in.settings->max_age);
            out.next_attempt =
                queue::next_attempt(*in.settings, r.recipient.attempts + 1, in.now, deadline, random);
            break;
        }
    }
    return out;
}

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

queue::FailedRecipient failed_recipient(const SettlementInput& in, const DeliveredRecipient& r,
                                        bool expired) {
    queue::FailedRecipient out{.address = r.recipient.recipient.address,
                               .orcpt = r.recipient.recipient.orcpt,
                               .status = r.outcome.enhanced,
                               .remote_mta = r.host,
                               .reply = {},
                               .reason = {},
                               .remedy = r.remedy,
                               .last_attempt = in.now,
                               .expired = expired};
    // What a server said is quoted as its reply; what we decided is said in our words.
    if (!r.outcome.command.empty())
        out.reply = fmt::format("{} {}", r.outcome.code, r.outcome.text);
    else
        out.reason = r.outcome.text;
    if (out.remedy.empty()) out.remedy = remedy_of(in.message->envelope.tls, r.outcome);
    if (!r.held_reason.empty())
        out.reason =
            fmt::format("Transport security held this message back ({}): {}", r.held_reason, r.outcome.text);
    return out;
}

}  // namespace

SettlementPlan plan_settlement(const SettlementInput& in) {
    SettlementPlan plan(in.message->id);
    queue::Settlement& s = plan.settlement;
    s.at = in.now;
    s.trace = in.report->reused ? security::to_json(*in.report->reused) : security::to_json(in.report->trace);
    s.shared_trace = in.report->shared_trace;
    s.tls_results = in.report->results;
    std::vector<queue::FailedRecipient> failed;
    for (std::size_t i = 0; i < in.report->recipients.size(); ++i) {
        const DeliveredRecipient& r = in.report->recipients[i];
        bool expired = false;
        queue::RecipientOutcome outcome =
            outcome_of(in, r, i < in.random.size() ? in.random[i] : 0.5, expired);
        DeliveryLine line;
        line.queue_id = in.message->id.str();
        line.recipient = r.recipient.recipient.address;
        line.relay = r.relay;
        line.before = std::chrono::duration_cast<Millis>(in.began - in.message->envelope.received_at);
        line.total = std::chrono::duration_cast<Millis>(in.now - in.message->envelope.received_at);
        line.connecting = in.connecting;
        line.sending = in.sending;
        line.dsn = r.outcome.enhanced;
        line.text = outcome.reply;
        line.tls = r.tls;
        line.status = outcome.outcome == queue::Outcome::delivered  ? "sent"
                      : outcome.outcome == queue::Outcome::deferred ? "deferred"
                      : expired                                     ? "expired"
                                                                    : "bounced";
        if (!r.held_reason.empty())
            line.text = fmt::format("held by policy, {}: {}", r.held_reason, line.text);
        plan.lines.push_back(std::move(line));
        if (outcome.outcome == queue::Outcome::failed) failed.push_back(failed_recipient(in, r, expired));
        s.recipients.push_back(std::move(outcome));
    }
    if (failed.empty() || in.message->envelope.sender.empty()) return plan;  // never to <> [SMTP-24]
    queue::FailureDsn dsn{.hostname = in.hostname,
                          .id = in.ids->next(in.now),
                          .original_id = in.message->id,
                          .original = &in.message->envelope,
                          .original_body = in.message->stored_body ? in.beginning : in.message->body,
                          .recipients = std::move(failed),
                          .envelope_id = {},
                          .contact = {},
                          .date = in.now,
                          .expires_at = queue::expiry(*in.settings, true, in.now),
                          .return_size = in.settings->dsn_return_size,
                          .headers_only = false};
    s.dsn = queue::build_failure_dsn(dsn);
    return plan;
}

}  // namespace sealpost
