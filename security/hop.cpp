#include "security/hop.hpp"

#include <algorithm>

namespace sealpost::security {
namespace {

AppliedPolicy applied_tlsa(const HostState& state, const Domain& host) {
    return {.type = PolicyType::tlsa,
            .domain = state.base_domain ? state.base_domain->str() : host.str(),
            .policy_string = state.tlsa.policy_string(),
            .mx_host = {}};
}

TlsResult session_less(const HopInput& in, AppliedPolicy policy, ResultType type, std::string reason) {
    TlsFailure failure;
    failure.type = type;
    failure.receiving_mx_hostname = in.host->str();
    failure.reason_code = std::move(reason);
    return {.policy_domain_of_recipient = in.mx->domain.str(),
            .policy = std::move(policy),
            .session_success = false,
            .counts_session = true,
            .failures = {std::move(failure)}};
}

/// Names that a DANE-TA chain may carry (RFC 7672 §3.2.2).
std::vector<Domain> reference_names(const MxSet& mx, const Domain& base_domain) {
    std::vector<Domain> names{base_domain};
    const auto add = [&](const Domain& name) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    // Over an insecure MX set only the host itself is authenticated [DANE-08].
    if (mx.security != DnsStatus::secure) return names;
    if (!mx.implicit) {
        add(mx.domain);
        add(mx.expanded);
    } else if (base_domain == mx.expanded) {
        add(mx.domain);  // DANE-65; found at the unexpanded name it stays the only one [DANE-66]
    }
    return names;
}

HopDecision skip(HopReason reason, Side side, std::string explanation, std::string remedy) {
    HopDecision d;
    d.attempt = false;
    d.reason = reason;
    d.side = side;
    d.explanation = std::move(explanation);
    d.remedy = std::move(remedy);
    return d;
}

/// Everything that can rule the host out before a packet is sent; none when it may be contacted.
std::optional<HopDecision> rule_out(const HopInput& in) {
    const HostState& state = *in.state;
    const Domain& host = *in.host;
    if (state.address == AddressState::none)
        return skip(HopReason::no_address, Side::theirs, fmt::format("{} has no address", host),
                    fmt::format("publish an A or AAAA record for {}, or take it out of the MX set", host));
    if (state.address == AddressState::failed) {
        HopDecision d = skip(HopReason::address_lookup_failed, Side::theirs, state.why,
                             fmt::format("mend the DNS (DNSSEC) of {}", host));
        if (state.failure == DnsStatus::bogus || state.failure == DnsStatus::indeterminate)
            d.results.push_back(
                session_less(in, applied_tlsa(state, host), ResultType::dnssec_invalid, state.why));
        return d;
    }
    // An answer that failed may hide TLSA records: this host is not contacted [DANE-31 COMB-02].
    if (state.dane == DaneState::lookup_failed) {
        HopDecision d =
            skip(HopReason::tlsa_lookup_failed, Side::theirs, state.why,
                 fmt::format("mend the name servers of {}, so that TLSA questions are answered", host));
        d.results.push_back(
            session_less(in, applied_tlsa(state, host), ResultType::dnssec_invalid, state.why));
        return d;
    }
    if (in.rule->tls != TlsLevel::dane_only) return std::nullopt;
    // Mandatory DANE (RFC 7672 §6): secure MX, secure usable TLSA, nothing less [DANE-82].
    if (in.mx->security != DnsStatus::secure) {
        HopDecision d = skip(HopReason::dane_required, Side::theirs,
                             fmt::format("{} demands DANE, and the MX records of {} are not signed (DNSSEC)",
                                         in.rule->describe(), in.mx->domain),
                             fmt::format("sign the zone of {}", in.mx->domain));
        d.results.push_back(session_less(in, applied_tlsa(state, host), ResultType::dane_required,
                                         "the MX records are not signed"));
        return d;
    }
    if (state.dane == DaneState::not_applicable) {
        HopDecision d = skip(HopReason::dane_required, Side::theirs,
                             fmt::format("{} demands DANE, and {}", in.rule->describe(), state.why),
                             fmt::format("publish a signed TLSA record at {}", tlsa_owner(host, in.port)));
        d.results.push_back(
            session_less(in, applied_tlsa(state, host), ResultType::dane_required, state.why));
        return d;
    }
    if (state.dane == DaneState::unusable) {
        HopDecision d = skip(HopReason::dane_required, Side::theirs,
                             fmt::format("{} demands DANE, and of {}", in.rule->describe(), state.why),
                             "publish a TLSA record of usage 3 or 2 with a SHA2-256 digest");
        d.results.push_back(session_less(in, applied_tlsa(state, host), ResultType::tlsa_invalid,
                                         "all-TLSA-records-unusable"));
        return d;
    }
    return std::nullopt;
}

bool matches_rule(const Rule& rule, const Domain& host) {
    return std::any_of(rule.match.begin(), rule.match.end(),
                       [&](const NamePattern& pattern) { return pattern.matches(host); });
}

HopDecision sts_mismatch(const HopInput& in) {
    HopDecision d = skip(HopReason::sts_mx_mismatch, Side::theirs,
                         fmt::format("the MTA-STS policy of {} (enforce) does not list the MX host {}",
                                     in.mx->domain, *in.host),
                         fmt::format("add {} to the policy at mta-sts.{}, or take it out of the MX set",
                                     *in.host, in.mx->domain));
    d.results.push_back(session_less(in, applied_sts(in.mx->domain, *in.sts->policy),
                                     ResultType::validation_failure, "mtasts-policy-mx-mismatch"));
    return d;
}

void explain_attempt(const HopInput& in, HopDecision& d) {
    const Domain& host = *in.host;
    switch (d.reason) {
        case HopReason::dane:
            d.explanation = fmt::format("DANE: {}", in.state->why);
            break;
        case HopReason::dane_unusable:
            d.explanation =
                fmt::format("DANE: {}; TLS is required, the certificate cannot be checked", in.state->why);
            d.side = Side::theirs;
            d.remedy = "publish a TLSA record of usage 3 or 2 with a SHA2-256 digest";
            break;
        case HopReason::sts_enforce:
            d.explanation = fmt::format(
                "MTA-STS (enforce, {}): {} must show a certificate for its name that a public "
                "CA vouches for",
                to_string(in.sts->origin), host);
            break;
        case HopReason::rule_authenticated:
            d.explanation =
                fmt::format("{} demands authentication: WebPKI for {}", in.rule->describe(), host);
            break;
        case HopReason::rule_encrypt:
            d.explanation = fmt::format("{} demands TLS", in.rule->describe());
            break;
        default:
            d.explanation = "no policy applies: TLS if it is offered";
    }
}

}  // namespace

AppliedPolicy applied_sts(const Domain& domain, const StsPolicy& policy) {
    AppliedPolicy out{
        .type = PolicyType::sts, .domain = domain.str(), .policy_string = policy.lines, .mx_host = {}};
    for (const MxPattern& pattern : policy.mx) out.mx_host.push_back(pattern.str());
    return out;
}

HopDecision decide_hop(const HopInput& in) {
    if (std::optional<HopDecision> out = rule_out(in)) return std::move(*out);

    const Rule& rule = *in.rule;
    const HostState& state = *in.state;
    const StsState& sts = *in.sts;
    const bool mx_secure = in.mx->security == DnsStatus::secure;
    const bool dane = state.dane == DaneState::usable;
    const bool listed = sts.policy && sts.policy->allows(*in.host);

    // MTA-STS decides unless DANE authenticates host and MX choice together [COMB-03 COMB-04 COMB-05
    // COMB-06].
    const bool sts_decides = sts.enforced() && !(dane && mx_secure);
    // A policy that we may have promised to enforce and cannot remember: later, never anyway.
    if (sts.cache_failed && !(dane && mx_secure))
        return skip(HopReason::policy_unknown, Side::ours, sts.why,
                    "look at the log of this host: its database");
    if (sts_decides && !listed) return sts_mismatch(in);

    HopDecision d;
    d.attempt = true;
    d.mx_secure = mx_secure;
    d.reason = HopReason::opportunistic;
    d.tls_required = false;
    d.sni = in.host->str();

    if (rule.tls == TlsLevel::encrypt) {
        d.tls_required = true;
        d.reason = HopReason::rule_encrypt;
    }
    // What MTA-STS only reports: testing mode, or DANE that makes it moot (recorded all the same).
    if ((sts.tested() || sts.enforced()) && !sts_decides) {
        d.web_pki = WebPki::observe;
        d.sts_listed = listed;
    }
    if (sts_decides) {
        d.web_pki = WebPki::require;
        d.tls_required = true;
        d.reason = HopReason::sts_enforce;
    }
    if (state.dane == DaneState::unusable) {
        d.tls_required = true;  // secure records forbid cleartext, even when none is usable [DANE-33]
        if (d.web_pki != WebPki::require) d.reason = HopReason::dane_unusable;
    }
    if (dane) {
        d.tls_required = true;
        d.reason = HopReason::dane;
        d.dane = DaneRequirement{*state.base_domain, state.tlsa, reference_names(*in.mx, *state.base_domain)};
    }
    // The SNI of DANE is the base domain, also where MTA-STS applies too [DANE-72 COMB-07].
    if (state.base_domain) d.sni = state.base_domain->str();

    if (rule.tls == TlsLevel::authenticated && !(dane && mx_secure) && d.web_pki != WebPki::require) {
        // A testing policy names hosts as well as an enforced one: the rule supplies the will to enforce.
        if (!(listed && (sts.tested() || sts.enforced())) && !matches_rule(rule, *in.host))
            return skip(
                HopReason::not_authenticable, Side::ours,
                fmt::format(
                    "{} demands authentication of {}, and neither DANE, MTA-STS nor `match` says how{}{}",
                    rule.describe(), *in.host, sts.why.empty() ? "" : ": ", sts.why),
                fmt::format("add the host to `match` of the rule, or ask {} to publish DANE or MTA-STS",
                            in.mx->domain));
        d.web_pki = WebPki::require;
        d.tls_required = true;
        if (!dane) d.reason = HopReason::rule_authenticated;
    }

    if (state.base_domain) d.policies.push_back(applied_tlsa(state, *in.host));
    if (sts.tested() || sts.enforced()) d.policies.push_back(applied_sts(in.mx->domain, *sts.policy));
    if (d.policies.empty())
        d.policies.push_back({.type = PolicyType::no_policy_found,
                              .domain = in.mx->domain.str(),
                              .policy_string = {},
                              .mx_host = {}});

    if (!dane) d.not_stronger.push_back(fmt::format("not DANE: {}", state.why));
    if (dane && !mx_secure)
        d.not_stronger.push_back(fmt::format(
            "DANE for the host alone: the MX records of {} are not signed (DNSSEC)", in.mx->domain));
    if (!sts_decides && !dane) {
        if (!sts.policy)
            d.not_stronger.push_back(fmt::format("not MTA-STS: {}", sts.why));
        else if (!sts.enforced())
            d.not_stronger.push_back(
                fmt::format("not MTA-STS: the policy is in mode {}", to_string(sts.policy->mode)));
    }
    explain_attempt(in, d);
    return d;
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
        case HopReason::dane:
            return "dane";
        case HopReason::dane_unusable:
            return "dane-unusable";
        case HopReason::sts_enforce:
            return "sts";
        case HopReason::rule_authenticated:
            return "rule-authenticated";
        case HopReason::rule_encrypt:
            return "rule-encrypt";
        case HopReason::opportunistic:
            return "opportunistic";
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

std::string_view to_string(WebPki web_pki) {
    switch (web_pki) {
        case WebPki::no:
            return "no";
        case WebPki::observe:
            return "observe";
        case WebPki::require:
            return "require";
    }
    return "no";
}

}  // namespace sealpost::security
