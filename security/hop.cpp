#include "security/hop.hpp"

#include <algorithm>

#include "config/units.hpp"
#include "security/hop_words.hpp"

namespace sealpost::security {
namespace {

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
std::vector<Domain> reference_names(const MxSet& mx, const Domain& host, const Domain& base_domain) {
    std::vector<Domain> names{base_domain};
    const auto add = [&](const Domain& name) {
        if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    // Over an insecure MX set only the host itself is authenticated [DANE-08].
    if (mx.security != DnsStatus::secure) return names;
    if (mx.configured) {
        add(host);  // the next hop as it was written, also where it is an alias [DANE-65]
    } else if (!mx.implicit) {
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

/// What is published does not count: by a rule that says why and until when, or by the message, which lowers
/// the recipient's policies and not the operator's rules unless he lets it [REQTLS-19 REQTLS-23].
bool is_lenient(const HopInput& in) {
    if (in.message == MessageTls::required) return false;  // the strongest wins
    const Rule& rule = *in.rule;
    if (rule.weakens()) return true;
    if (in.message != MessageTls::optional) return false;
    // These demands are made of what is published.
    const bool builds_on_it =
        rule.tls == TlsLevel::authenticated || rule.tls == TlsLevel::dane_only || rule.both;
    return in.message_overrides_rules || !builds_on_it;
}

/// No policy can make a connection to a host whose address is not known.
std::optional<HopDecision> without_address(const HopInput& in) {
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
    return std::nullopt;
}

/// Everything else that can rule the host out before a packet is sent; none when it may be contacted.
std::optional<HopDecision> rule_out(const HopInput& in) {
    const HostState& state = *in.state;
    const Domain& host = *in.host;
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
    if (in.message == MessageTls::required) d.lack = Lack::tls;
    return d;
}

bool has_sts(const StsState& sts) {
    return sts.tested() || sts.enforced();
}

/// What every attempt starts from: TLS if it is offered, measured against all that is published.
HopDecision attempt_at(const HopInput& in) {
    const HostState& state = *in.state;
    const StsState& sts = *in.sts;
    HopDecision d;
    d.attempt = true;
    d.tls_required = false;
    d.reason = HopReason::opportunistic;
    d.mx_secure = in.mx->security == DnsStatus::secure;
    // The SNI of DANE is the base domain, also where MTA-STS applies too [DANE-72 COMB-07].
    d.sni = state.base_domain ? state.base_domain->str() : in.host->str();
    if (state.dane == DaneState::usable) {
        d.dane = DaneRequirement{*state.base_domain, state.tlsa,
                                 reference_names(*in.mx, *in.host, *state.base_domain)};
        d.dane_check = Check::observe;
    }
    if (has_sts(sts)) {
        d.web_pki = Check::observe;
        d.sts_listed = sts.policy->allows(*in.host);
    }
    // Records that could not be had are a policy that was not met, where mail may go all the same [RPT-71].
    if (state.dane == DaneState::lookup_failed) d.tlsa_failure = state.why;
    if (state.base_domain || !d.tlsa_failure.empty()) d.policies.push_back(applied_tlsa(state, *in.host));
    if (has_sts(sts)) d.policies.push_back(applied_sts(in.mx->domain, *sts.policy));
    if (d.policies.empty())
        d.policies.push_back({.type = PolicyType::no_policy_found,
                              .domain = in.mx->domain.str(),
                              .policy_string = {},
                              .mx_host = {}});
    return d;
}

/// The names that `secure` accepts: those of `match`, by default the domain's own and all below.
std::vector<NamePattern> names_of(const Rule& rule, const HopInput& in) {
    if (!rule.match.empty()) return rule.match;
    if (rule.tls == TlsLevel::fingerprint) return {{*in.host, false}};
    return {{in.mx->domain, false}, {in.mx->domain, true}};
}

/// Adds what the rule demands beyond what is published; a decision when the host cannot meet it.
std::optional<HopDecision> add_rule(const HopInput& in, HopDecision& d) {
    const Rule& rule = *in.rule;
    const bool by_published = d.web_pki == Check::require || d.dane_check == Check::require;
    const auto reason = [&](HopReason own) {
        if (!by_published) d.reason = own;
        d.tls_required = true;
    };
    if (rule.min_tls) d.min_tls = rule.min_tls;
    if (rule.tls == TlsLevel::encrypt || rule.min_tls) {
        if (d.reason == HopReason::opportunistic) d.reason = HopReason::rule_encrypt;
        d.tls_required = true;
    }
    if (rule.tls == TlsLevel::secure) {
        reason(HopReason::rule_secure);
        d.rule_check = RuleCheck{.pins = {}, .names = names_of(rule, in), .trusted = rule.trusted};
    }
    if (rule.tls == TlsLevel::fingerprint) {
        reason(HopReason::rule_fingerprint);
        d.rule_check = RuleCheck{.pins = rule.pins,
                                 .names = rule.trusted ? names_of(rule, in) : std::vector<NamePattern>{},
                                 .trusted = rule.trusted};
    }
    const bool dane_vouches = d.dane_check == Check::require && d.mx_secure;
    if (rule.tls != TlsLevel::authenticated || dane_vouches || d.web_pki == Check::require)
        return std::nullopt;
    // A testing policy names hosts as well as an enforced one: the rule supplies the will to enforce.
    const bool named = (has_sts(*in.sts) && d.sts_listed) || matches_rule(rule, *in.host);
    if (!named)
        return skip(
            HopReason::not_authenticable, Side::ours,
            fmt::format("{} demands authentication of {}, and neither DANE, MTA-STS nor `match` says how{}{}",
                        rule.describe(), *in.host, in.sts->why.empty() ? "" : ": ", in.sts->why),
            fmt::format("add the host to `match` of the rule, or ask {} to publish DANE or MTA-STS",
                        in.mx->domain));
    reason(HopReason::rule_authenticated);
    if (rule.trusted)
        d.rule_check = RuleCheck{.pins = {}, .names = {{*in.host, false}}, .trusted = rule.trusted};
    else
        d.web_pki = Check::require;
    return std::nullopt;
}

HopDecision decide_leniently(const HopInput& in) {
    HopDecision d = attempt_at(in);
    const Rule& rule = *in.rule;
    std::string who = "the message says TLS-Required: No";
    d.reason = HopReason::tls_not_required;
    if (rule.weakens()) {
        d.reason = rule.tls == TlsLevel::none ? HopReason::rule_none : HopReason::rule_may;
        d.tls_off = rule.tls == TlsLevel::none;
        who = fmt::format("{} weakens until {}: {}", rule.describe(),
                          rule.until ? format_day(*rule.until) : "ever", rule.reason);
        d.side = Side::ours;
        d.remedy = "take the rule out as soon as its reason is gone";
    }
    d.explanation = fmt::format("{}; {}", who, d.tls_off ? "no TLS is tried" : "TLS if it is offered");
    if (!rule.weakens() && !in.message_overrides_rules) {
        d.reason = HopReason::opportunistic;
        static_cast<void>(add_rule(in, d));  // none of the levels that get here can rule a host out
        if (d.reason == HopReason::opportunistic) d.reason = HopReason::tls_not_required;
        if (d.tls_required)
            d.explanation = fmt::format("{}; {} demands TLS all the same", who, rule.describe());
    }
    if (in.state->dane != DaneState::not_applicable)
        d.not_stronger.push_back(fmt::format("not DANE, though: {}", in.state->why));
    if (in.sts->enforced()) d.not_stronger.emplace_back("not MTA-STS, though its policy is in mode enforce");
    return d;
}

/// Adds what REQUIRETLS demands: a host that is vouched for, a certificate that verifies, the promise of the
/// server [REQTLS-08..11, AMB-31].
std::optional<HopDecision> add_message(const HopInput& in, HopDecision& d) {
    if (in.message != MessageTls::required) return std::nullopt;
    const bool by_sts = in.sts->enforced() && d.sts_listed;
    if (!d.mx_secure && !by_sts) {
        HopDecision out =
            skip(HopReason::requiretls_not_vouched, Side::theirs,
                 fmt::format(
                     "the message requires TLS, and neither signed MX records nor an enforced MTA-STS policy "
                     "of {} vouch for the host {}",
                     in.mx->domain, *in.host),
                 fmt::format("sign the zone of {} (DNSSEC) or publish an MTA-STS policy in mode enforce",
                             in.mx->domain));
        // A record or policy that could not be had may be there the next time [REQTLS-16].
        const bool known = in.sts->txt != StsTxt::failed && !in.sts->failure;
        if (known) out.lack = Lack::tls;
        return out;
    }
    d.requiretls = true;
    d.tls_required = true;
    const bool dane_vouches = d.dane_check == Check::require && d.mx_secure;
    if (dane_vouches || d.web_pki == Check::require) return std::nullopt;
    d.web_pki = Check::require;
    if (d.reason != HopReason::rule_secure && d.reason != HopReason::rule_fingerprint)
        d.reason = HopReason::requiretls;
    return std::nullopt;
}

/// DANE and MTA-STS as published, then the rule, then the message; the strongest wins.
HopDecision decide(const HopInput& in) {
    if (std::optional<HopDecision> out = without_address(in)) return std::move(*out);
    if (is_lenient(in)) return decide_leniently(in);
    if (std::optional<HopDecision> out = rule_out(in)) return std::move(*out);

    const StsState& sts = *in.sts;
    HopDecision d = attempt_at(in);
    const bool dane = d.dane.has_value();
    // MTA-STS decides unless DANE authenticates host and MX choice together, and no rule wants both
    // [COMB-03 COMB-04 COMB-05 COMB-06].
    const bool dane_suffices = dane && d.mx_secure && !in.rule->both;
    // A policy that we may have promised to enforce and cannot remember: later, never anyway.
    if (sts.cache_failed && !dane_suffices)
        return skip(HopReason::policy_unknown, Side::ours, sts.why,
                    "look at the log of this host: its database");
    const bool sts_decides = sts.enforced() && !dane_suffices;
    if (sts_decides && !d.sts_listed) return sts_mismatch(in);

    if (sts_decides) {
        d.web_pki = Check::require;
        d.tls_required = true;
        d.reason = HopReason::sts_enforce;
    }
    if (in.state->dane == DaneState::unusable) {
        d.tls_required = true;  // secure records forbid cleartext, even when none is usable [DANE-33]
        if (!sts_decides) d.reason = HopReason::dane_unusable;
    }
    if (dane) {
        d.tls_required = true;
        d.dane_check = Check::require;
        d.reason = HopReason::dane;
    }
    if (std::optional<HopDecision> out = add_rule(in, d)) return std::move(*out);
    if (std::optional<HopDecision> out = add_message(in, d)) return std::move(*out);
    say_why_not_stronger(in, d);
    explain_attempt(in, d);
    return d;
}

/// The rule without what it demands: where it is written and which way it leads stay.
Rule without_demands(const Rule& rule) {
    Rule out = rule;
    out.tls = TlsLevel::automatic;
    out.min_tls.reset();
    out.both = false;
    out.observe = false;
    return out;
}

}  // namespace

HopDecision decide_hop(const HopInput& in) {
    if (!in.rule->observe) return decide(in);
    const Rule plain = without_demands(*in.rule);
    HopInput published = in;
    published.rule = &plain;
    HopDecision d = decide(published);
    const auto strict = std::make_shared<const HopDecision>(decide(in));
    if (d.attempt && !strict->attempt)
        d.not_stronger.push_back(fmt::format("{} only observes; it would have held the mail: {}",
                                             in.rule->describe(), strict->explanation));
    if (d.attempt) d.observed = strict;
    return d;
}

}  // namespace sealpost::security
