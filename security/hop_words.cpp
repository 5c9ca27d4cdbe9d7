#include "security/hop_words.hpp"

#include <fmt/ranges.h>

namespace sealpost::security {

void say_why_not_stronger(const HopInput& in, HopDecision& d) {
    const StsState& sts = *in.sts;
    if (d.dane_check != Check::require)
        d.not_stronger.push_back(fmt::format("not DANE: {}", in.state->why));
    else if (!d.mx_secure)
        d.not_stronger.push_back(fmt::format(
            "DANE for the host alone: the MX records of {} are not signed (DNSSEC)", in.mx->domain));
    if (d.dane_check == Check::require || sts.enforced()) return;
    d.not_stronger.push_back(
        sts.policy ? fmt::format("not MTA-STS: the policy is in mode {}", to_string(sts.policy->mode))
                   : fmt::format("not MTA-STS: {}", sts.why));
}

void explain_attempt(const HopInput& in, HopDecision& d) {
    const Domain& host = *in.host;
    const std::string rule = in.rule->describe();
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
            d.explanation = fmt::format("{} demands authentication: WebPKI for {}", rule, host);
            break;
        case HopReason::rule_secure: {
            std::vector<std::string> names;
            for (const NamePattern& name : d.rule_check->names) names.push_back(name.str());
            d.explanation = fmt::format("{} demands a certificate for {}", rule, fmt::join(names, " or "));
            break;
        }
        case HopReason::rule_fingerprint:
            d.explanation =
                fmt::format("{} demands {}{}{}", rule, d.rule_check->pins.empty() ? "" : "a key that it pins",
                            d.rule_check->pins.empty() || !d.rule_check->trusted ? "" : ", or ",
                            d.rule_check->trusted ? "a certificate of its own CA" : "");
            break;
        case HopReason::rule_encrypt:
            d.explanation = fmt::format("{} demands TLS", rule);
            break;
        case HopReason::requiretls:
            d.explanation = fmt::format("the message requires TLS: WebPKI for {}", host);
            break;
        default:
            d.explanation = "no policy applies: TLS if it is offered";
    }
    if (d.min_tls) d.explanation += fmt::format("; TLS {} or later ({})", to_string(*d.min_tls), rule);
    if (d.requiretls) d.explanation += "; REQUIRETLS: the server must offer it too";
}

}  // namespace sealpost::security
