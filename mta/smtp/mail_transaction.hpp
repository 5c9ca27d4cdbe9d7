/// \file MailTransaction: the client's side of one mail transaction, MAIL to the end of DATA or BDAT, as
/// steps.
///
/// Owns     which commands go out in which group, and what becomes of each recipient. Replies are matched to
///          commands by count alone (RFC 2920 §3.1).
/// Errors   none: whatever happens, every recipient ends with an outcome. What is not understood is
///          temporary.
/// Never    holds or sends the body: at Act::send_body the caller does, through DotStuffer, and at
///          Act::send_chunk as it is.
/// Source   RFC 5321 §3.3, §4.2, §4.5.3.1.10; RFC 1870 §6; RFC 2034 §4; RFC 2920 §3.1; RFC 3030 §2, §3; RFC
///          3461 §4, §5.2; RFC 6152 §3; RFC 6531 §3.4, §3.5; RFC 8689 §2, §4.2.1, §5; RFC 9422 §4.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/address.hpp"
#include "config/dsn_parameters.hpp"
#include "mta/smtp/extensions.hpp"
#include "mta/smtp/reply.hpp"

namespace sealpost {

struct MailRecipient {
    // Not explicit: an address alone is a recipient without DSN parameters.
    MailRecipient(Address to, std::string dsn_notify = {}, std::string dsn_orcpt = {})
        : address(std::move(to)), notify(std::move(dsn_notify)), orcpt(std::move(dsn_orcpt)) {}

    Address address;
    std::string notify;  ///< as given behind NOTIFY=; empty: none
    std::string orcpt;   ///< as given behind ORCPT=, in xtext; empty: none
};

struct MailEnvelope {
    std::optional<Address> sender;  ///< none: the null reverse-path
    std::vector<MailRecipient> recipients;
    /// Octets with CR LF line ends, before dot-stuffing. Exactly those that the caller will send, since BDAT
    /// counts them: after conversion to 7 bits (seven_bit.hpp) those of its output.
    std::uint64_t size = 0;
    bool eight_bit = false;  ///< the content, as it will be sent, holds octets above 127
    /// Why that cannot be converted to 7 bits (seven_bit.hpp), for the text of the failure; empty: not tried.
    std::string not_convertible;
    bool smtputf8 = false;  ///< the header holds UTF-8 (RFC 6532); of addresses the transaction knows itself
    /// Every further hop must use TLS. With a sender that is a condition, without one a wish: a bounce is
    /// rather sent without it than lost (RFC 8689 §5).
    bool requiretls = false;
    Ret ret = Ret::unset;
    std::string envid;  ///< as given behind ENVID=, in xtext; empty: none
};

struct RecipientOutcome {
    enum class Result { delivered, deferred, failed };
    /// Deferred only because it was one too many (RFC 5321 §4.5.3.1.10, RFC 9422 §4.2, §4.3). Its turn is
    /// next, and nothing has failed.
    enum class Split { no, next_transaction, next_session };
    Result result = Result::deferred;
    int code = 0;                ///< of the reply; of our own choice where `command` is empty
    std::string enhanced{};      ///< always set: "5.1.1", or "4.0.0" when the server says none
    std::string text{};          ///< of the reply, without the code; printable ASCII
    std::string_view command{};  ///< that was answered: "MAIL FROM", "RCPT TO", ...; empty: decided here
    Split split = Split::no;
    /// Delivered, and the server has the DSN parameters: what the sender shall hear is the server's affair
    /// now.
    bool dsn_passed_on = false;
};

/// Whether an earlier transaction on the connection has to be cleared away.
enum class Rset { no, first };

class MailTransaction {
public:
    struct Step {
        enum class Act {
            send,        ///< write `bytes`, read one reply, call next()
            read,        ///< read one more reply to what went out before, call next()
            send_body,   ///< write the body through DotStuffer, read one reply, call next()
            send_chunk,  ///< write `bytes` and the next `octets` of the body as they are, call chunk_sent()
            done,        ///< every recipient has its outcome; the connection can be used again
            close        ///< every recipient has its outcome; the connection cannot be used again
        };
        Act act;
        std::string bytes{};
        std::uint64_t octets = 0;
    };

