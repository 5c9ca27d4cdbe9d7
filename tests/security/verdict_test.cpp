#include "security/verdict.hpp"

#include <doctest/doctest.h>

#include "support/hop_scene.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

using L = TlsLevel;
using D = DaneState;
using F = ChainFault;
using S = TlsStage;
using V = VerdictAction;
using A = Achieved;
constexpr DnsStatus secure = DnsStatus::secure;
constexpr DnsStatus insecure = DnsStatus::insecure;

/// `internal` stands for "not judged" here.
struct Row {
    std::string rule;
    HopScene scene;
    S stage;
    F dane;
    F web_pki;
    V action;
    A achieved;
    std::string by;
    std::string results;
};

TlsFacts facts_for(S stage, F dane, F web_pki) {
    TlsFacts facts = facts_of(stage);
    if (stage != S::established) return facts;
    if (dane != F::internal) facts.dane = dane == F::none ? chain_ok() : chain_bad(dane);
    if (web_pki != F::internal) facts.web_pki = web_pki == F::none ? chain_ok() : chain_bad(web_pki);
    return facts;
}

void check(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
        CAPTURE(row.rule);
        REQUIRE(row.scene.decide().attempt);
        const Verdict v = row.scene.judge(facts_for(row.stage, row.dane, row.web_pki));
        CHECK(to_string(v.action) == to_string(row.action));
        CHECK(to_string(v.achieved) == to_string(row.achieved));
        CHECK(v.by == row.by);
        CHECK(results_text(v.results) == row.results);
        CHECK_FALSE(v.explanation.empty());
        if (v.action == V::skip_host && row.stage != S::not_reached) CHECK_FALSE(v.remedy.empty());
    }
}

HopScene with_match(HopScene scene) {
    scene.set_match("mx.example.org");
    return scene;
}

constexpr F unjudged = F::internal;
const std::string nop = "no-policy-found example.org ";
const std::string tlsa = "tlsa mx.example.org ";
const std::string sts = "sts example.org ";

}  // namespace

