/// \file The failure notice: why a message was given up, in plain words and for machines.
///
/// Owns     text only. Every remote word is made printable ASCII and bounded before it gets near a header.
/// Shape    CRLF, lines of at most 998 octets, multipart/report; report-type=delivery-status.
/// Never    for a null reverse-path (RFC 5321 §6.1, 3461 §5.2), so it cannot loop.
/// Source   RFC 3464, RFC 3461 §6, RFC 6522 (container), RFC 6533 §3 (UTF-8 addresses), RFC 3834 §5, RFC
///          8689 §5, §6 (what the message asked of TLS is asked for its notice too).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/message.hpp"

namespace sealpost::queue {

struct FailedRecipient {
    std::string address;
    std::string orcpt;       ///< as given in RCPT ("rfc822;..."); empty: none
    std::string status;      ///< "5.1.1"; a malformed one becomes 5.0.0
    std::string remote_mta;  ///< host name; empty: no remote host was involved
    std::string reply;       ///< what that host answered, verbatim; empty: it did not
    std::string reason;      ///< in our words: the policy, its host, the DNSSEC state (DSN-17)
    std::string remedy;      ///< who can mend it and how; empty: none known
    std::optional<Time> last_attempt;
    bool expired = false;  ///< given up because its time ran out
};

struct FailureDsn {
    std::string hostname;  ///< ours: Reporting-MTA and the domain of From
    MessageId id;          ///< of the notice; makes Message-ID and boundary
    MessageId original_id;
    const Envelope* original = nullptr;
    std::string_view original_body;
    std::vector<FailedRecipient> recipients;
    std::string envelope_id;  ///< ENVID of the original, decoded; empty: none
    std::string contact;      ///< whom to ask on our side; empty: postmaster@hostname
    Time date{};
    Time expires_at{};
    std::uint64_t return_size = 64ULL << 10;  ///< larger originals come back as headers only
    bool headers_only = false;  ///< RET=HDRS; the body of a REQUIRETLS message is never returned
};

/// nullopt: there is nobody to tell (the null sender, or one that is not an address). The result is a
/// complete message from <> to the sender; the `domain` of its one recipient is in A-labels, or an address
/// literal.
[[nodiscard]] std::optional<NewMessage> build_failure_dsn(const FailureDsn& dsn);

/// The mailbox of a reverse-path, a source route left out (RFC 5321 §6.1).
[[nodiscard]] std::string_view final_mailbox(std::string_view path);

}  // namespace sealpost::queue