    /// Commands in one group: few enough that the replies to it fit the receive buffer while we still write
    /// (RFC 2920 §3.1).
    static constexpr std::size_t max_group = 128;
    /// Octets in one chunk. Trouble at the server is told behind a chunk, and a round trip is spent on it
    /// without PIPELINING.
    static constexpr std::uint64_t max_chunk = 1U << 20;
    /// Chunks without a reply yet, with PIPELINING: one goes out while the reply to the other travels.
    static constexpr std::size_t max_chunks_unanswered = 2;

    MailTransaction(MailEnvelope envelope, const Extensions& extensions, Rset rset = Rset::no);

    /// `bytes_follow`: octets from the server have arrived that no command of ours asked for.
    [[nodiscard]] Step start(bool bytes_follow = false);
    /// `bytes_follow`: the read buffer holds octets behind this reply.
    [[nodiscard]] Step next(const Reply& reply, bool bytes_follow = false);
    /// The octets of Act::send_chunk are written.
    [[nodiscard]] Step chunk_sent();
    /// The connection broke, a deadline passed, a reply was malformed, the body could not be read: who has no
    /// outcome yet is deferred. `enhanced` as in RFC 3463, for example "4.4.2".
    void lost(std::string_view enhanced, std::string_view text);

    /// One for each recipient, in the envelope's order; complete after Act::done, Act::close or lost().
    [[nodiscard]] const std::vector<RecipientOutcome>& outcomes() const { return outcomes_; }
    /// After Act::done: RSET must come before another transaction on this connection, see Rset::first.
    [[nodiscard]] bool reset_needed() const { return reset_needed_; }
    /// The end of the body is out and its answer is not: a loss now may mean a second copy (RFC 5321
    /// §4.5.3.2.6). A loss between two chunks means none.
    [[nodiscard]] bool awaiting_final() const { return state_ == State::final_reply; }

private:
    enum class State { idle, group, chunks, final_reply, empty_data, over };

    [[nodiscard]] std::optional<RecipientOutcome> refuse_locally() const;
    void name_recipients();
    [[nodiscard]] bool needs_smtputf8() const;
    [[nodiscard]] std::string command(std::size_t index) const;
    [[nodiscard]] std::string mail_command() const;
    [[nodiscard]] std::string rcpt_command(const MailRecipient& recipient) const;
    [[nodiscard]] Step next_group();
    [[nodiscard]] Step next_chunk();
    [[nodiscard]] Step on_group(const Reply& reply);
    [[nodiscard]] Step on_rset(const Reply& reply);
    [[nodiscard]] Step on_mail(const Reply& reply);
    [[nodiscard]] Step on_rcpt(const Reply& reply, std::size_t recipient);
    [[nodiscard]] Step on_data(const Reply& reply);
    [[nodiscard]] Step on_chunk(const Reply& reply);
    [[nodiscard]] Step on_final(const Reply& reply);
    [[nodiscard]] Step go_on();
    [[nodiscard]] Step finish(Step::Act act);
    [[nodiscard]] Step break_off(const Reply& reply, std::string_view command);
    [[nodiscard]] Step confused();
    [[nodiscard]] RecipientOutcome outcome_of(const Reply& reply, std::string_view command) const;
    [[nodiscard]] bool gets_dsn_parameters(const MailRecipient& recipient) const;
    void settle(std::size_t recipient, RecipientOutcome outcome);
    void settle_all(const RecipientOutcome& outcome);

    MailEnvelope envelope_;
    Extensions extensions_;
    State state_ = State::idle;
    std::vector<std::size_t> named_;  ///< recipients that get a RCPT, by their place in the envelope

    // Commands are numbered: RSET if any, MAIL, one RCPT for each of named_, then DATA or the chunks.
    std::size_t mail_index_ = 0;
    std::size_t sent_ = 0;
    std::size_t answered_ = 0;
    std::uint64_t chunked_ = 0;  ///< octets of the body
    std::optional<RecipientOutcome> mail_refusal_;
    std::optional<RecipientOutcome> chunk_refusal_;
    std::size_t accepted_ = 0;  ///< recipients
    bool reset_needed_ = false;
    std::vector<RecipientOutcome> outcomes_;
    std::vector<bool> settled_;
};

}  // namespace sealpost
