#include "security/hop.hpp"

#include <doctest/doctest.h>

#include "support/hop_scene.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

using L = TlsLevel;
using D = DaneState;
using R = HopReason;
constexpr DnsStatus secure = DnsStatus::secure;
constexpr DnsStatus insecure = DnsStatus::insecure;

std::string policies_text(const HopDecision& d) {
    std::string out;
    for (const AppliedPolicy& p : d.policies)
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", to_string(p.type), p.domain);
    return out;
}

std::string names_text(const HopDecision& d) {
    std::string out;
    REQUIRE(d.dane);
    for (const Domain& name : d.dane->reference_names)
        out += fmt::format("{}{}", out.empty() ? "" : " ", name);
    return out;
}

struct Attempt {
    std::string rule;
    L level;
    DnsStatus mx;
    D dane;
    Sts sts;
    bool match;  ///< the rule's `match` names the host
    R reason;
    bool tls_required;
    bool dane_required;
    Check web_pki;
    std::string policies;
};

struct Skip {
    std::string rule;
    L level;
    DnsStatus mx;
    D dane;
    Sts sts;
    bool match;
    R reason;
    Side side;
    std::string results;
};

const std::string no_policy = "no-policy-found example.org";
const std::string tlsa = "tlsa mx.example.org";
const std::string sts = "sts example.org";
const std::string both = "tlsa mx.example.org, sts example.org";

HopScene scene_of(L level, DnsStatus mx, D dane, Sts sts_kind, bool match) {
    HopScene scene(level, mx, dane, sts_kind);
    if (match) scene.set_match("mx.example.org");
    return scene;
}

}  // namespace

