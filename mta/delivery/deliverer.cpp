#include "mta/delivery/deliverer.hpp"

#include <algorithm>

#include "security/remote_text.hpp"

namespace sealpost {
namespace {

using security::HopTrace;
using security::MxStatus;
using security::SessionTrace;
using security::TlsStage;
using security::VerdictAction;

constexpr int weight_network = 1;
constexpr int weight_protocol = 2;
constexpr int weight_policy = 3;
constexpr std::size_t max_splits = 1000;  // transactions for what was too much for one

std::string tls_word(const security::Verdict& verdict, const security::TlsFacts& facts) {
    std::string word(to_string(verdict.achieved));
    if (!verdict.by.empty()) word += fmt::format("({})", verdict.by);
    if (facts.stage == TlsStage::established)
        word += fmt::format(" protocol={} cipher={}", facts.protocol, facts.cipher);
    return word;
}

/// No recipient has an answer of the server: the connection broke before the first one.
bool unanswered(const std::vector<RecipientOutcome>& outcomes) {
    return std::all_of(outcomes.begin(), outcomes.end(), [](const RecipientOutcome& o) {
        return o.result == RecipientOutcome::Result::deferred && o.command.empty();
    });
}

/// 421 before the body: the server wants no more of this connection, and would take the message over another.
bool sent_away(const std::vector<RecipientOutcome>& outcomes) {
    return std::all_of(outcomes.begin(), outcomes.end(), [](const RecipientOutcome& o) {
        return o.code == 421 && (o.command == "RSET" || o.command == "MAIL FROM" || o.command == "RCPT TO" ||
                                 o.command == "DATA");
    });
}

AddressCharset charset_of(const queue::Envelope& envelope) {
    return envelope.smtputf8 ? AddressCharset::utf8 : AddressCharset::ascii;
}

/// We refused for every recipient, because of what this host offers: another one may offer it.
bool refused_here(const std::vector<RecipientOutcome>& outcomes) {
    return !outcomes.empty() && std::all_of(outcomes.begin(), outcomes.end(), [](const RecipientOutcome& o) {
        return o.result == RecipientOutcome::Result::failed && o.command.empty();
    });
}

/// A bounce that asks for REQUIRETLS is redacted: it is rather sent without than lost, so the tag demands
/// nothing of a hop and is only passed on (RFC 8689 §5) [REQTLS-17 REQTLS-18].
security::MessageTls demand_of(const queue::Envelope& envelope) {
    const bool bounce = envelope.sender.empty() && envelope.tls == security::MessageTls::required;
    return bounce ? security::MessageTls::by_policy : envelope.tls;
}

}  // namespace

Deliverer::Deliverer(DelivererContext context, const queue::Delivery& delivery,
                     std::shared_ptr<const queue::StoredMessage> message)
    : context_(std::move(context)),
      message_(std::move(message)),
      body_(context_.body ? context_.body : std::make_shared<BodySource>(message_->body)),
      due_(delivery.recipients),
      // A next-hop that is no domain (an address literal, a damaged row) is settled before the route is used.
      route_(*context_.resolver, *context_.sts, *context_.route, *context_.rules,
             Domain::parse(delivery.domain).value_or(Domain::parse("invalid").value()),
             demand_of(message_->envelope), context_.urgency),
      report_(Domain::parse(delivery.domain).value_or(Domain::parse("invalid").value())) {
    report_.trace.message = message_->id.str();
    const AddressCharset charset = charset_of(message_->envelope);
    for (const queue::DueRecipient& due : due_)
        if (Result<Address> address = Address::parse(due.recipient.address, charset))
            addresses_.push_back(std::move(*address));
    if (!Domain::parse(delivery.domain))
        settle_all(RecipientOutcome::Result::failed, "5.1.2",
                   "address literals are not routed: use a domain");
    else if (addresses_.size() != due_.size())
        settle_all(RecipientOutcome::Result::failed, "5.1.3", "the recipient address cannot be read");
    else if (!message_->envelope.sender.empty() && !Address::parse(message_->envelope.sender, charset))
        settle_all(RecipientOutcome::Result::failed, "5.1.7", "the sender address cannot be read");
}

Async<DeliveryReport> Deliverer::run(std::mt19937& random, std::unique_ptr<KeptSession> kept) {
    const auto now = std::chrono::steady_clock::now();
    if (kept && kept->fits(terms(), context_.reuse, now)) {
        if (settled_)
            report_.kept = std::move(kept);
        else
            co_await send_over(std::move(kept));
    } else if (kept) {
        co_await kept->smtp->quit();
        kept.reset();  // its place among the connections, too
    }
    if (!settled_) co_await walk_hosts(random);
    report_.tried = addresses_tried_ > 0 && !our_side_;
    finish();
    co_return std::move(report_);
}

SessionTerms Deliverer::terms() const {
    return {.domain = report_.trace.domain.str(),
            .message = message_->envelope.tls,
            .bounce = message_->envelope.sender.empty(),
            .rules = context_.rules,
            .day = day_};
}

/// A session that breaks before any answer is no attempt: the server had closed it, which it may at any time.
Async<void> Deliverer::send_over(std::unique_ptr<KeptSession> kept) {
    report_.connected = std::chrono::steady_clock::now();
    MailEnvelope mail = envelope();
    mail.requiretls = kept->requiretls;
    if (!kept->smtp->admits(mail)) {
        report_.connected = {};
        co_await kept->smtp->quit();
        co_return;
    }
    const std::vector<RecipientOutcome> outcomes = co_await transact(*kept->smtp, std::move(mail));
    if ((unanswered(outcomes) || sent_away(outcomes)) && !kept->smtp->lost_after_body()) {
        report_.connected = {};
        co_await kept->smtp->quit();
        co_return;
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    ++kept->messages;
    settle_by(outcomes, *kept);
    security::ReusedTrace reused{.message = message_->id.str(),
                                 .domain = kept->terms.domain,
                                 .rule = kept->rule,
                                 .rule_level = kept->rule_level,
                                 .nth = kept->messages,
                                 .outcome = {},
                                 .summary = {},
                                 .reply = fmt::format("{} {}", outcomes.back().code, outcomes.back().text)};
    report_.reused = std::move(reused);
    report_.shared_trace = kept->trace;
    if (kept->smtp->may_go_on())
        report_.kept = std::move(kept);
    else
        co_await kept->smtp->quit();
}

/// Recipients that were only too many for one transaction have their turn in the next (RFC 5321 §4.5.3.1.10).
Async<std::vector<RecipientOutcome>> Deliverer::transact(Session& smtp, MailEnvelope mail) {
    using Split = RecipientOutcome::Split;
    std::vector<RecipientOutcome> outcomes = co_await smtp.transact(mail, body_);
    report_.body_error = body_->error();
    // From here on somebody has the message: what follows must not be cut off from writing that down.
    if (!unanswered(outcomes))
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    for (std::size_t round = 0; round < max_splits && smtp.may_go_on(); ++round) {
        MailEnvelope more = mail;
        more.recipients.clear();
        std::vector<std::size_t> whose;
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            if (outcomes[i].split != Split::next_transaction) continue;
            more.recipients.push_back(mail.recipients[i]);
            whose.push_back(i);
        }
        if (whose.empty() || !smtp.admits(more)) break;
        const std::vector<RecipientOutcome> answers = co_await smtp.transact(std::move(more), body_);
        report_.body_error = body_->error();
        for (std::size_t i = 0; i < whose.size(); ++i) outcomes[whose[i]] = answers[i];
    }
    co_return outcomes;
}

/// No host takes such a message: waiting would change nothing.
bool Deliverer::settle_for_refusals(std::size_t hosts) {
    if (hosts_refused_ == 0 || hosts_refused_ != hosts) return false;
    settle_by(refusal_, refused_by_);
    return true;
}

void Deliverer::settle_by(const std::vector<RecipientOutcome>& outcomes, const KeptSession& session) {
    for (std::size_t i = 0; i < due_.size(); ++i)
        report_.recipients.push_back({.recipient = due_[i],
                                      .outcome = outcomes[i],
                                      .host = session.host,
                                      .relay = session.relay,
                                      .tls = session.tls,
                                      .held_reason = {},
                                      .remedy = {},
                                      .dsn_passed_on = outcomes[i].dsn_passed_on});
    settled_ = true;
}

Async<void> Deliverer::walk_hosts(std::mt19937& random) {
    co_await route_.look_up(report_.trace, random);
    if (settle_without_hosts()) co_return;
    const auto sts_results = security::results_of_sts_failure(report_.trace.mx->domain, *report_.trace.sts);
    report_.results.insert(report_.results.end(), sts_results.begin(), sts_results.end());
    // A copy: the trace grows while we walk. Strict preference order, nothing filtered ahead [STS-66
    // DANE-11].
    const std::vector<security::MxHost> hosts = report_.trace.mx->hosts;
    for (const security::MxHost& host : hosts) {
        co_await try_host(host);
        if (settled_) co_return;
        if (addresses_tried_ >= context_.route->delivery.max_addresses) break;
    }
    // All of them provably without an address, and there are no others [SMTP-10].
    if (hosts_without_address_ == hosts.size() && !report_.trace.mx->cut) {
        settle_all(RecipientOutcome::Result::failed, "5.4.4",
                   fmt::format("no MX host of {} has an address", report_.trace.domain));
        co_return;
    }
    if (settle_for_lack(hosts.size()) || settle_for_refusals(hosts.size())) co_return;
    report_.destination_dead = !any_connection_ && addresses_tried_ > 0;
}

/// Every host has answered, and none of them can take a message that requires TLS: waiting would change
/// nothing [REQTLS-14 REQTLS-15 AMB-30].
bool Deliverer::settle_for_lack(std::size_t hosts) {
    if (demand_of(message_->envelope) != security::MessageTls::required || lacks_.size() != hosts)
        return false;
    const bool lasting = std::all_of(lacks_.begin(), lacks_.end(), [](const HostLack& host) {
        return host.lack != security::Lack::none && !host.other;
    });
    if (!lasting) return false;
    const bool offered_nowhere = std::any_of(lacks_.begin(), lacks_.end(), [](const HostLack& host) {
        return host.lack == security::Lack::requiretls;
    });
    settle_all(RecipientOutcome::Result::failed, offered_nowhere ? "5.7.30" : "5.7.10", waiting_.text);
    for (DeliveredRecipient& recipient : report_.recipients) {
        recipient.relay = waiting_.relay;
        recipient.remedy = waiting_.remedy;
    }
    report_.trace.remedy = waiting_.remedy;
    report_.trace.side = waiting_.side;
    return true;
}

bool Deliverer::settle_without_hosts() {
    const security::MxSet& mx = *report_.trace.mx;
    if (mx.status == MxStatus::hosts) return false;
    security::NoHosts none = security::describe_no_hosts(mx);
    if (none.permanent) {
        settle_all(RecipientOutcome::Result::failed, none.enhanced, none.text);
        return true;
    }
    report_.results = security::results_of_failed_mx(mx);
    Waiting waiting;
    waiting.weight = none.by_policy ? weight_policy : weight_protocol;
    waiting.enhanced = std::move(none.enhanced);
    waiting.text = std::move(none.text);
    if (none.by_policy) waiting.held_reason = "dnssec-invalid";
    waiting.remedy = std::move(none.remedy);
    waiting.side = security::Side::theirs;
    note(std::move(waiting));
    return true;
}

Async<void> Deliverer::try_host(security::MxHost host) {
    const security::HostState state = co_await route_.look_up_host(report_.trace, host);
    const std::size_t hop = report_.trace.hops.size() - 1;
    const security::HopDecision& decision = *report_.trace.hops[hop].decision;
    if (!decision.attempt) {
        report_.results.insert(report_.results.end(), decision.results.begin(), decision.results.end());
        lacks_.push_back({decision.lack, decision.lack == security::Lack::none});
        Waiting waiting;
        waiting.text = decision.explanation;
        waiting.remedy = decision.remedy;
        waiting.side = decision.side;
        switch (decision.reason) {
            case security::HopReason::no_address:
                ++hosts_without_address_;
                waiting.weight = weight_network;
                waiting.enhanced = "4.4.4";
                break;
            case security::HopReason::address_lookup_failed:
                // A signature that is false is policy; an answer that is missing is weather.
                waiting.weight = decision.results.empty() ? weight_network : weight_policy;
                waiting.enhanced = decision.results.empty() ? "4.4.3" : "4.7.5";
                if (!decision.results.empty()) waiting.held_reason = "dnssec-invalid";
                break;
            default:
                waiting.weight = weight_policy;
                waiting.enhanced = "4.7.5";
                waiting.held_reason = to_string(decision.reason);
        }
        note(std::move(waiting));
        co_return;
    }
    lacks_.push_back({});
    StartTls tls = decision.tls_required ? StartTls::require : StartTls::opportunistic;
    if (decision.tls_off) tls = StartTls::never;
    for (const IpAddress& address : state.addresses) {
        if (settled_ || addresses_tried_ >= context_.route->delivery.max_addresses) co_return;
        ++addresses_tried_;
        const bool in_clear = co_await try_address(address, tls);
        // Only the verdict may ask for it, and it never does under a policy that requires TLS.
        if (in_clear && tls == StartTls::opportunistic) co_await try_address(address, StartTls::never);
    }
}

Async<bool> Deliverer::try_address(IpAddress address, StartTls tls) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    const DeliverySettings& settings = context_.route->delivery;
    const std::size_t hop = report_.trace.hops.size() - 1;
    const Domain host = report_.trace.hops[hop].host.name;
    const security::HopDecision decision = *report_.trace.hops[hop].decision;
    const Endpoint to{.address = address, .port = route_.port_of(report_.trace.hops[hop].host)};
    const std::string relay = fmt::format("{}[{}]:{}", host, address.str(), to.port);
    SessionTrace session;
    session.address = to.str();
    Waiting waiting;
    waiting.relay = relay;
    waiting.weight = weight_network;
    // The address itself is checked, at the last moment, whatever name it came from.
    if (any_contains(settings.forbidden_networks, address)) {
        session.error = "the address is in delivery.forbidden_networks";
        waiting.text = fmt::format("{} has the address {}, which delivery.forbidden_networks forbids", host,
                                   address.str());
        waiting.side = security::Side::theirs;
        waiting.remedy = fmt::format("publish a public address for {}", host);
        lacks_.back().other = true;
        note(std::move(waiting));
        report_.trace.hops[hop].sessions.push_back(std::move(session));
        co_return false;
    }
    auto kept = std::make_unique<KeptSession>();
    kept->smtp = std::make_unique<Session>(executor, context_.session);
    kept->began = std::chrono::steady_clock::now();
    Session& smtp = *kept->smtp;
    const Opened opened = co_await smtp.open(to, decision, host, tls);
    any_connection_ = any_connection_ || opened.connected || opened.our_side;
    our_side_ = our_side_ || opened.our_side;
    session.facts = opened.facts;
    session.error = opened.error;
    const bool judged = opened.facts.stage != TlsStage::not_reached;
    security::Verdict verdict;
    if (judged) {
        verdict = security::judge(decision, opened.facts, host, report_.trace.mx->domain);
        session.verdict = verdict;
        if (!verdict.would_hold.empty()) report_.would_hold = verdict.would_hold;
        report_.results.insert(report_.results.end(), verdict.results.begin(), verdict.results.end());
    }
    if (judged && verdict.action != VerdictAction::deliver) {
        if (verdict.action == VerdictAction::skip_host) {
            note_verdict(verdict, relay);
            HostLack& host_lack = lacks_.back();
            if (verdict.lack == security::Lack::none)
                host_lack.other = true;
            else
                host_lack.lack = verdict.lack;
        }
        co_await smtp.quit();
        report_.trace.hops[hop].sessions.push_back(std::move(session));
        co_return verdict.action == VerdictAction::retry_in_clear;
    }
    if (!opened.ready || verdict.action != VerdictAction::deliver) {
        waiting.weight = opened.connected ? weight_protocol : weight_network;
        waiting.enhanced = opened.connected ? "4.4.2" : "4.4.1";
        waiting.text = fmt::format("{}: {}", relay, opened.error.empty() ? "no session" : opened.error);
        lacks_.back().other = true;
        note(std::move(waiting));
        co_await smtp.quit();
        report_.trace.hops[hop].sessions.push_back(std::move(session));
        co_return false;
    }
    report_.connected = std::chrono::steady_clock::now();
    // Counted from the look-ups: other hosts may have cost time since.
    const auto spent = std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - looked_up_);
    const auto fresh_for = std::max(decision.fresh_for - spent, std::chrono::seconds(0));
    if (verdict.achieved != security::Achieved::clear) smtp.keep_tls_session(fresh_for);
    MailEnvelope mail = envelope();
    const bool requiretls = decision.requiretls || message_->envelope.tls == security::MessageTls::required;
    mail.requiretls = requiretls;
    const std::vector<RecipientOutcome> outcomes = co_await transact(smtp, std::move(mail));
    // A connection that broke before any answer may be retried at the next address; one that broke after the
    // body may have delivered, and one answer at all means that this server took the transaction up.
    const bool lost = unanswered(outcomes) && !outcomes.empty();
    // What the server took is settled even when the daemon is ending: cut off here it would be sent twice.
    if (!lost) co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (!outcomes.empty()) session.reply = fmt::format("{} {}", outcomes.back().code, outcomes.back().text);
    report_.trace.hops[hop].sessions.push_back(std::move(session));
    if (lost && !smtp.lost_after_body()) {
        waiting.weight = weight_protocol;
        waiting.enhanced = outcomes.front().enhanced;
        lacks_.back().other = true;
        waiting.text = fmt::format("{}: {}", relay, outcomes.front().text);
        note(std::move(waiting));
        co_await smtp.quit();
        co_return false;
    }
    kept->terms = terms();
    kept->fresh_until = looked_up_ + decision.fresh_for;
    kept->requiretls = requiretls;
    kept->host = host.str();
    kept->relay = relay;
    kept->tls = tls_word(verdict, opened.facts);
    kept->rule = report_.trace.rule;
    kept->rule_level = report_.trace.rule_level;
    if (refused_here(outcomes)) {
        waiting.weight = weight_protocol;
        waiting.enhanced = outcomes.front().enhanced;
        waiting.text = fmt::format("{}: {}", relay, outcomes.front().text);
        lacks_.back().other = true;
        note(std::move(waiting));
        if (refused_at_ != hop) ++hosts_refused_;
        refused_at_ = hop;
        refusal_ = outcomes;
        refused_by_.host = kept->host;
        refused_by_.relay = kept->relay;
        refused_by_.tls = kept->tls;
        co_await smtp.quit();
        co_return false;
    }
    settle_by(outcomes, *kept);
    if (context_.reuse.messages > 1 && smtp.may_go_on())
        report_.kept = std::move(kept);
    else
        co_await smtp.quit();
    co_return false;
}

