#include "security/policy_identity.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

namespace sealpost::security {
namespace {

/// Every part with its length before it, so that no two lists of parts give the same octets.
class Digest {
public:
    void add(std::string_view part) {
        text_ += std::to_string(part.size());
        text_ += ':';
        text_ += part;
    }
    void add(bool part) { add(part ? std::string_view("1") : std::string_view("0")); }
    void add(const std::vector<std::string>& parts) {
        add(std::to_string(parts.size()));
        for (const std::string& part : parts) add(part);
    }

    [[nodiscard]] std::string hex() const {
        std::array<unsigned char, 32> digest{};
        // A digest that cannot be made identifies nothing: the empty text is never a key.
        if (EVP_Digest(text_.data(), text_.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
            return {};
        std::string out;
        for (const unsigned char octet : digest) out += fmt::format("{:02x}", octet);
        return out;
    }

private:
    std::string text_;
};

void add_dane(Digest& digest, const std::optional<DaneRequirement>& dane) {
    digest.add(dane.has_value());
    if (!dane) return;
    digest.add(dane->base_domain.str());
    // Which record is used and which is superseded follows from the set itself and from the enabled digests.
    std::vector<std::string> used;
    for (const TlsaAssessment& assessed : dane->tlsa.records)
        if (assessed.use == TlsaUse::used) used.push_back(assessed.record.str());
    std::sort(used.begin(), used.end());
    digest.add(dane->tlsa.policy_string());
    digest.add(used);
    std::vector<std::string> names;
    for (const Domain& name : dane->reference_names) names.push_back(name.str());
    digest.add(names);
}

void add_rule_check(Digest& digest, const std::optional<RuleCheck>& check) {
    digest.add(check.has_value());
    if (!check) return;
    std::vector<std::string> pins;
    for (const SpkiPin& pin : check->pins) pins.push_back(pin.str());
    std::vector<std::string> names;
    for (const NamePattern& name : check->names) names.push_back(name.str());
    digest.add(pins);
    digest.add(names);
    digest.add(check->trusted ? check->trusted->id() : std::string("public"));
}

void add_policies(Digest& digest, const std::vector<AppliedPolicy>& policies) {
    digest.add(std::to_string(policies.size()));
    for (const AppliedPolicy& policy : policies) {
        digest.add(to_string(policy.type));
        digest.add(policy.domain);
        digest.add(policy.policy_string);
        digest.add(policy.mx_host);
    }
}

void add_decision(Digest& digest, const HopDecision& d) {
    digest.add(d.attempt);
    digest.add(to_string(d.reason));
    digest.add(d.tls_required);
    digest.add(d.tls_off);
    add_dane(digest, d.dane);
    digest.add(to_string(d.dane_check));
    digest.add(to_string(d.web_pki));
    add_rule_check(digest, d.rule_check);
    digest.add(d.min_tls ? to_string(*d.min_tls) : std::string_view("any"));
    digest.add(d.requiretls);
    digest.add(d.sni);
    digest.add(d.mx_secure);
    digest.add(d.sts_listed);
    add_policies(digest, d.policies);
    digest.add(d.observed != nullptr);
    if (d.observed) add_decision(digest, *d.observed);
}

}  // namespace

std::string policy_identity(const HopDecision& decision, const Domain& host, const Endpoint& peer,
                            const std::string& self) {
    Digest digest;
    digest.add(std::string_view("sealpost policy 1"));
    digest.add(host.str());
    digest.add(peer.str());
    digest.add(self);
    add_decision(digest, decision);
    return digest.hex();
}

}  // namespace sealpost::security
