#include "mta/smtp/session_opening.hpp"

namespace sealpost {

//  greeting     2yz                                  -> ehlo
//  ehlo         2yz, STARTTLS offered and wanted     -> starttls
//  ehlo         2yz, not so, and TLS is not required -> ready
//  ehlo         5yz, TLS is not required             -> helo
//  helo         2yz                                  -> ready
//  starttls     220                                  -> handshake
//  starttls     4yz or 5yz, TLS is not required      -> ready
//  handshake    tls_established()                    -> second_ehlo
//  second_ehlo  2yz                                  -> ready
//  any          everything else, octets behind a reply -> failed

std::string_view to_string(OpeningFailure failure) {
    switch (failure) {
        case OpeningFailure::greeting_refused:
            return "greeting refused";
        case OpeningFailure::ehlo_refused:
            return "EHLO refused";
        case OpeningFailure::starttls_not_offered:
            return "STARTTLS not offered";
        case OpeningFailure::starttls_refused:
            return "STARTTLS refused";
        case OpeningFailure::unsolicited_bytes:
            return "octets that no command asked for";
        case OpeningFailure::protocol:
            return "unexpected reply";
    }
    return "unknown";
}

SessionOpening::Step SessionOpening::next(const Reply& reply, bool bytes_follow) {
    last_reply_ = reply;
    // No command of this part may be pipelined, so that nothing can stand behind a reply. Behind the one to
    // STARTTLS it would be taken for what TLS protects (RFC 3207 §6); elsewhere it shifts all later replies
    // by one.
    if (bytes_follow) {
        may_quit_ = false;
        return give_up(OpeningFailure::unsolicited_bytes);
    }
    if (reply.code == 421) may_quit_ = false;

    const int severity = reply.severity();
    switch (state_) {
        case State::greeting:
            if (severity == 2) {
                state_ = State::ehlo;
                return {Step::Act::send, "EHLO " + helo_name_ + "\r\n"};
            }
            return give_up(severity == 3 ? OpeningFailure::protocol : OpeningFailure::greeting_refused);
        case State::ehlo:
            return after_ehlo(reply);
        case State::helo:
            if (severity == 2) return become_ready();
            return give_up(severity == 3 ? OpeningFailure::protocol : OpeningFailure::ehlo_refused);
        case State::starttls:
            return after_starttls(reply);
        case State::second_ehlo:
            if (severity == 2) {
                extensions_ = Extensions::parse(reply);
                extensions_.starttls = false;  // there is no second TLS inside the first (RFC 3207 §4.2)
                return become_ready();
            }
            return give_up(severity == 3 ? OpeningFailure::protocol : OpeningFailure::ehlo_refused);
        case State::handshake:
        case State::ready:
        case State::failed:
            break;
    }
    return give_up(OpeningFailure::protocol);
}

SessionOpening::Step SessionOpening::tls_established() {
    if (state_ != State::handshake) return give_up(OpeningFailure::protocol);
    tls_active_ = true;
    state_ = State::second_ehlo;
    return {Step::Act::send, "EHLO " + helo_name_ + "\r\n"};
}

SessionOpening::Step SessionOpening::after_ehlo(const Reply& reply) {
    if (reply.severity() == 2) {
        extensions_ = Extensions::parse(reply);
        starttls_offered_ = extensions_.starttls;
        extensions_.requiretls = false;  // in clear it promises nothing (RFC 8689 §4.2.1 step 5)
        if (starttls_offered_ && tls_ != StartTls::never) {
            state_ = State::starttls;
            return {Step::Act::send, "STARTTLS\r\n"};
        }
        return tls_ == StartTls::require ? give_up(OpeningFailure::starttls_not_offered) : become_ready();
    }
    // HELO gives up every extension, STARTTLS among them (RFC 7672 §2.2).
    if (reply.severity() == 5 && tls_ != StartTls::require) {
        state_ = State::helo;
        return {Step::Act::send, "HELO " + helo_name_ + "\r\n"};
    }
    return give_up(reply.severity() == 3 ? OpeningFailure::protocol : OpeningFailure::ehlo_refused);
}

SessionOpening::Step SessionOpening::after_starttls(const Reply& reply) {
    if (reply.code == 220) {
        extensions_ = Extensions{};  // whoever wrote it, nobody vouches for it any more (RFC 3207 §4.2)
        state_ = State::handshake;
        return {Step::Act::start_tls, {}};
    }
    // Neither "go ahead" nor a refusal: the server may or may not be waiting for a ClientHello.
    if (reply.severity() < 4) {
        may_quit_ = false;
        return give_up(OpeningFailure::protocol);
    }
    if (tls_ == StartTls::require || reply.code == 421) return give_up(OpeningFailure::starttls_refused);
    starttls_refusal_ = reply;
    return become_ready();
}

SessionOpening::Step SessionOpening::give_up(OpeningFailure failure) {
    state_ = State::failed;
    if (!failure_) failure_ = failure;
    extensions_ = Extensions{};
    return {Step::Act::give_up, {}};
}

SessionOpening::Step SessionOpening::become_ready() {
    state_ = State::ready;
    return {Step::Act::ready, {}};
}

}  // namespace sealpost
