#include "mta/daemon/settlement.hpp"

#include <algorithm>

#include "mta/daemon/notices.hpp"
#include "queue/retry.hpp"
#include "security/remote_text.hpp"

namespace sealpost {
namespace {

using Said = RecipientOutcome::Result;

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
        case Said::delivered:
            break;
        case Said::failed:
            out.outcome = queue::Outcome::failed;
            break;
        case Said::deferred: {
            const queue::Held held = r.held_reason.empty() ? queue::Held::no : queue::Held::by_policy;
            const bool over = queue::give_up(in.message->envelope, held, in.times, in.lived_until);
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
            const queue::Time deadline = queue::deadline(in.message->envelope, held, in.times);
            out.next_attempt =
                queue::next_attempt(*in.settings, r.recipient.attempts + 1, in.now, deadline, random);
            break;
        }
    }
    return out;
}

DeliveryLine line_of(const SettlementInput& in, const DeliveredRecipient& r,
                     const queue::RecipientOutcome& outcome, bool expired) {
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
    line.possibly_duplicate = r.recipient.interrupted > 0;
    if (!r.held_reason.empty()) line.text = fmt::format("held by policy, {}: {}", r.held_reason, line.text);
    return line;
}

std::string trace_of(const DeliveryReport& report) {
    unsigned interrupted = 0;
    for (const DeliveredRecipient& r : report.recipients)
        interrupted = std::max(interrupted, r.recipient.interrupted);
    if (report.reused) {
        security::ReusedTrace reused = *report.reused;
        reused.interrupted = interrupted;
        return security::to_json(reused);
    }
    if (interrupted == 0) return security::to_json(report.trace);
    security::AttemptTrace trace = report.trace;
    trace.interrupted = interrupted;
    return security::to_json(trace);
}

/// The sender could not be told, so what failed waits.
void take_back_failures(const SettlementInput& in, SettlementPlan& plan) {
    for (std::size_t i = 0; i < plan.settlement.recipients.size(); ++i) {
        queue::RecipientOutcome& outcome = plan.settlement.recipients[i];
        outcome.notified = false;
        if (outcome.outcome != queue::Outcome::failed) continue;
        outcome.outcome = queue::Outcome::deferred;
        outcome.next_attempt = in.now + in.settings->retry_max;
        plan.lines[i].status = "deferred";
    }
}

}  // namespace

queue::DestinationTimes times_of(const security::RuleTable& rules, const QueueSettings& settings,
                                 const std::string& domain, queue::Time now) {
    const Result<Domain> name = Domain::parse(domain);
    // An address literal has no rule of its own.
    if (!name) return queue::destination_times(settings, security::Rule{});
    return queue::destination_times(settings, rules.find(*name, std::chrono::floor<std::chrono::days>(now)));
}

SettlementPlan plan_settlement(const SettlementInput& in) {
    SettlementPlan plan(in.message->id);
    queue::Settlement& s = plan.settlement;
    s.at = in.now;
    s.trace = trace_of(*in.report);
    s.shared_trace = in.report->shared_trace;
    s.tls_results = in.report->results;
    NoticePlan notices;
    for (std::size_t i = 0; i < in.report->recipients.size(); ++i) {
        const DeliveredRecipient& r = in.report->recipients[i];
        bool expired = false;
        queue::RecipientOutcome outcome =
            outcome_of(in, r, i < in.random.size() ? in.random[i] : 0.5, expired);
        if (const std::optional<queue::DsnKind> kind = notice_due(in, r, outcome.outcome)) {
            outcome.notified = *kind == queue::DsnKind::delay;
            notices.add(*kind, dsn_recipient(in, r, *kind, expired), r.recipient.id);
        }
        plan.lines.push_back(line_of(in, r, outcome, expired));
        s.recipients.push_back(std::move(outcome));
    }
    // Whatever becomes of a notice, what was delivered is written down, or it would be sent again.
    Result<void> built;
    try {
        built = notices.build(in, plan);
    } catch (const std::exception& e) {
        built = fail(Errc::invalid, e.what());
    }
    if (!built) {
        s.notices.clear();
        plan.notes.clear();
        plan.alarm = fmt::format("{}: no notice could be made, what failed waits: {}", in.message->id.str(),
                                 security::printable(built.error().text, 300));
        take_back_failures(in, plan);
    }
    return plan;
}

}  // namespace sealpost
