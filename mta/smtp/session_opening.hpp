/// \file SessionOpening: the client's side of a session from the greeting to the last EHLO, as pure steps.
///
/// Owns     which command comes next and why the session is given up. It demands no certificate and judges
///          none: what `require` asks here is only that STARTTLS happens.
/// Never    reads or writes a socket: the caller does what the Step says and comes back with what happened.
/// Source   RFC 5321 §3.1, §3.2, §4.1.4; RFC 3207 §4, §4.2, §6; RFC 7672 §2.2; RFC 7504 §3.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "mta/smtp/extensions.hpp"
#include "mta/smtp/reply.hpp"

namespace sealpost {

enum class StartTls {
    never,          ///< do not even ask: this connection is the cleartext one after a failed handshake
    opportunistic,  ///< when it is offered
    require         ///< or no session
};

enum class OpeningFailure {
    greeting_refused,
    ehlo_refused,
    starttls_not_offered,
    starttls_refused,
    unsolicited_bytes,  ///< octets that no command of ours asked for: an injection (RFC 3207 §6)
    protocol            ///< a reply that this step does not know
};
[[nodiscard]] std::string_view to_string(OpeningFailure failure);

class SessionOpening {
public:
    struct Step {
        enum class Act {
            send,       ///< write `command`, read one reply, call next()
            start_tls,  ///< do the handshake now; call tls_established() when it is done
            ready,      ///< envelope commands may follow
            give_up     ///< see failure(); QUIT when may_quit(), then close
        };
        Act act;
        std::string command;
    };

    /// `helo_name`: our own name or address literal, as it stands behind EHLO.
    SessionOpening(std::string helo_name, StartTls tls) : helo_name_(std::move(helo_name)), tls_(tls) {}

    /// The greeting is the first reply. `bytes_follow`: the read buffer holds octets behind this reply.
    [[nodiscard]] Step next(const Reply& reply, bool bytes_follow);
    [[nodiscard]] Step tls_established();

    /// Of the last EHLO alone; empty after HELO.
    [[nodiscard]] const Extensions& extensions() const { return extensions_; }
    /// A fact for the trace: STARTTLS stood in the EHLO reply in clear.
    [[nodiscard]] bool starttls_offered() const { return starttls_offered_; }
    [[nodiscard]] bool tls() const { return tls_active_; }
    [[nodiscard]] std::optional<OpeningFailure> failure() const { return failure_; }
    /// With failure() the one that ended it.
    [[nodiscard]] const Reply& last_reply() const { return last_reply_; }
    /// Set when an opportunistic STARTTLS was refused and the session went on in clear.
    [[nodiscard]] const std::optional<Reply>& starttls_refusal() const { return starttls_refusal_; }
    /// False when the server has closed, or what it sends cannot be trusted any more.
    [[nodiscard]] bool may_quit() const { return may_quit_; }

private:
    enum class State { greeting, ehlo, helo, starttls, handshake, second_ehlo, ready, failed };

    Step after_ehlo(const Reply& reply);
    Step after_starttls(const Reply& reply);
    Step give_up(OpeningFailure failure);
    Step become_ready();

    std::string helo_name_;
    StartTls tls_;
    State state_ = State::greeting;
    Extensions extensions_;
    bool starttls_offered_ = false;
    bool tls_active_ = false;
    bool may_quit_ = true;
    Reply last_reply_;
    std::optional<Reply> starttls_refusal_;
    std::optional<OpeningFailure> failure_;
};

}  // namespace sealpost