void Deliverer::note(Waiting waiting) {
    if (waiting.weight >= waiting_.weight) waiting_ = std::move(waiting);
}

void Deliverer::note_verdict(const security::Verdict& verdict, const std::string& relay) {
    Waiting waiting;
    waiting.weight = weight_policy;
    waiting.enhanced = "4.7.5";
    waiting.relay = relay;
    waiting.text = verdict.explanation;
    waiting.remedy = verdict.remedy;
    waiting.side = verdict.side;
    waiting.held_reason =
        verdict.lack == security::Lack::requiretls ? "requiretls" : to_string(verdict.cause);
    note(std::move(waiting));
}

void Deliverer::settle_all(RecipientOutcome::Result result, const std::string& enhanced,
                           const std::string& text) {
    report_.recipients.clear();
    for (const queue::DueRecipient& due : due_)
        report_.recipients.push_back(
            {.recipient = due,
             .outcome = {.result = result, .code = 0, .enhanced = enhanced, .text = text, .command = {}},
             .host = {},
             .relay = "none",
             .tls = "none",
             .held_reason = {},
             .remedy = {}});
    settled_ = true;
}

void Deliverer::finish() {
    security::AttemptTrace& trace = report_.trace;
    describe_end(trace);
    if (!report_.reused) return;
    report_.reused->outcome = trace.outcome;
    report_.reused->summary = trace.summary;
}

