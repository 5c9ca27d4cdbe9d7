#include "security/hop.hpp"

namespace sealpost::security {

AppliedPolicy applied_tlsa(const HostState& state, const Domain& host) {
    return {.type = PolicyType::tlsa,
            .domain = state.base_domain ? state.base_domain->str() : host.str(),
            .policy_string = state.tlsa.policy_string(),
            .mx_host = {}};
}

AppliedPolicy applied_sts(const Domain& domain, const StsPolicy& policy) {
    AppliedPolicy out{
        .type = PolicyType::sts, .domain = domain.str(), .policy_string = policy.lines, .mx_host = {}};
    for (const MxPattern& pattern : policy.mx) out.mx_host.push_back(pattern.str());
    return out;
}

std::vector<TlsResult> results_of_failed_mx(const MxSet& mx) {
    if (mx.security != DnsStatus::bogus && mx.security != DnsStatus::indeterminate) return {};
    TlsFailure failure;
    failure.type = ResultType::dnssec_invalid;
    failure.reason_code = fmt::format("MX lookup: {}", mx.why);
    return {
        {.policy_domain_of_recipient = mx.domain.str(),
         .policy = {.type = PolicyType::tlsa, .domain = mx.domain.str(), .policy_string = {}, .mx_host = {}},
         .session_success = false,
         .counts_session = true,
         .failures = {std::move(failure)}}};
}

std::vector<TlsResult> results_of_sts_failure(const Domain& domain, const StsState& sts) {
    if (!sts.failure || sts.failure->type == ResultType::none) return {};
    TlsFailure failure;
    failure.type = sts.failure->type;
    failure.reason_code = sts.failure->reason;
    AppliedPolicy policy{.type = PolicyType::sts, .domain = domain.str(), .policy_string = {}, .mx_host = {}};
    if (sts.policy) policy = applied_sts(domain, *sts.policy);
    // The session that follows is counted by its own outcome: this is detail alone [AMB-23].
    return {{.policy_domain_of_recipient = domain.str(),
             .policy = std::move(policy),
             .session_success = false,
             .counts_session = false,
             .failures = {std::move(failure)}}};
}

std::string_view to_string(HopReason reason) {
    switch (reason) {
        case HopReason::no_address:
            return "no-address";
        case HopReason::address_lookup_failed:
            return "address-lookup-failed";
        case HopReason::tlsa_lookup_failed:
            return "tlsa-lookup-failed";
        case HopReason::dane_required:
            return "dane-required";
        case HopReason::sts_mx_mismatch:
            return "sts-mx-mismatch";
        case HopReason::policy_unknown:
            return "policy-unknown";
        case HopReason::not_authenticable:
            return "not-authenticable";
        case HopReason::requiretls_not_vouched:
            return "requiretls-not-vouched";
        case HopReason::dane:
            return "dane";
        case HopReason::dane_unusable:
            return "dane-unusable";
        case HopReason::sts_enforce:
            return "sts";
        case HopReason::rule_authenticated:
            return "rule-authenticated";
        case HopReason::rule_secure:
            return "rule-secure";
        case HopReason::rule_fingerprint:
            return "rule-fingerprint";
        case HopReason::rule_encrypt:
            return "rule-encrypt";
        case HopReason::requiretls:
            return "requiretls";
        case HopReason::opportunistic:
            return "opportunistic";
        case HopReason::rule_may:
            return "rule-may";
        case HopReason::rule_none:
            return "rule-none";
        case HopReason::tls_not_required:
            return "tls-not-required";
    }
    return "unknown";
}

std::string_view to_string(Side side) {
    switch (side) {
        case Side::nobody:
            return "nobody";
        case Side::ours:
            return "our side";
        case Side::theirs:
            return "their side";
    }
    return "nobody";
}

std::string_view to_string(Lack lack) {
    switch (lack) {
        case Lack::none:
            return "none";
        case Lack::tls:
            return "tls";
        case Lack::requiretls:
            return "requiretls";
    }
    return "none";
}

std::string_view to_string(Check check) {
    switch (check) {
        case Check::no:
            return "no";
        case Check::observe:
            return "observe";
        case Check::require:
            return "require";
    }
    return "no";
}

}  // namespace sealpost::security
