#include "mta/smtp/server_session.hpp"

#include <fmt/format.h>

#include <utility>

namespace sealpost {

//  fresh    EHLO, HELO                     -> ready
//  ready    MAIL                           -> mail
//  mail     RCPT                           -> rcpt
//  rcpt     RCPT                           -> rcpt
//  rcpt     DATA (354)                     -> data
//  data     take_transaction()             -> storing
//  data     data_refused(), the end seen   -> ready
//  storing  stored(), storage_failed(), queue_full() -> ready
//  ready    STARTTLS, offered                     -> handshake
//  handshake  tls_established()                   -> fresh
//  mail, rcpt   RSET, EHLO, HELO           -> ready
//  any      QUIT, too many errors, octets ahead of their turn, timed_out(), shutting_down() -> closed
//  A refused command changes nothing but the count of errors.

namespace {

using Next = ServerAction::Next;

// RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets; text that came from outside is cut well before.
constexpr std::size_t max_text = 400;

constexpr std::string_view not_offered = "this command is not offered here";

ServerAction answer(int code, std::string_view enhanced, std::string_view text,
                    Next next = Next::read_command) {
    return {fmt::format("{} {} {}\r\n", code, enhanced, text.substr(0, max_text)), next};
}

struct DataReply {
    int code;
    std::string_view enhanced;
    std::string text;
};

DataReply reply_to(DataError::Reason reason, const DataLimits& limits) {
    switch (reason) {
        // 521 as Postfix has it: this connection is over, and trying the same again is useless.
        case DataError::Reason::bare_cr:
            return {521, "5.5.2", "bare <CR> received: lines end with <CR><LF>"};
        case DataError::Reason::bare_lf:
            return {521, "5.5.2", "bare <LF> received: lines end with <CR><LF>"};
        case DataError::Reason::nul:
            return {550, "5.6.0", "the message holds a NUL octet"};
        case DataError::Reason::line_too_long:
            return {550, "5.6.0", fmt::format("the message has a line of more than {} octets", limits.line)};
        case DataError::Reason::header_too_large:
            return {552, "5.3.4", fmt::format("the header has more than {} octets", limits.header)};
        case DataError::Reason::message_too_large:
            return {552, "5.3.4", fmt::format("the message has more than {} octets", limits.message)};
        case DataError::Reason::too_many_received:
            return {554, "5.4.6",
                    fmt::format("more than {} Received fields: this mail loops", limits.received)};
    }
    return {554, "5.6.0", "the message cannot be taken"};
}

}  // namespace

ServerSession::ServerSession(Domain hostname, const ListenerSettings& limits, IpAddress client, Relay relay)
    : hostname_(std::move(hostname)),
      client_(client),
      relay_(relay),
      max_message_size_(limits.max_message_size),
      max_header_size_(limits.max_header_size),
      max_recipients_(limits.max_recipients),
      max_received_(limits.max_received),
      max_errors_(limits.max_errors),
      max_transactions_(limits.max_transactions),
      starttls_(!limits.tls_certificate.empty()) {}

ServerAction ServerSession::greeting() const {
    return {fmt::format("220 {} ESMTP Sealpost\r\n", hostname_), Next::read_command};
}

ServerAction ServerSession::command(std::string_view line, bool bytes_follow) {
    if (state_ == State::closed) return {{}, Next::close};
    if (bytes_follow && must_be_last(verb_of(line)))
        return close(554, "5.5.0", "wait for the reply to this command before you send on");

    tl::expected<Command, CommandRefusal> parsed = parse_command(line, hostname_);
    if (!parsed) return refuse(parsed.error().code, parsed.error().enhanced, parsed.error().text);
    switch (parsed->verb) {
        case Verb::ehlo:
        case Verb::helo:
            return on_hello(*parsed);
        case Verb::mail:
            return on_mail(*std::move(parsed));
        case Verb::rcpt:
            return on_rcpt(*std::move(parsed));
        case Verb::data:
            return on_data();
        case Verb::rset:
            reset();
            return answer(250, "2.0.0", "Ok");
        case Verb::noop:
            return answer(250, "2.0.0", "Ok");
        case Verb::vrfy:
            return answer(252, "2.0.0", "send mail to it and see");
        case Verb::help:
            return answer(214, "2.0.0", "EHLO HELO STARTTLS MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
        case Verb::quit:
            state_ = State::closed;
            return answer(221, "2.0.0", "Bye", Next::close);
        case Verb::starttls:
            return on_starttls();
        case Verb::expn:
        case Verb::auth:
        case Verb::bdat:
        case Verb::unknown:
            break;
    }
    return refuse(502, "5.5.1", not_offered);
}

ServerAction ServerSession::overlong_line() {
    // What follows is the rest of that line and must not be read as a command.
    return close(500, "5.5.2", fmt::format("a line has at most {} octets", max_command_line));
}

ServerAction ServerSession::on_hello(const Command& command) {
    reset();
    state_ = State::ready;
    helo_ = command.argument;
    esmtp_ = command.verb == Verb::ehlo;
    if (!esmtp_) return {fmt::format("250 {}\r\n", hostname_), Next::read_command};
    // REQUIRETLS in clear would promise what the way here has broken already (RFC 8689 §2).
    const std::string_view tls = tls_ ? "250-REQUIRETLS\r\n" : starttls_ ? "250-STARTTLS\r\n" : "";
    return {fmt::format(
                "250-{}\r\n250-PIPELINING\r\n250-SIZE {}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n{}250 "
                "ENHANCEDSTATUSCODES\r\n",
                hostname_, max_message_size_, tls),
            Next::read_command};
}

ServerAction ServerSession::on_mail(Command command) {
    if (state_ == State::fresh) return refuse(503, "5.5.1", "EHLO must come first");
    if (state_ != State::ready) return refuse(503, "5.5.1", "a transaction is open: end it or send RSET");
    if (transactions_ >= max_transactions_)
        return close(421, "4.7.0",
                     fmt::format("{} enough messages for one connection, open another", hostname_));
    if (command.requiretls && !tls_)
        return refuse(530, "5.7.0",
                      starttls_ ? "REQUIRETLS is taken over TLS alone: send STARTTLS first"
                                : "REQUIRETLS is taken over TLS alone, and there is no STARTTLS here");
    if (command.size.value_or(0) > max_message_size_)
        return refuse(552, "5.3.4", fmt::format("messages have at most {} octets here", max_message_size_));
    if (!room_) return answer(452, "4.3.1", "no room for the message now, try again later");
    ++transactions_;
    transaction_ = {.sender = std::move(command.path),
                    .recipients = {},
                    .body = command.body.value_or(BodyType::seven_bit),
                    .declared_size = command.size,
                    .helo = helo_,
                    .esmtp = esmtp_,
                    .requiretls = command.requiretls,
                    .smtputf8 = command.smtputf8,
                    .ret = command.ret,
                    .envid = std::move(command.envid)};
    state_ = State::mail;
    return answer(250, "2.1.0", "Ok");
}

ServerAction ServerSession::on_rcpt(Command command) {
    if (state_ != State::mail && state_ != State::rcpt) return refuse(503, "5.5.1", "MAIL must come first");
    if (relay_ == Relay::refused)
        return refuse(554, "5.7.1",
                      fmt::format("relay access denied: {} is not in listener.relay_networks of {}",
                                  client_.str(), hostname_));
    if (command.utf8 && !transaction_.smtputf8)
        return refuse(553, "5.6.7", "an address in UTF-8 is taken behind MAIL with SMTPUTF8 alone");
    std::string key = command.path->str();
    if (seen_.contains(key)) return answer(250, "2.1.5", "Ok, once is enough");
    if (transaction_.recipients.size() >= max_recipients_)
        return answer(452, "4.5.3", "too many recipients: send to the others in a further transaction");
    seen_.insert(std::move(key));
    transaction_.recipients.push_back({.address = *std::move(command.path),
                                       .notify = std::move(command.notify),
                                       .orcpt = std::move(command.orcpt)});
    state_ = State::rcpt;
    return answer(250, "2.1.5", "Ok");
}

ServerAction ServerSession::on_data() {
    if (state_ == State::mail) return refuse(554, "5.5.1", "no valid recipients");
    if (state_ != State::rcpt) return refuse(503, "5.5.1", "MAIL and RCPT must come first");
    state_ = State::data;
    return {"354 End data with <CR><LF>.<CR><LF>\r\n", Next::read_data};
}

ServerAction ServerSession::on_starttls() {
    if (tls_) return refuse(503, "5.5.1", "TLS is active already");
    if (!starttls_) return refuse(502, "5.5.1", not_offered);
    if (state_ == State::fresh) return refuse(503, "5.5.1", "EHLO must come first");
    if (state_ != State::ready) return refuse(503, "5.5.1", "a transaction is open: end it or send RSET");
    state_ = State::handshake;
    return answer(220, "2.0.0", "Ready to start TLS", Next::start_tls);
}

void ServerSession::tls_established() {
    // All that was said in clear is forgotten, except how often the client was wrong (RFC 3207 §4.2).
    reset();
    state_ = State::fresh;
    helo_.clear();
    esmtp_ = false;
    tls_ = true;
}

DataLimits ServerSession::data_limits() const {
    DataLimits limits;
    limits.message = max_message_size_;
    limits.header = max_header_size_;
    limits.received = max_received_;
    return limits;
}

ServerAction ServerSession::data_refused(const DataError& error) {
    const DataReply reply = reply_to(error.reason, data_limits());
    if (!error.ended) return close(reply.code, reply.enhanced, reply.text);
    reset();
    return refuse(reply.code, reply.enhanced, reply.text);
}

ServerTransaction ServerSession::take_transaction() {
    state_ = State::storing;
    return std::exchange(transaction_, ServerTransaction{});
}

ServerAction ServerSession::stored(std::string_view queue_id) {
    reset();
    errors_ = 0;  // they are counted between good messages
    return answer(250, "2.0.0", fmt::format("Ok: queued as {}", queue_id));
}

ServerAction ServerSession::storage_failed() {
    reset();
    return answer(451, "4.3.0", "the message could not be stored, try again later");
}

ServerAction ServerSession::queue_full() {
    reset();
    return answer(452, "4.3.1", "no room for the message now, try again later");
}

ServerAction ServerSession::timed_out() {
    return close(421, "4.4.2", fmt::format("{} you have been silent too long", hostname_));
}

ServerAction ServerSession::shutting_down() {
    return close(421, "4.3.2", fmt::format("{} is shutting down, try again later", hostname_));
}

ServerAction ServerSession::too_many_sessions() {
    return close(421, "4.7.0", fmt::format("{} has too many sessions, try again later", hostname_));
}

ServerAction ServerSession::refuse(int code, std::string_view enhanced, std::string_view text) {
    if (++errors_ >= max_errors_)
        return close(421, "4.7.0",
                     fmt::format("{} too many errors, the last: {} {} {}", hostname_, code, enhanced, text));
    return answer(code, enhanced, text);
}

ServerAction ServerSession::close(int code, std::string_view enhanced, std::string_view text) {
    reset();
    state_ = State::closed;
    return answer(code, enhanced, text, Next::close);
}

void ServerSession::reset() {
    transaction_ = ServerTransaction{};
    seen_.clear();
    if (state_ != State::fresh && state_ != State::closed) state_ = State::ready;
}

}  // namespace sealpost
