#include "mta/delivery/session.hpp"

#include <algorithm>

#include "mta/smtp/dot_stuffer.hpp"
#include "mta/smtp/seven_bit.hpp"
#include "security/policy_identity.hpp"
#include "security/remote_text.hpp"

namespace sealpost {
namespace {

using security::TlsFacts;
using security::TlsStage;

std::string reply_text(const Reply& reply) {
    return security::printable(fmt::format("{} {}", reply.code, reply.text()), 300);
}

/// What the end of the opening says about TLS.
TlsStage stage_of(const SessionOpening& opening) {
    if (!opening.failure()) return opening.tls() ? TlsStage::established : TlsStage::not_offered;
    switch (*opening.failure()) {
        case OpeningFailure::starttls_not_offered:
            return TlsStage::not_offered;
        case OpeningFailure::starttls_refused:
            return TlsStage::refused;
        case OpeningFailure::unsolicited_bytes:
            return TlsStage::injected;
        case OpeningFailure::ehlo_refused:
            // Without EHLO there is no STARTTLS: under a policy that is the failure to report [DANE-73]. A
            // server that is busy (4xx) said nothing about TLS [RPT-55].
            if (opening.tls()) return TlsStage::established;
            return opening.last_reply().severity() == 4 ? TlsStage::not_reached : TlsStage::not_offered;
        case OpeningFailure::greeting_refused:
        case OpeningFailure::protocol:
            return opening.tls() ? TlsStage::established : TlsStage::not_reached;
    }
    return TlsStage::not_reached;
}

std::string first_word(const Reply& reply) {
    if (reply.lines.empty()) return {};
    const std::string& line = reply.lines.front();
    return security::printable(line.substr(0, line.find(' ')), 255);
}

/// Nothing that the second EHLO says could still make this session good enough.
bool falls_short(const security::HopDecision& decision, TlsFacts facts, const Domain& host) {
    facts.stage = TlsStage::established;
    facts.requiretls = true;
    return security::judge(decision, facts, host, host).action != security::VerdictAction::deliver;
}

}  // namespace

Session::Session(const asio::any_io_executor& executor, const SessionContext& context)
    : context_(context),
      connection_(executor, context.settings->session_timeout),
      opening_(context.helo_name, StartTls::require),
      began_(std::chrono::steady_clock::now()) {}

Async<Opened> Session::open(Endpoint to, const security::HopDecision& decision, Domain host, StartTls tls) {
    const DeliverySettings& settings = *context_.settings;
    opening_ = SessionOpening(context_.helo_name, tls);
    Opened out;
    out.facts.remote_ip = to.address.str();
    const std::optional<IpAddress> source = to.address.is_v4() ? settings.source_ipv4 : settings.source_ipv6;
    const std::string self = fmt::format("{} {}", context_.helo_name, source ? source->str() : "");
    identity_ = security::policy_identity(decision, host, to, self);
    const bool placed = co_await wait_for_place();
    if (!placed) {
        out.our_side = true;
        out.error = "no connection was free in time (delivery.max_connections)";
        co_return out;
    }
    const Result<void> connected = co_await connection_.connect(to, source, settings.connect_timeout);
    if (!connected) {
        out.our_side = connected.error().code == Errc::full;
        out.error = connected.error().text;
        co_return out;
    }
    out.connected = true;
    out.facts.local_ip = connection_.local_ip();
    Millis limit = settings.greeting_timeout;
    for (;;) {
        const Result<Reply> reply = co_await connection_.read_reply(limit);
        if (!reply) {
            out.error = reply.error().text;
            out.facts.stage = opening_.tls() ? TlsStage::established : TlsStage::not_reached;
            co_return out;
        }
        SessionOpening::Step step = opening_.next(*reply, connection_.bytes_follow());
        if (step.act == SessionOpening::Step::Act::start_tls) {
            KeptTlsSession earlier = take_tls_session();
            HandshakeRequest request(decision.sni, decision.min_tls, std::move(earlier.session));
            Result<HandshakeFacts> handshake =
                co_await connection_.start_tls(*context_.tls, std::move(request), settings.handshake_timeout);
            if (!handshake) {
                out.facts.stage = TlsStage::handshake_failed;
                out.facts.detail = handshake.error().text;
                co_return out;
            }
            if (handshake->resumed) tls_end_ = earlier.end;
            judge_chain(out, *handshake, decision, host);
            if (falls_short(decision, out.facts, host)) {  // QUIT at once (RFC 3207 §4.1) [TLS-09]
                out.facts.stage = TlsStage::established;
                may_quit_ = true;
                co_return out;
            }
            step = opening_.tls_established();
        }
        if (step.act == SessionOpening::Step::Act::send) {
            if (opening_.starttls_offered() && !opening_.tls()) out.facts.helo = first_word(*reply);
            limit = limit_of(step.command);
            const Result<void> sent =
                co_await connection_.write(std::move(step.command), settings.block_timeout);
            if (sent) continue;
            out.error = sent.error().text;
            out.facts.stage = opening_.tls() ? TlsStage::established : TlsStage::not_reached;
            co_return out;
        }
        may_quit_ = opening_.may_quit();
        out.ready = step.act == SessionOpening::Step::Act::ready;
        out.facts.stage = stage_of(opening_);
        // Not asked for on this connection: what the server offers is the finding of the one before [RPT-58].
        if (tls == StartTls::never) out.facts.stage = out.ready ? TlsStage::not_asked : TlsStage::not_reached;
        if (out.ready && opening_.starttls_refusal()) out.facts.stage = TlsStage::refused;
        if (out.facts.stage != TlsStage::established && out.facts.stage != TlsStage::not_asked) {
            const Reply& last =
                opening_.starttls_refusal() ? *opening_.starttls_refusal() : opening_.last_reply();
            out.facts.detail =
                out.facts.stage == TlsStage::not_offered && opening_.failure() != OpeningFailure::ehlo_refused
                    ? "STARTTLS is not in the EHLO reply"
                    : reply_text(last);
        }
        if (out.ready) out.facts.helo = first_word(opening_.last_reply());
        out.facts.requiretls = out.ready && opening_.tls() && opening_.extensions().requiretls;
        if (!out.ready &&
            (out.facts.stage == TlsStage::not_reached || out.facts.stage == TlsStage::established))
            out.error =
                fmt::format("{}: {}", to_string(*opening_.failure()), reply_text(opening_.last_reply()));
        co_return out;
    }
}

/// Connections that only wait for another message make way.
Async<bool> Session::wait_for_place() {
    if (context_.budget == nullptr) co_return true;
    constexpr Millis pause{20};
    const auto end = std::chrono::steady_clock::now() + context_.settings->session_timeout;
    for (;;) {
        place_ = context_.budget->take();
        if (place_) co_return true;
        if (context_.relieve) context_.relieve();
        if (std::chrono::steady_clock::now() > end) co_return false;
        asio::steady_timer timer(co_await asio::this_coro::executor, pause);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

void Session::judge_chain(Opened& opened, const HandshakeFacts& handshake,
                          const security::HopDecision& decision, const Domain& host) const {
    TlsFacts& facts = opened.facts;
    facts.protocol = handshake.protocol;
    facts.cipher = handshake.cipher;
    facts.resumed = handshake.resumed;
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    // A rule that only observes is judged by the same handshake.
    for (const security::HopDecision* d : {&decision, decision.observed.get()}) {
        if (d == nullptr) continue;
        if (d->dane && !facts.dane)
            facts.dane = security::verify_dane(handshake.chain, d->dane->tlsa, d->dane->base_domain,
                                               d->dane->reference_names, now);
        if (d->web_pki != security::Check::no && !facts.web_pki)
            facts.web_pki = security::verify_web_pki(handshake.chain, *context_.trusted, host, now);
        if (d->rule_check && !facts.rule)
            facts.rule = security::verify_rule(handshake.chain, *d->rule_check, *context_.trusted, now);
    }
}

KeptTlsSession Session::take_tls_session() const {
    if (context_.sessions == nullptr) return {};
    return context_.sessions->take(identity_, std::chrono::steady_clock::now());
}

void Session::keep_tls_session(std::chrono::seconds fresh_for) {
    const auto longest = std::chrono::duration_cast<std::chrono::seconds>(context_.session_lifetime);
    keep_until_ = std::min(began_ + std::min(fresh_for, longest), tls_end_);
}

Millis Session::limit_of(std::string_view command) const {
    const DeliverySettings& s = *context_.settings;
    if (command.starts_with("EHLO") || command.starts_with("HELO")) return s.helo_timeout;
    if (command.starts_with("STARTTLS")) return s.starttls_timeout;
    if (command.starts_with("MAIL")) return s.mail_timeout;
    if (command.starts_with("RCPT")) return s.rcpt_timeout;
    if (command.starts_with("DATA")) return s.data_timeout;
    return s.mail_timeout;
}

Async<std::vector<RecipientOutcome>> Session::transact(MailEnvelope envelope,
                                                       std::shared_ptr<BodySource> body) {
    using Act = MailTransaction::Step::Act;
    const DeliverySettings& settings = *context_.settings;
    const Result<void> fitted = fit_to_server(envelope, *body);
    if (!use_) use_.emplace(opening_.extensions().limits);
    use_->count(envelope);
    MailTransaction transaction(std::move(envelope), opening_.extensions(),
                                reset_needed_ ? Rset::first : Rset::no);
    lost_after_body_ = false;
    if (!fitted) {
        transaction.lost("4.3.0", fitted.error().text);
        co_return transaction.outcomes();
    }
    MailTransaction::Step step = transaction.start();
    std::string_view rest;  // of what goes out by BDAT
    body->rewind();
    Millis limit = settings.mail_timeout;
    while (step.act != Act::done && step.act != Act::close) {
        Result<void> sent;
        if (step.act == Act::send) {
            limit = limit_of(step.bytes);
            sent = co_await connection_.write(std::move(step.bytes), settings.block_timeout);
        } else if (step.act == Act::send_body) {
            limit = settings.final_timeout;
            sent = co_await send_body(body);
        } else if (step.act == Act::send_chunk) {
            limit = settings.final_timeout;
            sent = co_await send_chunk(std::move(step.bytes), step.octets, *body, rest);
            if (sent) {
                step = transaction.chunk_sent();
                if (step.act != Act::read) continue;
            }
        }
        if (!sent) {
            lost_after_body_ = transaction.awaiting_final();
            may_quit_ = false;
            transaction.lost(body->error() ? "4.3.0" : "4.4.2", sent.error().text);
            break;
        }
        const Result<Reply> reply = co_await connection_.read_reply(limit);
        if (!reply) {
            lost_after_body_ = transaction.awaiting_final();
            may_quit_ = false;
            transaction.lost(reply.error().code == Errc::protocol ? "4.5.0" : "4.4.2", reply.error().text);
            break;
        }
        step = transaction.next(*reply, connection_.bytes_follow());
    }
    if (step.act == Act::close) may_quit_ = false;
    reset_needed_ = transaction.reset_needed();
    co_return transaction.outcomes();
}

/// What this server cannot take as it is goes out in 7 bits where that can be done, and is marked where it
/// cannot: then the transaction refuses it with the right code (RFC 6152 §3, RFC 6531 §3.6).
Result<void> Session::fit_to_server(MailEnvelope& envelope, BodySource& body) const {
    const Extensions& server = opening_.extensions();
    body.as_stored();
    const bool convert = envelope.eight_bit && !server.eight_bit_mime;
    const bool look = envelope.smtputf8 && !server.smtputf8;
    if (!convert && !look) return {};
    SevenBitMeasure measure;
    do {
        body.rewind();
        for (;;) {
            const Result<std::string_view> block = body.next();
            if (!block) return tl::unexpected(block.error());
            if (block->empty()) break;
            measure.append(*block);
        }
    } while (measure.again());
    envelope.smtputf8 = envelope.smtputf8 && measure.eight_bit_header();
    if (!convert) return {};
    if (measure.failure()) {
        envelope.not_convertible = to_string(*measure.failure());
        return {};
    }
    body.convert(measure.plan(), measure.size());
    envelope.eight_bit = false;
    envelope.size = measure.size();
    return {};
}

/// `rest`: of the block that was read last, what has not gone out yet.
Async<Result<void>> Session::send_chunk(std::string command, std::uint64_t octets, BodySource& body,
                                        std::string_view& rest) {
    std::string block = std::move(command);
    do {
        if (rest.empty() && octets > 0) {
            const Result<std::string_view> read = body.next();
            if (!read) co_return tl::unexpected(read.error());
            if (read->empty()) co_return fail(Errc::invalid, "the body is shorter than it was announced");
            rest = *read;
        }
        const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(octets, rest.size()));
        block += rest.substr(0, length);
        rest.remove_prefix(length);
        octets -= length;
        const Result<void> sent =
            co_await connection_.write(std::move(block), context_.settings->block_timeout);
        if (!sent) co_return tl::unexpected(sent.error());
        block.clear();
    } while (octets > 0);
    co_return Result<void>{};
}

Async<Result<void>> Session::send_body(std::shared_ptr<BodySource> body) {
    DotStuffer stuffer;
    body->rewind();
    for (;;) {
        const Result<std::string_view> read = body->next();
        if (!read) co_return tl::unexpected(read.error());
        if (read->empty()) break;
        std::string block;
        block.reserve(read->size() + read->size() / 64 + 8);
        stuffer.append(*read, block);
        const Result<void> sent =
            co_await connection_.write(std::move(block), context_.settings->block_timeout);
        if (!sent) co_return tl::unexpected(sent.error());
    }
    std::string end;
    stuffer.finish(end);
    co_return co_await connection_.write(std::move(end), context_.settings->block_timeout);
}

Async<void> Session::quit() {
    const Millis limit = context_.settings->quit_timeout;
    bool orderly = false;
    if (may_quit_) {
        may_quit_ = false;
        std::string command = "QUIT\r\n";
        const Result<void> sent = co_await connection_.write(std::move(command), limit);
        orderly = sent.has_value();
    }
    if (orderly) {
        // The answer changes nothing [SMTP-36]; waiting for it keeps our close from resetting the connection.
        co_await connection_.read_reply(limit);
        co_await connection_.end_tls(limit);
        if (keep_until_ && context_.sessions != nullptr)
            context_.sessions->put(identity_, connection_.take_tls_session(), *keep_until_,
                                   std::chrono::steady_clock::now());
    }
    connection_.close();
}

}  // namespace sealpost