void Deliverer::describe_end(security::AttemptTrace& trace) {
    if (!settled_) {
        settle_all(RecipientOutcome::Result::deferred, waiting_.enhanced, waiting_.text);
        for (DeliveredRecipient& recipient : report_.recipients) {
            recipient.held_reason = waiting_.held_reason;
            recipient.remedy = waiting_.remedy;
            recipient.relay = waiting_.relay;
        }
        trace.remedy = waiting_.remedy;
        trace.side = waiting_.side;
        trace.summary = waiting_.text;
        trace.outcome = waiting_.held_reason.empty() ? "deferred" : "held";
        return;
    }
    const RecipientOutcome& first = report_.recipients.front().outcome;
    const bool same =
        std::all_of(report_.recipients.begin(), report_.recipients.end(),
                    [&](const DeliveredRecipient& r) { return r.outcome.result == first.result; });
    trace.summary = first.text;
    trace.outcome = "mixed";
    if (!same) return;
    switch (first.result) {
        case RecipientOutcome::Result::delivered:
            trace.outcome = "delivered";
            trace.summary =
                fmt::format("{} tls={}", report_.recipients.front().relay, report_.recipients.front().tls);
            break;
        case RecipientOutcome::Result::deferred:
            trace.outcome = "deferred";
            break;
        case RecipientOutcome::Result::failed:
            trace.outcome = "failed";
            break;
    }
}

MailEnvelope Deliverer::envelope() const {
    MailEnvelope out;
    const queue::Envelope& from = message_->envelope;
    if (const Result<Address> sender = Address::parse(from.sender, charset_of(from))) out.sender = *sender;
    for (std::size_t i = 0; i < addresses_.size(); ++i)
        out.recipients.emplace_back(addresses_[i], due_[i].recipient.notify, due_[i].recipient.orcpt);
    out.smtputf8 = from.smtputf8;
    out.envid = from.envid;
    out.ret = from.ret;
    out.size = body_->size();
    out.eight_bit = message_->envelope.body == queue::BodyType::eight_bit_mime;  // as it was found to be
    return out;
}

}  // namespace sealpost
