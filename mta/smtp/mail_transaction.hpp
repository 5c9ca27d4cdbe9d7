/// \file MailTransaction: the client's side of one MAIL .. DATA exchange, as pure steps.
///
/// Owns     which commands go out in which group, and what becomes of each recipient. Replies are matched to
///          commands by count alone (RFC 2920 §3.1).
/// Errors   none: whatever happens, every recipient ends with an outcome. What is not understood is
///          temporary.
/// Never   holds or sends the body: at Act::send_body the caller does, through
///          DotStuffer. Source RFC 5321 §3.3, §4.2, §4.5.3.1.10; RFC 1870 §6; RFC 2920 §3.1; RFC 6152 §3; RFC
///          2034 §4; RFC 8689 §2, §4.2.1, §5.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/address.hpp"
#include "mta/smtp/extensions.hpp"
#include "mta/smtp/reply.hpp"

namespace sealpost {

struct MailEnvelope {
    std::optional<Address> sender;  ///< none: the null reverse-path
    std::vector<Address> recipients;
    std::uint64_t size = 0;  ///< octets with CR LF line ends, before dot-stuffing
    bool eight_bit = false;  ///< the content holds octets above 127
    /// Every further hop must use TLS. With a sender that is a condition, without one a wish: a bounce is
    /// rather sent without it than lost (RFC 8689 §5).
    bool requiretls = false;
};

struct RecipientOutcome {
    enum class Result { delivered, deferred, failed };
    Result result = Result::deferred;
    int code = 0;              ///< of the reply; of our own choice where `command` is empty
    std::string enhanced;      ///< always set: "5.1.1", or "4.0.0" when the server says none
    std::string text;          ///< of the reply, without the code; printable ASCII
    std::string_view command;  ///< that was answered: "MAIL FROM", "RCPT TO", ...; empty: decided here
};

class MailTransaction {
public:
    struct Step {
        enum class Act {
            send,       ///< write `bytes`, read one reply, call next()
            read,       ///< read one more reply of the same group, call next()
            send_body,  ///< write the body through DotStuffer, read one reply, call next()
            done,       ///< every recipient has its outcome; the connection can be used again
            close       ///< every recipient has its outcome; the connection cannot be used again
        };
        Act act;
        std::string bytes;
    };

    /// Commands in one group: few enough that the replies to it fit the receive buffer while we still write
    /// (RFC 2920 §3.1).
    static constexpr std::size_t max_group = 128;

    MailTransaction(MailEnvelope envelope, const Extensions& extensions);

    [[nodiscard]] Step start();
    [[nodiscard]] Step next(const Reply& reply);
    /// The connection broke, a deadline passed, a reply was malformed: who has no outcome yet is deferred.
    /// `enhanced` as in RFC 3463, for example "4.4.2".
    void lost(std::string_view enhanced, std::string_view text);

    /// One for each recipient, in the envelope's order; complete after Act::done, Act::close or lost().
    [[nodiscard]] const std::vector<RecipientOutcome>& outcomes() const { return outcomes_; }
    /// After Act::done: RSET must come before another transaction on this connection.
    [[nodiscard]] bool reset_needed() const { return reset_needed_; }
    /// The body is out and its answer is not: a loss now may mean a second copy (RFC 5321 §4.5.3.2.6).
    [[nodiscard]] bool awaiting_final() const { return state_ == State::final_reply; }

private:
    enum class State { idle, group, final_reply, empty_data, over };
    enum class Awaited { mail, rcpt, data };

    [[nodiscard]] std::optional<RecipientOutcome> refuse_locally() const;
    [[nodiscard]] std::string mail_command() const;
    [[nodiscard]] Step next_group();
    [[nodiscard]] Step on_mail(const Reply& reply);
    [[nodiscard]] Step on_rcpt(const Reply& reply);
    [[nodiscard]] Step on_data(const Reply& reply);
    [[nodiscard]] Step on_final(const Reply& reply);
    [[nodiscard]] Step go_on();
    [[nodiscard]] Step finish(Step::Act act);
    [[nodiscard]] Step break_off(const Reply& reply, std::string_view command);
    [[nodiscard]] RecipientOutcome outcome_of(const Reply& reply, std::string_view command) const;
    void settle_all(const RecipientOutcome& outcome);

    MailEnvelope envelope_;
    Extensions extensions_;
    State state_ = State::idle;

    // Commands are numbered: 0 is MAIL, 1..n are RCPT, n+1 is DATA.
    std::size_t sent_ = 0;
    std::size_t answered_ = 0;
    std::optional<RecipientOutcome> mail_refusal_;
    std::size_t accepted_ = 0;  ///< recipients
    bool reset_needed_ = false;
    std::vector<RecipientOutcome> outcomes_;
    std::vector<bool> settled_;
};

}  // namespace sealpost
