// Whatever changes in a hop's policy gives it another identity, field by field: a session made under one
// policy is never found under another.
#include "security/policy_identity.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "support/certificate_factory.hpp"
#include "support/hop_scene.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

/// A hop under a policy, with whatever else the identity is made of.
struct Hop {
    HopDecision decision;
    Domain host = domain("mx.example.org");
    Endpoint peer = Endpoint::parse("192.0.2.1:25").value();
    std::string self = "mail.sender.example ";

    [[nodiscard]] std::string identity() const { return policy_identity(decision, host, peer, self); }
};

Hop full_hop() {
    HopScene scene(TlsLevel::automatic, DnsStatus::secure, DaneState::usable, Sts::enforce);
    Hop hop;
    hop.decision = scene.decide();
    hop.decision.rule_check =
        RuleCheck{.pins = {SpkiPin::parse(std::string(64, 'a')).value()},
                  .names = {{domain("mx.example.org"), false}},
                  .trusted = std::make_shared<TrustStore>(
                      TrustStore::from_pem(issue({.common_name = "CA", .ca = true}).pem()).value())};
    hop.decision.min_tls = TlsVersion::tls1_2;
    hop.decision.observed = std::make_shared<HopDecision>(scene.decide());
    return hop;
}

struct Change {
    const char* what;
    std::function<void(Hop&)> make;
};

TlsaSet set_of(const std::vector<Bytes>& rdata, const TlsaLimits& limits = {}) {
    return assess_tlsa(rdata, limits).value();
}

const std::vector<Change>& changes() {
    static const std::vector<Change> all{
        {"host", [](Hop& h) { h.host = domain("mx2.example.org"); }},
        {"address", [](Hop& h) { h.peer = Endpoint::parse("192.0.2.2:25").value(); }},
        {"port", [](Hop& h) { h.peer = Endpoint::parse("192.0.2.1:587").value(); }},
        {"self", [](Hop& h) { h.self = "mail.sender.example 198.51.100.7"; }},
        {"attempt", [](Hop& h) { h.decision.attempt = false; }},
        {"reason", [](Hop& h) { h.decision.reason = HopReason::sts_enforce; }},
        {"tls_required", [](Hop& h) { h.decision.tls_required = false; }},
        {"tls_off", [](Hop& h) { h.decision.tls_off = true; }},
        {"no dane", [](Hop& h) { h.decision.dane.reset(); }},
        {"base domain", [](Hop& h) { h.decision.dane->base_domain = domain("mx3.example.org"); }},
        {"another record", [](Hop& h) { h.decision.dane->tlsa = set_of({tlsa_rdata(3, 1, 1, 8)}); }},
        {"one record more",
         [](Hop& h) { h.decision.dane->tlsa = set_of({tlsa_rdata(3, 1, 1), tlsa_rdata(2, 1, 1)}); }},
        {"a record that is switched off",
         [](Hop& h) {
             TlsaLimits limits;
             limits.digests = {2};
             h.decision.dane->tlsa = set_of({tlsa_rdata(3, 1, 1)}, limits);
         }},
        {"reference names", [](Hop& h) { h.decision.dane->reference_names.pop_back(); }},
        {"dane check", [](Hop& h) { h.decision.dane_check = Check::observe; }},
        {"webpki check", [](Hop& h) { h.decision.web_pki = Check::require; }},
        {"no rule check", [](Hop& h) { h.decision.rule_check.reset(); }},
        {"pins", [](Hop& h) { h.decision.rule_check->pins.clear(); }},
        {"names", [](Hop& h) { h.decision.rule_check->names[0].below = true; }},
        {"public CAs", [](Hop& h) { h.decision.rule_check->trusted.reset(); }},
        {"other CAs",
         [](Hop& h) {
             h.decision.rule_check->trusted = std::make_shared<TrustStore>(
                 TrustStore::from_pem(issue({.common_name = "CA", .ca = true}).pem()).value());
         }},
        {"min_tls", [](Hop& h) { h.decision.min_tls = TlsVersion::tls1_3; }},
        {"no min_tls", [](Hop& h) { h.decision.min_tls.reset(); }},
        {"requiretls", [](Hop& h) { h.decision.requiretls = true; }},
        {"sni", [](Hop& h) { h.decision.sni = "other.example.org"; }},
        {"mx security", [](Hop& h) { h.decision.mx_secure = false; }},
        {"sts_listed", [](Hop& h) { h.decision.sts_listed = false; }},
        {"one policy fewer", [](Hop& h) { h.decision.policies.pop_back(); }},
        {"policy type", [](Hop& h) { h.decision.policies[0].type = PolicyType::no_policy_found; }},
        {"policy domain", [](Hop& h) { h.decision.policies[0].domain = "example.net"; }},
        {"policy text", [](Hop& h) { h.decision.policies[1].policy_string.push_back("max_age: 1"); }},
        {"policy hosts", [](Hop& h) { h.decision.policies[1].mx_host.clear(); }},
        {"nothing observed", [](Hop& h) { h.decision.observed.reset(); }},
        {"observed policy",
         [](Hop& h) {
             auto other = std::make_shared<HopDecision>(*h.decision.observed);
             other->tls_required = !other->tls_required;
             h.decision.observed = other;
         }},
    };
    return all;
}

}  // namespace

