/// \file The notices of a message: that it failed, that it takes longer, that it went where no notice comes
/// from.
///
/// Owns     text only. Every word from outside is made printable and bounded before it gets near a header.
/// Shape    CRLF, lines of at most 998 octets, multipart/report; report-type=delivery-status. 7-bit, unless
/// what
///          is returned holds 8-bit octets or the sender's own address is UTF-8.
/// Never    for a null reverse-path (RFC 5321 §6.1, 3461 §5.2), so it cannot loop. Never reads NOTIFY: who
/// gets
///          one is decided by the caller.
/// Source   RFC 3464, RFC 3461 §6, RFC 6522 (container), RFC 6533 §3, §4 (UTF-8), RFC 3834 §5, RFC 8689 §5,
/// §6
///          (what the message asked of TLS is asked for its notice too).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/message.hpp"

namespace sealpost::queue {

enum class DsnKind {
    failure,  ///< it is given up
    delay,    ///< it is still being tried
    relayed   ///< handed to a server that does not send notices of success (RFC 3461 §5.2.2)
};

struct DsnRecipient {
    std::string address;
    std::string orcpt;       ///< as given in RCPT ("rfc822;..."); empty: none
    std::string status;      ///< "5.1.1"; one that does not fit the kind is replaced
    std::string remote_mta;  ///< host name; empty: no remote host was involved
    std::string reply;       ///< what that host answered, verbatim; empty: it did not
    std::string reason;      ///< in our words: the policy, its host, the DNSSEC state (DSN-17)
    std::string remedy;      ///< what would help; empty: nothing known
    std::string side;        ///< who must act: "our side", "their side"; empty: not known
    std::optional<Time> last_attempt;
    std::optional<Time> retry_until;  ///< of a delay
    bool expired = false;             ///< given up because its time ran out
    unsigned interrupted = 0;         ///< attempts that we did not live to settle: it may have arrived
};

struct Dsn {
    DsnKind kind = DsnKind::failure;
    std::string hostname;  ///< ours: Reporting-MTA and the domain of From
    MessageId id;          ///< of the notice; makes Message-ID and boundary
    MessageId original_id;
    const Envelope* original = nullptr;  ///< ENVID, RET and SMTPUTF8 are taken from it
    std::string_view original_body;
    std::vector<DsnRecipient> recipients;
    std::string contact;  ///< whom to ask on our side; empty: postmaster@hostname
    Time date{};
    Time expires_at{};
    std::uint64_t return_size = 64ULL << 10;  ///< larger originals come back as headers only
};

/// nullopt: there is nobody to tell (the null sender, or one that is not an address). The result is a
/// complete message from <> to the sender; the `domain` of its one recipient is in A-labels, or an address
/// literal.
[[nodiscard]] std::optional<NewMessage> build_dsn(const Dsn& dsn);

/// The mailbox of a reverse-path, a source route left out (RFC 5321 §6.1).
[[nodiscard]] std::string_view final_mailbox(std::string_view path);

}  // namespace sealpost::queue