TEST_SUITE("security/verdict") {
    TEST_CASE("without a policy any TLS will do and none too [TLS-07 TLS-08 TLS-16 RPT-50 RPT-77]") {
        const HopScene open(L::automatic, insecure);
        check({
            {"TLS-16: unverified TLS", open, S::established, unjudged, unjudged, V::deliver, A::untrusted, "",
             nop + "success"},
            {"TLS-07 RPT-64: no STARTTLS", open, S::not_offered, unjudged, unjudged, V::deliver, A::clear, "",
             nop + "starttls-not-supported"},
            {"TLS-07 RPT-64: STARTTLS refused", open, S::refused, unjudged, unjudged, V::deliver, A::clear,
             "", nop + "starttls-not-supported"},
            {"TLS-08 RPT-69: handshake failed", open, S::handshake_failed, unjudged, unjudged,
             V::retry_in_clear, A::clear, "", nop + "validation-failure"},
            {"TLS-04: octets behind the reply", open, S::injected, unjudged, unjudged, V::skip_host, A::clear,
             "", nop + "validation-failure"},
            {"RPT-55: not reached", open, S::not_reached, unjudged, unjudged, V::skip_host, A::clear, "", ""},
            {"encrypt", HopScene(L::encrypt, insecure), S::established, unjudged, unjudged, V::deliver,
             A::untrusted, "", nop + "success"},
        });
    }

    TEST_CASE(
        "where TLS is required nothing goes out in clear [DANE-33 DANE-73 DANE-74 STS-64 STS-65 TLS-07]") {
        const HopScene scenes[] = {HopScene(L::automatic, secure, D::usable),
                                   HopScene(L::automatic, secure, D::unusable),
                                   HopScene(L::automatic, insecure, D::usable),
                                   HopScene(L::automatic, insecure, D::unusable, Sts::testing),
                                   HopScene(L::automatic, insecure, D::not_applicable, Sts::enforce),
                                   HopScene(L::encrypt, insecure),
                                   HopScene(L::encrypt, insecure, D::not_applicable, Sts::testing),
                                   with_match(HopScene(L::authenticated, insecure)),
                                   HopScene(L::dane_only, secure, D::usable)};
        for (const HopScene& scene : scenes) {
            for (const S stage :
                 {S::not_reached, S::not_offered, S::refused, S::injected, S::handshake_failed}) {
                CAPTURE(to_string(stage));
                CAPTURE(scene.decide().explanation);
                const Verdict v = scene.judge(facts_of(stage));
                CHECK(v.action == V::skip_host);
                CHECK(v.achieved == A::clear);
                CHECK(v.by.empty());
                CHECK(v.results.size() == (stage == S::not_reached ? 0 : scene.decide().policies.size()));
                for (const TlsResult& r : v.results) CHECK_FALSE(r.session_success);
            }
        }
    }

    TEST_CASE("DANE delivers on a match alone [DANE-32 DANE-75 COMB-01 COMB-06 RPT-65..70]") {
        const HopScene dane(L::automatic, secure, D::usable);
        const HopScene both(L::automatic, secure, D::usable, Sts::enforce);
        const HopScene unlisted(L::automatic, secure, D::usable, Sts::enforce_unlisted);
        const HopScene unusable(L::automatic, secure, D::unusable);
        check({
            {"DANE-32", dane, S::established, F::none, unjudged, V::deliver, A::verified, "dane",
             tlsa + "success"},
            {"DANE-75 RPT-69: no match", dane, S::established, F::no_match, unjudged, V::skip_host, A::clear,
             "", tlsa + "validation-failure"},
            {"RPT-65: name", dane, S::established, F::host_mismatch, unjudged, V::skip_host, A::clear, "",
             tlsa + "certificate-host-mismatch"},
            {"RPT-67: dates", dane, S::established, F::expired, unjudged, V::skip_host, A::clear, "",
             tlsa + "certificate-expired"},
            {"RPT-68: chain", dane, S::established, F::not_trusted, unjudged, V::skip_host, A::clear, "",
             tlsa + "certificate-not-trusted"},
            {"not judged is not good", dane, S::established, unjudged, F::none, V::skip_host, A::clear, "",
             tlsa + "validation-failure"},
            {"COMB-01: MTA-STS does not rescue", both, S::established, F::no_match, F::none, V::skip_host,
             A::clear, "", tlsa + "validation-failure, " + sts + "success"},
            {"COMB-06 RPT-54: MTA-STS fails and is recorded", both, S::established, F::none, F::not_trusted,
             V::deliver, A::verified, "dane", tlsa + "success, " + sts + "certificate-not-trusted"},
            {"COMB-06: nor need it be judged", both, S::established, F::none, unjudged, V::deliver,
             A::verified, "dane", tlsa + "success, " + sts + "validation-failure"},
            {"COMB-06 RPT-66: MTA-STS does not list", unlisted, S::established, F::none, F::none, V::deliver,
             A::verified, "dane", tlsa + "success, " + sts + "validation-failure"},
            {"DANE-33 RPT-70: unusable", unusable, S::established, unjudged, unjudged, V::deliver,
             A::untrusted, "", tlsa + "tlsa-invalid"},
            {"DANE-33 RPT-64: unusable and no STARTTLS", unusable, S::not_offered, unjudged, unjudged,
             V::skip_host, A::clear, "", tlsa + "starttls-not-supported"},
            {"DANE-82", HopScene(L::dane_only, secure, D::usable), S::established, F::none, unjudged,
             V::deliver, A::verified, "dane", tlsa + "success"},
        });
    }

    TEST_CASE("DANE of a host from an insecure MX set is never called verified [DANE-09 COMB-05 NAME-09]") {
        const HopScene alone(L::automatic, insecure, D::usable);
        const HopScene with_sts(L::automatic, insecure, D::usable, Sts::enforce);
        const HopScene by_rule = with_match(HopScene(L::authenticated, insecure, D::usable));
        check({
            {"DANE-09", alone, S::established, F::none, unjudged, V::deliver, A::trusted, "dane",
             tlsa + "success"},
            {"DANE-07: and is required", alone, S::established, F::no_match, unjudged, V::skip_host, A::clear,
             "", tlsa + "validation-failure"},
            {"COMB-05: both", with_sts, S::established, F::none, F::none, V::deliver, A::verified, "sts",
             tlsa + "success, " + sts + "success"},
            {"COMB-05: MTA-STS fails", with_sts, S::established, F::none, F::host_mismatch, V::skip_host,
             A::clear, "", tlsa + "success, " + sts + "certificate-host-mismatch"},
            {"COMB-05: DANE fails", with_sts, S::established, F::no_match, F::none, V::skip_host, A::clear,
             "", tlsa + "validation-failure, " + sts + "success"},
            {"authenticated: the name comes from match and not from MTA-STS", by_rule, S::established,
             F::none, F::none, V::deliver, A::verified, "webpki", tlsa + "success"},
            {"authenticated: and is required", by_rule, S::established, F::none, F::not_trusted, V::skip_host,
             A::clear, "", tlsa + "success"},
        });
    }

    TEST_CASE("MTA-STS delivers on a good certificate alone [STS-61 STS-64 COMB-04]") {
        const HopScene enforce(L::automatic, insecure, D::not_applicable, Sts::enforce);
        const HopScene unusable(L::automatic, secure, D::unusable, Sts::enforce);
        check({
            {"STS-61", enforce, S::established, unjudged, F::none, V::deliver, A::verified, "sts",
             sts + "success"},
            {"STS-62 RPT-65", enforce, S::established, unjudged, F::host_mismatch, V::skip_host, A::clear, "",
             sts + "certificate-host-mismatch"},
            {"RPT-67", enforce, S::established, unjudged, F::expired, V::skip_host, A::clear, "",
             sts + "certificate-expired"},
            {"RPT-68 RPT-75: never sts-webpki-invalid", enforce, S::established, unjudged, F::not_trusted,
             V::skip_host, A::clear, "", sts + "certificate-not-trusted"},
            {"not judged is not good", enforce, S::established, F::none, unjudged, V::skip_host, A::clear, "",
             sts + "validation-failure"},
            {"STS-65 RPT-64", enforce, S::not_offered, unjudged, unjudged, V::skip_host, A::clear, "",
             sts + "starttls-not-supported"},
            {"COMB-04: unusable TLSA beside", unusable, S::established, unjudged, F::none, V::deliver,
             A::verified, "sts", tlsa + "tlsa-invalid, " + sts + "success"},
            {"COMB-04: unusable TLSA beside and a bad certificate", unusable, S::established, unjudged,
             F::expired, V::skip_host, A::clear, "", tlsa + "tlsa-invalid, " + sts + "certificate-expired"},
            {"STS-29: a cached policy counts as much",
             HopScene(L::automatic, insecure, D::not_applicable, Sts::fetch_failed_cached), S::established,
             unjudged, F::not_trusted, V::skip_host, A::clear, "", sts + "certificate-not-trusted"},
        });
    }

    TEST_CASE("a policy in testing withholds nothing and hides nothing [STS-69 RPT-51 RPT-66]") {
        const HopScene testing(L::automatic, insecure, D::not_applicable, Sts::testing);
        const HopScene unlisted(L::automatic, insecure, D::not_applicable, Sts::testing_unlisted);
        check({
            {"STS-69: good", testing, S::established, unjudged, F::none, V::deliver, A::trusted, "sts",
             sts + "success"},
            {"STS-69: bad certificate", testing, S::established, unjudged, F::expired, V::deliver,
             A::untrusted, "", sts + "certificate-expired"},
            {"STS-69: cleartext", testing, S::not_offered, unjudged, unjudged, V::deliver, A::clear, "",
             sts + "starttls-not-supported"},
            {"STS-69: handshake failed", testing, S::handshake_failed, unjudged, unjudged, V::retry_in_clear,
             A::clear, "", sts + "validation-failure"},
            {"STS-69: not listed", unlisted, S::established, unjudged, F::none, V::deliver, A::untrusted, "",
             sts + "validation-failure"},
            {"STS-70 RPT-76: mode none", HopScene(L::automatic, insecure, D::not_applicable, Sts::mode_none),
             S::not_offered, unjudged, unjudged, V::deliver, A::clear, "", nop + "starttls-not-supported"},
        });
        TlsFacts facts = facts_for(S::established, unjudged, F::none);
        CHECK(unlisted.judge(facts).results.at(0).failures.at(0).reason_code == "mtasts-policy-mx-mismatch");
    }

    TEST_CASE("authenticated by the rule needs a good certificate") {
        const HopScene match = with_match(HopScene(L::authenticated, insecure));
        const HopScene testing(L::authenticated, insecure, D::not_applicable, Sts::testing);
        check({
            {"match", match, S::established, unjudged, F::none, V::deliver, A::verified, "webpki",
             nop + "success"},
            {"match and a bad certificate", match, S::established, unjudged, F::expired, V::skip_host,
             A::clear, "", nop + "success"},
            {"a policy in testing is enforced by the rule", testing, S::established, unjudged,
             F::host_mismatch, V::skip_host, A::clear, "", sts + "certificate-host-mismatch"},
            {"a policy in testing is met", testing, S::established, unjudged, F::none, V::deliver,
             A::verified, "webpki", sts + "success"},
        });
    }

    TEST_CASE("a failure names the session and a reason [RPT-40 RPT-41 RPT-42 RPT-43 RPT-46 RPT-64 RPT-69]") {
        const HopScene dane(L::automatic, secure, D::usable);
        TlsFailure failure =
            dane.judge(facts_for(S::established, F::no_match, unjudged)).results.at(0).failures.at(0);
        CHECK(failure.sending_mta_ip == "198.51.100.7");
        CHECK(failure.receiving_mx_hostname == "mx.example.org");
        CHECK(failure.receiving_mx_helo == "mx.provider.example");
        CHECK(failure.receiving_ip == "192.0.2.1");
        CHECK(failure.reason_code == "dane-no-match");
        failure = dane.judge(facts_of(S::refused)).results.at(0).failures.at(0);
        CHECK(failure.reason_code.starts_with("454"));
        failure =
            dane.judge(facts_for(S::established, F::not_trusted, unjudged)).results.at(0).failures.at(0);
        CHECK(failure.reason_code == "words of OpenSSL");
        failure = dane.judge(facts_of(S::handshake_failed)).results.at(0).failures.at(0);
        CHECK_FALSE(failure.reason_code.empty());
        const HopScene unusable(L::automatic, secure, D::unusable);
        failure = unusable.judge(facts_of(S::established)).results.at(0).failures.at(0);
        CHECK(failure.reason_code == "all-TLSA-records-unusable");
        for (const TlsResult& r : dane.judge(facts_of(S::refused)).results) {
            CHECK(r.policy_domain_of_recipient == "example.org");
            CHECK(r.counts_session);  // RPT-52: one session of each policy
        }
    }

    TEST_CASE("the words of the log are Postfix's") {
        CHECK(to_string(A::verified) == "Verified");
        CHECK(to_string(A::trusted) == "Trusted");
        CHECK(to_string(A::untrusted) == "Untrusted");
    }

}  // TEST_SUITE("security/verdict")