TEST_SUITE("security/policy_identity") {
    TEST_CASE("each field of the effective policy changes the identity [DANE-78 DANE-79 STS-74 TLS-23]") {
        const Hop unchanged = full_hop();
        std::set<std::string> seen{unchanged.identity()};
        for (const Change& change : changes()) {
            CAPTURE(change.what);
            Hop hop = unchanged;
            change.make(hop);
            CHECK(seen.insert(hop.identity()).second);
        }
        CHECK(seen.size() == changes().size() + 1);
    }

    TEST_CASE("two changes at once give yet another identity [DANE-78 STS-74]") {
        const Hop unchanged = full_hop();
        const auto& all = changes();
        std::size_t pairs = 0;
        for (std::size_t i = 0; i < all.size(); ++i)
            for (std::size_t j = i + 1; j < all.size(); ++j) {
                const std::string first = all[i].what;
                if (first.starts_with("no ") || first == "nothing observed" ||
                    first.starts_with("one policy"))
                    continue;  // the second change may have nothing left to change
                Hop hop = unchanged;
                all[j].make(hop);
                const std::string alone = hop.identity();
                Hop both = unchanged;
                all[i].make(both);
                if (first == "pins" || !both.decision.dane || !both.decision.rule_check) continue;
                if (std::string(all[j].what).starts_with("no ") ||
                    all[j].what == std::string("nothing observed") ||
                    std::string(all[j].what).find("CAs") != std::string::npos ||
                    std::string(all[j].what).find("record") != std::string::npos)
                    continue;  // they overwrite what the first one changed
                all[j].make(both);
                ++pairs;
                CAPTURE(first);
                CAPTURE(all[j].what);
                CHECK(both.identity() != unchanged.identity());
            }
        CHECK(pairs > 200);
    }

    TEST_CASE("what DNS may reorder and what is only told does not change the identity [RPT-32]") {
        Hop hop = full_hop();
        hop.decision.dane->tlsa = set_of({tlsa_rdata(3, 1, 1), tlsa_rdata(2, 1, 1)});
        Hop rotated = hop;
        rotated.decision.dane->tlsa = set_of({tlsa_rdata(2, 1, 1), tlsa_rdata(3, 1, 1)});
        CHECK(rotated.identity() == hop.identity());
        rotated.decision.explanation = "other words";
        rotated.decision.fresh_for = std::chrono::seconds(7);
        CHECK(rotated.identity() == hop.identity());
    }

}  // TEST_SUITE("security/policy_identity")
