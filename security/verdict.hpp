/// \file The verdict: from what a session achieved to what may be sent over it, and what is reported.
///
/// Owns     the comparison of achieved facts with the hop's requirement; one place for delivery, log word,
/// trace and
///          TLS-RPT results.
/// Never    looks at a configured level: only at the decision and at the facts.
/// Source   RFC 7672 §2.2, §3.2; RFC 8461 §5, §6; RFC 3207 §4.1; RFC 8689 §4.2.1; RFC 8460 §4.2, §4.3;
/// AMB-21,
///          AMB-25.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "security/certificate.hpp"
#include "security/hop.hpp"

namespace sealpost::security {

enum class TlsStage {
    not_reached,  ///< no connection, no greeting: nothing was learned about TLS [RPT-55]
    not_asked,    ///< by us: after a failed handshake, or as a rule says [RPT-58]
    not_offered,  ///< EHLO without STARTTLS
    refused,      ///< STARTTLS answered by something else than 220
    injected,     ///< octets in clear behind the STARTTLS reply [TLS-04]
    handshake_failed,
    established
};

struct TlsFacts {
    TlsStage stage = TlsStage::not_reached;
    std::string detail;    ///< the reply or the TLS library's words; printable
    std::string protocol;  ///< "TLSv1.3"
    std::string cipher;
    std::optional<ChainOutcome> dane;     ///< judged when the decision asks for DANE
    std::optional<ChainOutcome> web_pki;  ///< judged when the decision asks for WebPKI
    std::optional<ChainOutcome> rule;     ///< judged when the decision has a RuleCheck
    bool resumed = false;                 ///< of an earlier session; its certificates were judged again
    bool requiretls = false;              ///< offered in the EHLO reply after TLS [REQTLS-11]
    std::string local_ip;
    std::string remote_ip;
    std::string helo;  ///< the name in the server's EHLO reply
};

enum class VerdictAction {
    deliver,        ///< envelope commands may follow on this connection
    skip_host,      ///< QUIT; the next host; nothing was sent
    retry_in_clear  ///< a new connection without TLS (opportunistic only) [TLS-08]
};

/// Postfix's words, as its log readers know them.
enum class Achieved {
    clear,      ///< no TLS
    untrusted,  ///< TLS, peer not authenticated
    trusted,    ///< the host is authenticated, but nothing vouches that it is the domain's host
    verified    ///< the peer is authenticated as the destination demands
};

struct Verdict {
    VerdictAction action = VerdictAction::skip_host;
    Achieved achieved = Achieved::clear;
    std::string by;           ///< of trusted and verified: "dane", "sts", "webpki", "pin"
    std::string explanation;  ///< one sentence
    std::string remedy;
    Side side = Side::nobody;
    /// Of skip_host: what held the mail, in the words of TLS-RPT. Not what is reported: that is `results`.
    ResultType cause = ResultType::none;
    Lack lack = Lack::none;  ///< of skip_host, and a message that requires TLS
    std::vector<TlsResult> results;
    /// What a rule that only observes would have held the mail for; empty: nothing.
    std::string would_hold;
};

/// `recipient_domain`: into whose report the results go.
[[nodiscard]] Verdict judge(const HopDecision& decision, const TlsFacts& facts, const Domain& host,
                            const Domain& recipient_domain);

[[nodiscard]] std::string_view to_string(TlsStage stage);
[[nodiscard]] std::string_view to_string(VerdictAction action);
[[nodiscard]] std::string_view to_string(Achieved achieved);  ///< "Verified", ..., "none"

}  // namespace sealpost::security