TEST_SUITE("security/hop") {
    TEST_CASE("what a host must offer before mail may go there") {
        const Attempt rows[] = {
            {"DANE-30 COMB-03: nothing applies", L::automatic, secure, D::not_applicable, Sts::none, false,
             R::opportunistic, false, false, Check::no, no_policy},
            {"DANE-06: insecure MX", L::automatic, insecure, D::not_applicable, Sts::none, false,
             R::opportunistic, false, false, Check::no, no_policy},
            {"DANE-32", L::automatic, secure, D::usable, Sts::none, false, R::dane, true, true, Check::no,
             tlsa},
            {"DANE-33: TLS without authentication", L::automatic, secure, D::unusable, Sts::none, false,
             R::dane_unusable, true, false, Check::no, tlsa},
            {"DANE-07: host of an insecure MX set", L::automatic, insecure, D::usable, Sts::none, false,
             R::dane, true, true, Check::no, tlsa},
            {"DANE-07 DANE-33: insecure MX and nothing usable", L::automatic, insecure, D::unusable,
             Sts::none, false, R::dane_unusable, true, false, Check::no, tlsa},
            {"COMB-03 STS-61: MTA-STS alone", L::automatic, insecure, D::not_applicable, Sts::enforce, false,
             R::sts_enforce, true, false, Check::require, sts},
            {"COMB-03: secure denial of TLSA leaves MTA-STS", L::automatic, secure, D::not_applicable,
             Sts::enforce, false, R::sts_enforce, true, false, Check::require, sts},
            {"COMB-04: unusable TLSA and MTA-STS", L::automatic, secure, D::unusable, Sts::enforce, false,
             R::sts_enforce, true, false, Check::require, both},
            {"COMB-05: DANE over an insecure MX and MTA-STS", L::automatic, insecure, D::usable, Sts::enforce,
             false, R::dane, true, true, Check::require, both},
            {"COMB-06: DANE over a secure MX decides", L::automatic, secure, D::usable, Sts::enforce, false,
             R::dane, true, true, Check::observe, both},
            {"COMB-06: also when MTA-STS does not list the host", L::automatic, secure, D::usable,
             Sts::enforce_unlisted, false, R::dane, true, true, Check::observe, both},
            {"STS-69: testing asks nothing", L::automatic, insecure, D::not_applicable, Sts::testing, false,
             R::opportunistic, false, false, Check::observe, sts},
            {"STS-69: testing and a host that is not listed", L::automatic, insecure, D::not_applicable,
             Sts::testing_unlisted, false, R::opportunistic, false, false, Check::observe, sts},
            {"STS-69 DANE-33: testing does not undo TLSA", L::automatic, secure, D::unusable, Sts::testing,
             false, R::dane_unusable, true, false, Check::observe, both},
            {"STS-70 RPT-76: mode none is as no policy", L::automatic, insecure, D::not_applicable,
             Sts::mode_none, false, R::opportunistic, false, false, Check::no, no_policy},
            {"STS-70: mode none beside DANE", L::automatic, secure, D::usable, Sts::mode_none, false, R::dane,
             true, true, Check::no, tlsa},
            {"STS-28: a fetch that failed with nothing cached", L::automatic, insecure, D::not_applicable,
             Sts::fetch_failed, false, R::opportunistic, false, false, Check::no, no_policy},
            {"STS-29: a fetch that failed with a cached policy", L::automatic, insecure, D::not_applicable,
             Sts::fetch_failed_cached, false, R::sts_enforce, true, false, Check::require, sts},

            {"encrypt: never plaintext", L::encrypt, insecure, D::not_applicable, Sts::none, false,
             R::rule_encrypt, true, false, Check::no, no_policy},
            {"encrypt: MTA-STS stays in force", L::encrypt, insecure, D::not_applicable, Sts::enforce, false,
             R::sts_enforce, true, false, Check::require, sts},
            {"encrypt: DANE stays in force", L::encrypt, secure, D::usable, Sts::none, false, R::dane, true,
             true, Check::no, tlsa},
            {"encrypt: testing stays testing", L::encrypt, insecure, D::not_applicable, Sts::testing, false,
             R::rule_encrypt, true, false, Check::observe, sts},

            {"authenticated: DANE is enough", L::authenticated, secure, D::usable, Sts::none, false, R::dane,
             true, true, Check::no, tlsa},
            {"authenticated: MTA-STS is enough", L::authenticated, insecure, D::not_applicable, Sts::enforce,
             false, R::sts_enforce, true, false, Check::require, sts},
            {"authenticated: a name in match", L::authenticated, insecure, D::not_applicable, Sts::none, true,
             R::rule_authenticated, true, false, Check::require, no_policy},
            {"authenticated: a name of a policy in testing", L::authenticated, insecure, D::not_applicable,
             Sts::testing, false, R::rule_authenticated, true, false, Check::require, sts},
            {"authenticated: match beside a testing policy that does not list", L::authenticated, insecure,
             D::not_applicable, Sts::testing_unlisted, true, R::rule_authenticated, true, false,
             Check::require, sts},
            {"authenticated: unusable TLSA and match", L::authenticated, secure, D::unusable, Sts::none, true,
             R::rule_authenticated, true, false, Check::require, tlsa},
            {"authenticated: DANE of the host alone needs a name as well", L::authenticated, insecure,
             D::usable, Sts::none, true, R::dane, true, true, Check::require, tlsa},
            {"authenticated: cached MTA-STS", L::authenticated, insecure, D::not_applicable,
             Sts::fetch_failed_cached, false, R::sts_enforce, true, false, Check::require, sts},

            {"dane-only DANE-82", L::dane_only, secure, D::usable, Sts::none, false, R::dane, true, true,
             Check::no, tlsa},
            {"dane-only: MTA-STS is only observed", L::dane_only, secure, D::usable, Sts::enforce_unlisted,
             false, R::dane, true, true, Check::observe, both},
            {"COMB-06: DANE needs no memory of MTA-STS", L::automatic, secure, D::usable, Sts::cache_failed,
             false, R::dane, true, true, Check::no, tlsa},
        };
        for (const Attempt& row : rows) {
            CAPTURE(row.rule);
            const HopDecision d = scene_of(row.level, row.mx, row.dane, row.sts, row.match).decide();
            REQUIRE(d.attempt);
            CHECK(to_string(d.reason) == to_string(row.reason));
            CHECK(d.tls_required == row.tls_required);
            CHECK((d.dane_check == Check::require) == row.dane_required);
            CHECK(to_string(d.web_pki) == to_string(row.web_pki));
            CHECK(policies_text(d) == row.policies);
            CHECK(d.mx_secure == (row.mx == secure));
            CHECK(d.results.empty());
            CHECK_FALSE(d.explanation.empty());
            CHECK(d.sni == "mx.example.org");  // STS-71 DANE-72 TLS-17
            if (!d.dane) CHECK_FALSE(d.not_stronger.empty());
        }
    }

    TEST_CASE("a host that must not be contacted says why and whose side must act") {
        const Skip rows[] = {
            {"DANE-31 COMB-02: a failed TLSA lookup", L::automatic, secure, D::lookup_failed, Sts::none,
             false, R::tlsa_lookup_failed, Side::theirs, tlsa + " dnssec-invalid"},
            {"COMB-02: also with a cached policy that would pass", L::automatic, secure, D::lookup_failed,
             Sts::enforce, false, R::tlsa_lookup_failed, Side::theirs, tlsa + " dnssec-invalid"},
            {"COMB-02: also in testing", L::automatic, insecure, D::lookup_failed, Sts::testing, false,
             R::tlsa_lookup_failed, Side::theirs, tlsa + " dnssec-invalid"},
            {"DANE-31: also where match would authenticate", L::authenticated, secure, D::lookup_failed,
             Sts::none, true, R::tlsa_lookup_failed, Side::theirs, tlsa + " dnssec-invalid"},
            {"STS-64 RPT-66: not listed", L::automatic, insecure, D::not_applicable, Sts::enforce_unlisted,
             false, R::sts_mx_mismatch, Side::theirs, sts + " validation-failure"},
            {"COMB-04: not listed and unusable TLSA", L::automatic, secure, D::unusable,
             Sts::enforce_unlisted, false, R::sts_mx_mismatch, Side::theirs, sts + " validation-failure"},
            {"COMB-05: not listed and DANE over an insecure MX", L::automatic, insecure, D::usable,
             Sts::enforce_unlisted, false, R::sts_mx_mismatch, Side::theirs, sts + " validation-failure"},
            {"COMB-08: match does not undo MTA-STS", L::authenticated, insecure, D::not_applicable,
             Sts::enforce_unlisted, true, R::sts_mx_mismatch, Side::theirs, sts + " validation-failure"},
            {"our memory of MTA-STS is gone", L::automatic, insecure, D::not_applicable, Sts::cache_failed,
             false, R::policy_unknown, Side::ours, ""},
            {"our memory of MTA-STS is gone: host-only DANE does not replace it", L::automatic, insecure,
             D::usable, Sts::cache_failed, false, R::policy_unknown, Side::ours, ""},
            {"authenticated: nothing says whom to trust", L::authenticated, secure, D::not_applicable,
             Sts::none, false, R::not_authenticable, Side::ours, ""},
            {"authenticated AMB-12: the policy cannot be had", L::authenticated, secure, D::not_applicable,
             Sts::fetch_failed, false, R::not_authenticable, Side::ours, ""},
            {"authenticated: unusable TLSA authenticate nobody", L::authenticated, secure, D::unusable,
             Sts::none, false, R::not_authenticable, Side::ours, ""},
            {"authenticated: a testing policy that does not list the host", L::authenticated, insecure,
             D::not_applicable, Sts::testing_unlisted, false, R::not_authenticable, Side::ours, ""},
            {"authenticated STS-70: mode none names nobody", L::authenticated, insecure, D::not_applicable,
             Sts::mode_none, false, R::not_authenticable, Side::ours, ""},
            {"authenticated AMB-31: DANE of the host alone", L::authenticated, insecure, D::usable, Sts::none,
             false, R::not_authenticable, Side::ours, ""},
            {"dane-only DANE-82 RPT-72: no TLSA", L::dane_only, secure, D::not_applicable, Sts::none, false,
             R::dane_required, Side::theirs, tlsa + " dane-required"},
            {"dane-only: MTA-STS and match do not replace it", L::dane_only, secure, D::not_applicable,
             Sts::enforce, true, R::dane_required, Side::theirs, tlsa + " dane-required"},
            {"dane-only DANE-34 RPT-70: unusable", L::dane_only, secure, D::unusable, Sts::none, false,
             R::dane_required, Side::theirs, tlsa + " tlsa-invalid"},
            {"dane-only DANE-05: insecure MX", L::dane_only, insecure, D::usable, Sts::none, false,
             R::dane_required, Side::theirs, tlsa + " dane-required"},
            {"dane-only DANE-31", L::dane_only, secure, D::lookup_failed, Sts::none, false,
             R::tlsa_lookup_failed, Side::theirs, tlsa + " dnssec-invalid"},
        };
        for (const Skip& row : rows) {
            CAPTURE(row.rule);
            const HopDecision d = scene_of(row.level, row.mx, row.dane, row.sts, row.match).decide();
            REQUIRE_FALSE(d.attempt);
            CHECK(to_string(d.reason) == to_string(row.reason));
            CHECK(d.side == row.side);
            CHECK_FALSE(d.explanation.empty());
            CHECK_FALSE(d.remedy.empty());
            std::string text = results_text(d.results);
            text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
            std::string expected = row.results;
            expected.erase(std::remove(expected.begin(), expected.end(), ' '), expected.end());
            CHECK(text == expected);
            for (const TlsResult& r : d.results) {
                CHECK(r.policy_domain_of_recipient == "example.org");
                REQUIRE(r.failures.size() == 1);
                CHECK(r.failures[0].receiving_ip.empty());  // RPT-48: there was no session
                CHECK(r.failures[0].sending_mta_ip.empty());
                CHECK_FALSE(r.failures[0].reason_code.empty());  // RPT-46
            }
        }
    }

    TEST_CASE("a host without addresses is skipped whatever the policies say [DANE-16 DANE-17]") {
        for (const L level : {L::automatic, L::encrypt, L::authenticated, L::dane_only}) {
            HopScene scene(level, secure, D::not_applicable, Sts::enforce);
            scene.state.address = AddressState::none;
            CHECK(scene.decide().reason == R::no_address);
            CHECK_FALSE(scene.decide().attempt);
            CHECK(scene.decide().results.empty());
            scene.state.address = AddressState::failed;
            scene.state.failure = DnsStatus::error;
            CHECK(scene.decide().reason == R::address_lookup_failed);
            CHECK_FALSE(scene.decide().attempt);
            CHECK(scene.decide().results.empty());  // a plain timeout says nothing about TLS
            for (const DnsStatus status : {DnsStatus::bogus, DnsStatus::indeterminate}) {  // RPT-71 AMB-21
                scene.state.failure = status;
                CHECK(results_text(scene.decide().results) == "tlsa mx.example.org dnssec-invalid");
            }
        }
    }

    TEST_CASE("reference names of the example zone of RFC 7672 [DANE-67 DANE-64 DANE-68 NAME-08]") {
        struct Row {
            std::string mx;
            std::string base;
            std::string names;
        };
        for (const Row& row : {Row{"mx10.example.com", "mx10.example.com",
                                   "mx10.example.com exchange.example.org example.com"},
                               Row{"mx15.example.com", "mx15.example.com",
                                   "mx15.example.com exchange.example.org example.com"},
                               Row{"mx20.example.com", "mxbackup.example.net",
                                   "mxbackup.example.net exchange.example.org example.com"}}) {
            CAPTURE(row.mx);
            HopScene scene(L::automatic, secure, D::usable);
            scene.host = domain(row.mx);
            scene.mx.domain = domain("exchange.example.org");
            scene.mx.expanded = domain("example.com");
            scene.state.base_domain = domain(row.base);
            CHECK(names_text(scene.decide()) == row.names);
            CHECK(scene.decide().sni == row.base);  // DANE-72
            scene.mx.security = insecure;           // DANE-08 with erratum 6283
            CHECK(names_text(scene.decide()) == row.base);
        }
    }

    TEST_CASE("reference names where no MX was used [DANE-65 DANE-66 AMB-04]") {
        HopScene scene(L::automatic, secure, D::usable);
        scene.mx.implicit = true;
        scene.host = domain("example.org");
        scene.state.base_domain = domain("example.org");
        CHECK(names_text(scene.decide()) == "example.org");
        scene.mx.expanded = domain("example.com");
        CHECK(names_text(scene.decide()) == "example.org");  // DANE-66: found at the unexpanded name
        scene.state.base_domain = domain("example.com");
        CHECK(names_text(scene.decide()) == "example.com example.org");  // DANE-65
        scene.mx.security = insecure;
        CHECK(names_text(scene.decide()) == "example.com");
    }

    TEST_CASE(
        "the SNI is the TLSA base domain also under MTA-STS and for unusable records [DANE-72 COMB-07]") {
        for (const D dane : {D::usable, D::unusable}) {
            for (const Sts kind : {Sts::none, Sts::enforce, Sts::testing}) {
                for (const DnsStatus mx : {secure, insecure}) {
                    HopScene scene(L::automatic, mx, dane, kind);
                    scene.state.base_domain = domain("real.example.net");
                    const HopDecision d = scene.decide();
                    CHECK(d.attempt);
                    CHECK(d.sni == "real.example.net");
                    CHECK(d.policies.front().domain == "real.example.net");  // RPT-35
                }
            }
        }
    }

    TEST_CASE("MTA-STS lists the MX name as the MX record has it [STS-58 STS-59 STS-60]") {
        struct Row {
            std::string host;
            bool attempt;
        };
        for (const Row& row : {Row{"mail.example.org", true}, Row{"example.org", false},
                               Row{"foo.bar.example.org", false}, Row{"MAIL.Example.Org", true}}) {
            CAPTURE(row.host);
            HopScene scene(L::automatic, insecure, D::not_applicable, Sts::enforce);
            scene.host = domain(row.host);
            CHECK(scene.decide().attempt == row.attempt);
        }
    }

    TEST_CASE(
        "a policy that failed before any session is reported without one [RPT-71 RPT-73 RPT-75 AMB-21 "
        "AMB-23]") {
        MxSet mx = HopScene().mx;
        mx.status = MxStatus::failed;
        for (const DnsStatus status : {DnsStatus::bogus, DnsStatus::indeterminate}) {
            mx.security = status;
            CHECK(results_text(results_of_failed_mx(mx)) == "tlsa example.org dnssec-invalid");
        }
        mx.security = DnsStatus::error;
        CHECK(results_of_failed_mx(mx).empty());

        CHECK(results_of_sts_failure(domain("example.org"), sts_state(Sts::none)).empty());
        CHECK(results_of_sts_failure(domain("example.org"), sts_state(Sts::enforce)).empty());
        for (const Sts kind : {Sts::fetch_failed, Sts::fetch_failed_cached}) {
            const std::vector<TlsResult> results =
                results_of_sts_failure(domain("example.org"), sts_state(kind));
            CHECK(results_text(results) == "sts example.org sts-webpki-invalid");
            CHECK_FALSE(results.at(0).counts_session);
            CHECK(results.at(0).failures.at(0).reason_code == "certificate expired");
            CHECK(results.at(0).failures.at(0).receiving_ip.empty());
            CHECK(results.at(0).policy.mx_host.empty() == (kind == Sts::fetch_failed));
        }
    }

    TEST_CASE("an applied policy is shown as it was served [RPT-31 RPT-33 RPT-36]") {
        HopScene scene(L::automatic, secure, D::usable, Sts::enforce);
        const HopDecision d = scene.decide();
        REQUIRE(d.policies.size() == 2);
        CHECK(d.policies[0].policy_string == scene.state.tlsa.policy_string());
        CHECK(d.policies[1].policy_string == std::vector<std::string>{"version: STSv1", "mode: enforce",
                                                                      "mx: *.example.org", "max_age: 86400"});
        CHECK(d.policies[1].mx_host == std::vector<std::string>{"*.example.org"});
    }

}  // TEST_SUITE("security/hop")
