#include "security/verdict.hpp"

#include <algorithm>

namespace sealpost::security {
namespace {

/// One failure as TLS-RPT names it; none: the policy was met.
struct Failure {
    ResultType type = ResultType::none;
    std::string reason;
};

Failure transport_failure(const TlsFacts& facts) {
    switch (facts.stage) {
        case TlsStage::not_offered:
        case TlsStage::refused:
            return {ResultType::starttls_not_supported, facts.detail};
        case TlsStage::injected:
        case TlsStage::handshake_failed:
        case TlsStage::not_reached:
        case TlsStage::not_asked:
            return {ResultType::validation_failure, facts.detail};
        case TlsStage::established:
            return {};
    }
    return {ResultType::validation_failure, facts.detail};
}

Failure chain_failure(const std::optional<ChainOutcome>& outcome, bool dane) {
    // Not judged is not good: a requirement without an outcome fails closed.
    if (!outcome) return {ResultType::validation_failure, "the certificate was not judged"};
    if (outcome->ok) return {};
    switch (outcome->fault) {
        case ChainFault::no_match:
            return {ResultType::validation_failure, "dane-no-match"};
        case ChainFault::host_mismatch:
            return {ResultType::certificate_host_mismatch, outcome->detail};
        case ChainFault::expired:
            return {ResultType::certificate_expired, outcome->detail};
        case ChainFault::not_trusted:
            return {ResultType::certificate_not_trusted, outcome->detail};
        case ChainFault::none:
        case ChainFault::internal:
            break;
    }
    return {ResultType::validation_failure, dane ? "dane: " + outcome->detail : outcome->detail};
}

Failure failure_under(const AppliedPolicy& policy, const HopDecision& decision, const TlsFacts& facts) {
    // A host outside the policy fails it, whatever its certificate is [STS-69 RPT-66].
    if (policy.type == PolicyType::sts && !decision.sts_listed)
        return {ResultType::validation_failure, "mtasts-policy-mx-mismatch"};
    // What the records ask is not known, whatever the session was.
    if (policy.type == PolicyType::tlsa && !decision.tlsa_failure.empty())
        return {ResultType::dnssec_invalid, decision.tlsa_failure};
    if (Failure transport = transport_failure(facts); transport.type != ResultType::none) return transport;
    switch (policy.type) {
        case PolicyType::tlsa:
            if (!decision.dane) return {ResultType::tlsa_invalid, "all-TLSA-records-unusable"};
            return chain_failure(facts.dane, true);
        case PolicyType::sts:
            return chain_failure(facts.web_pki, false);
        case PolicyType::no_policy_found:
            return {};  // any TLS will do there [RPT-77]
    }
    return {ResultType::validation_failure, "unknown policy"};
}

std::vector<TlsResult> results_of(const HopDecision& decision, const TlsFacts& facts, const Domain& host,
                                  const Domain& recipient_domain) {
    std::vector<TlsResult> out;
    // Where we do not ask for TLS nothing is learned about it.
    if (facts.stage == TlsStage::not_reached || facts.stage == TlsStage::not_asked) return out;
    for (const AppliedPolicy& policy : decision.policies) {
        TlsResult result{.policy_domain_of_recipient = recipient_domain.str(),
                         .policy = policy,
                         .session_success = true,
                         .counts_session = true,
                         .failures = {}};
        if (Failure failure = failure_under(policy, decision, facts); failure.type != ResultType::none) {
            result.session_success = false;
            result.failures.push_back({.type = failure.type,
                                       .sending_mta_ip = facts.local_ip,
                                       .receiving_mx_hostname = host.str(),
                                       .receiving_mx_helo = facts.helo,
                                       .receiving_ip = facts.remote_ip,
                                       .reason_code = std::move(failure.reason)});
        }
        out.push_back(std::move(result));
    }
    return out;
}

Verdict skip(ResultType cause, std::string explanation, std::string remedy) {
    Verdict v;
    v.action = VerdictAction::skip_host;
    v.cause = cause;
    v.side = Side::theirs;
    v.explanation = std::move(explanation);
    v.remedy = std::move(remedy);
    return v;
}

Verdict without_tls(const HopDecision& decision, const TlsFacts& facts, const Domain& host) {
    std::string what;
    std::string remedy;
    switch (facts.stage) {
        case TlsStage::not_offered:
            what = fmt::format("{} does not offer STARTTLS", host);
            remedy = fmt::format("offer STARTTLS on {}; if it does, something between us strips it", host);
            break;
        case TlsStage::refused:
            what = fmt::format("{} refused STARTTLS ({})", host, facts.detail);
            remedy = fmt::format("mend TLS on {}", host);
            break;
        case TlsStage::injected:
            what = fmt::format("{} sent octets in clear behind its STARTTLS reply", host);
            remedy = fmt::format("look for something between us and {} that injects replies", host);
            break;
        case TlsStage::not_reached:
            what = fmt::format("{} was not reached ({})", host, facts.detail);
            break;
        case TlsStage::not_asked:
            what = fmt::format("{} was not asked for TLS", host);
            break;
        default:
            what = fmt::format("the TLS handshake with {} failed ({})", host, facts.detail);
            remedy = fmt::format("mend TLS on {}: TLS 1.2 or later with a common cipher suite", host);
    }
    // An injection is an attack or a broken server; neither deserves the message in clear on top of it.
    const bool never = facts.stage == TlsStage::injected || facts.stage == TlsStage::not_reached;
    if (decision.tls_required || never) {
        Verdict v = skip(transport_failure(facts).type,
                         decision.tls_required && !never
                             ? fmt::format("{}, and TLS is required ({})", what, to_string(decision.reason))
                             : what,
                         std::move(remedy));
        // A refusal for now (4yz) and a handshake that failed may be another thing the next time [REQTLS-16].
        const bool lasting = facts.stage == TlsStage::not_offered ||
                             (facts.stage == TlsStage::refused && facts.detail.starts_with('5'));
        if (decision.requiretls && lasting) v.lack = Lack::tls;
        return v;
    }
    Verdict v;
    v.action =
        facts.stage == TlsStage::handshake_failed ? VerdictAction::retry_in_clear : VerdictAction::deliver;
    v.achieved = Achieved::clear;
    v.explanation = fmt::format("{}; no policy forbids cleartext", what);
    v.side = decision.tls_off ? decision.side : Side::theirs;
    if (decision.tls_off) remedy = decision.remedy;
    v.remedy = std::move(remedy);
    return v;
}

/// An MTA-STS policy vouches for the host, not the rule's own `match`.
bool names_host_by_sts(const HopDecision& decision) {
    return decision.sts_listed &&
           std::any_of(decision.policies.begin(), decision.policies.end(),
                       [](const AppliedPolicy& policy) { return policy.type == PolicyType::sts; });
}

/// The handshake may have been made under a looser setting: the version that was reached counts.
bool is_below(const std::optional<TlsVersion>& least, const TlsFacts& facts) {
    if (!least || facts.protocol == "TLSv1.3") return false;
    return *least == TlsVersion::tls1_3 || facts.protocol != "TLSv1.2";
}

/// A certificate that published policies or the message demand (`theirs`); a rule of the operator delays and
/// never bounces, so what fails it is not the message's lack [REQTLS-15].
Verdict skip_certificate(ResultType cause, bool theirs, std::string explanation, std::string remedy) {
    Verdict v = skip(cause, std::move(explanation), std::move(remedy));
    if (theirs) v.lack = Lack::tls;
    return v;
}

/// What the session lacks of what was demanded; none: it may be used.
std::optional<Verdict> falls_short(const HopDecision& decision, const TlsFacts& facts, const Domain& host) {
    // Where DANE vouches for all, WebPKI beside it is asked for by the rule alone (`both`).
    const bool by_dane = decision.dane_check == Check::require && decision.mx_secure;
    if (decision.dane_check == Check::require) {
        if (const Failure f = chain_failure(facts.dane, true); f.type != ResultType::none)
            return skip_certificate(
                f.type, decision.requiretls,
                fmt::format("the certificate of {} does not satisfy its TLSA records ({}: {})", host,
                            to_string(f.type), f.reason),
                fmt::format("publish a TLSA record for the key that {} serves, or serve the key that is "
                            "published",
                            host));
    }
    if (decision.web_pki == Check::require) {
        if (const Failure f = chain_failure(facts.web_pki, false); f.type != ResultType::none)
            return skip_certificate(f.type, decision.requiretls && !by_dane,
                                    fmt::format("the certificate of {} is not good for that name ({}: {})",
                                                host, to_string(f.type), f.reason),
                                    fmt::format("install a certificate for {} from a public CA", host));
    }
    // The rule after the rest: it delays where the others may end in a bounce.
    if (is_below(decision.min_tls, facts))
        return skip(ResultType::validation_failure,
                    fmt::format("{} speaks {} and TLS {} is demanded", host, facts.protocol,
                                to_string(*decision.min_tls)),
                    fmt::format("enable TLS {} on {}", to_string(*decision.min_tls), host));
    if (decision.rule_check) {
        if (const Failure f = chain_failure(facts.rule, false); f.type != ResultType::none)
            return skip(
                f.type,
                fmt::format("the certificate of {} does not satisfy the rule ({}: {})", host,
                            to_string(f.type), f.reason),
                "compare the rule's `match`, `pins` and `ca_file` with what the partner says of his key");
    }
    if (decision.requiretls && !facts.requiretls) {
        Verdict v = skip(ResultType::none,
                         fmt::format("the message requires TLS, and {} does not offer REQUIRETLS", host),
                         fmt::format("enable REQUIRETLS (RFC 8689) on {}", host));
        v.lack = Lack::requiretls;
        return v;
    }
    return std::nullopt;
}

/// As whom the peer is known: by the strongest of what was demanded and met.
void say_achieved(const HopDecision& decision, const TlsFacts& facts, Verdict& v) {
    v.achieved = Achieved::untrusted;
    if (decision.rule_check) {
        v.achieved = Achieved::verified;
        v.by = facts.rule && facts.rule->matched.starts_with("pin ") ? "pin" : "webpki";
    }
    if (decision.web_pki == Check::require) {
        v.achieved = Achieved::verified;
        v.by = decision.reason != HopReason::rule_authenticated && names_host_by_sts(decision) ? "sts"
                                                                                               : "webpki";
    }
    if (decision.dane_check == Check::require) {
        // Over an insecure MX set DANE vouches for the host and not for the choice of it [DANE-09].
        if (decision.mx_secure || v.achieved != Achieved::verified) v.by = "dane";
        if (decision.mx_secure)
            v.achieved = Achieved::verified;
        else if (v.achieved != Achieved::verified)
            v.achieved = Achieved::trusted;
    }
    if (v.achieved != Achieved::untrusted) return;
    // Nothing was demanded; what was measured all the same is told, and never called verified.
    if (decision.dane_check == Check::observe && facts.dane && facts.dane->ok) {
        v.achieved = Achieved::trusted;
        v.by = "dane";
    } else if (decision.web_pki == Check::observe && decision.sts_listed && facts.web_pki &&
               facts.web_pki->ok) {
        v.achieved = Achieved::trusted;
        v.by = "sts";
    }
}

Verdict with_tls(const HopDecision& decision, const TlsFacts& facts, const Domain& host) {
    if (std::optional<Verdict> out = falls_short(decision, facts, host)) return std::move(*out);
    Verdict v;
    v.action = VerdictAction::deliver;
    say_achieved(decision, facts, v);
    v.explanation = v.achieved == Achieved::untrusted
                        ? fmt::format("TLS with {}, whose certificate nothing vouches for", host)
                        : fmt::format("{} is authenticated by {}", host, v.by);
    return v;
}

/// Why the rule would have held the mail, had it been told to.
std::string judge_observed(const HopDecision& strict, const TlsFacts& facts, const Domain& host) {
    if (!strict.attempt) return strict.explanation;
    const Verdict v = facts.stage == TlsStage::established ? with_tls(strict, facts, host)
                                                           : without_tls(strict, facts, host);
    return v.action == VerdictAction::skip_host ? v.explanation : std::string();
}

}  // namespace

Verdict judge(const HopDecision& decision, const TlsFacts& facts, const Domain& host,
              const Domain& recipient_domain) {
    // Nobody should have connected; what was achieved does not make it right.
    if (!decision.attempt) return skip(ResultType::none, decision.explanation, decision.remedy);
    Verdict v = facts.stage == TlsStage::established ? with_tls(decision, facts, host)
                                                     : without_tls(decision, facts, host);
    v.results = results_of(decision, facts, host, recipient_domain);
    if (decision.observed && v.action != VerdictAction::skip_host)
        v.would_hold = judge_observed(*decision.observed, facts, host);
    return v;
}

std::string_view to_string(TlsStage stage) {
    switch (stage) {
        case TlsStage::not_reached:
            return "not-reached";
        case TlsStage::not_asked:
            return "not-asked";
        case TlsStage::not_offered:
            return "not-offered";
        case TlsStage::refused:
            return "refused";
        case TlsStage::injected:
            return "injected";
        case TlsStage::handshake_failed:
            return "handshake-failed";
        case TlsStage::established:
            return "established";
    }
    return "not-reached";
}

std::string_view to_string(VerdictAction action) {
    switch (action) {
        case VerdictAction::deliver:
            return "deliver";
        case VerdictAction::skip_host:
            return "skip-host";
        case VerdictAction::retry_in_clear:
            return "retry-in-clear";
    }
    return "skip-host";
}

std::string_view to_string(Achieved achieved) {
    switch (achieved) {
        case Achieved::clear:
            return "none";
        case Achieved::untrusted:
            return "Untrusted";
        case Achieved::trusted:
            return "Trusted";
        case Achieved::verified:
            return "Verified";
    }
    return "none";
}

}  // namespace sealpost::security
