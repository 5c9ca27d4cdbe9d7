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
    if (facts.stage == TlsStage::not_reached) return out;
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

Verdict skip(std::string explanation, std::string remedy) {
    Verdict v;
    v.action = VerdictAction::skip_host;
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
        default:
            what = fmt::format("the TLS handshake with {} failed ({})", host, facts.detail);
            remedy = fmt::format("mend TLS on {}: TLS 1.2 or later with a common cipher suite", host);
    }
    // An injection is an attack or a broken server; neither deserves the message in clear on top of it.
    const bool never = facts.stage == TlsStage::injected || facts.stage == TlsStage::not_reached;
    if (decision.tls_required || never)
        return skip(decision.tls_required && !never
                        ? fmt::format("{}, and TLS is required ({})", what, to_string(decision.reason))
                        : what,
                    std::move(remedy));
    Verdict v;
    v.action =
        facts.stage == TlsStage::handshake_failed ? VerdictAction::retry_in_clear : VerdictAction::deliver;
    v.achieved = Achieved::clear;
    v.explanation = fmt::format("{}; no policy forbids cleartext", what);
    v.remedy = std::move(remedy);
    v.side = Side::theirs;
    return v;
}

/// An MTA-STS policy vouches for the host, not the rule's own `match`.
bool names_host_by_sts(const HopDecision& decision) {
    return decision.sts_listed &&
           std::any_of(decision.policies.begin(), decision.policies.end(),
                       [](const AppliedPolicy& policy) { return policy.type == PolicyType::sts; });
}

Verdict with_tls(const HopDecision& decision, const TlsFacts& facts, const Domain& host) {
    if (decision.dane) {
        if (const Failure f = chain_failure(facts.dane, true); f.type != ResultType::none)
            return skip(
                fmt::format("the certificate of {} does not satisfy its TLSA records ({}: {})", host,
                            to_string(f.type), f.reason),
                fmt::format("publish a TLSA record for the key that {} serves, or serve the key that is "
                            "published",
                            host));
    }
    if (decision.web_pki == WebPki::require) {
        if (const Failure f = chain_failure(facts.web_pki, false); f.type != ResultType::none)
            return skip(fmt::format("the certificate of {} is not good for that name ({}: {})", host,
                                    to_string(f.type), f.reason),
                        fmt::format("install a certificate for {} from a public CA", host));
    }
    Verdict v;
    v.action = VerdictAction::deliver;
    v.achieved = Achieved::untrusted;
    if (decision.web_pki == WebPki::require) {
        v.achieved = Achieved::verified;
        v.by = decision.reason != HopReason::rule_authenticated && names_host_by_sts(decision) ? "sts"
                                                                                               : "webpki";
    }
    if (decision.dane) {
        // Over an insecure MX set DANE vouches for the host and not for the choice of it [DANE-09].
        if (decision.mx_secure || v.achieved != Achieved::verified) v.by = "dane";
        if (decision.mx_secure)
            v.achieved = Achieved::verified;
        else if (v.achieved != Achieved::verified)
            v.achieved = Achieved::trusted;
    } else if (decision.web_pki == WebPki::observe && decision.sts_listed && facts.web_pki &&
               facts.web_pki->ok) {
        v.achieved = Achieved::trusted;
        v.by = "sts";
    }
    v.explanation = v.achieved == Achieved::untrusted
                        ? fmt::format("TLS with {}, whose certificate nothing vouches for", host)
                        : fmt::format("{} is authenticated by {}", host, v.by);
    return v;
}

}  // namespace

Verdict judge(const HopDecision& decision, const TlsFacts& facts, const Domain& host,
              const Domain& recipient_domain) {
    Verdict v = facts.stage == TlsStage::established ? with_tls(decision, facts, host)
                                                     : without_tls(decision, facts, host);
    v.results = results_of(decision, facts, host, recipient_domain);
    return v;
}

std::string_view to_string(TlsStage stage) {
    switch (stage) {
        case TlsStage::not_reached:
            return "not-reached";
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
