// What the state of MTA-STS does to a hop, where the tables of hop_test.cpp do not look.
#include <doctest/doctest.h>

#include "support/hop_scene.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

const TlsStage stages[] = {TlsStage::not_offered, TlsStage::refused, TlsStage::handshake_failed,
                           TlsStage::established};

}  // namespace

TEST_SUITE("security/sts_enforcement") {
    TEST_CASE("mode none is as if there were no policy in decision and verdict and report [STS-70]") {
        for (const TlsLevel level : {TlsLevel::automatic, TlsLevel::encrypt, TlsLevel::authenticated})
            for (const DnsStatus mx : {DnsStatus::secure, DnsStatus::insecure})
                for (const DaneState dane :
                     {DaneState::not_applicable, DaneState::usable, DaneState::unusable}) {
                    const HopScene without(level, mx, dane, Sts::none);
                    const HopScene none(level, mx, dane, Sts::mode_none);
                    const HopDecision a = without.decide();
                    const HopDecision b = none.decide();
                    CHECK(a.attempt == b.attempt);
                    CHECK(a.reason == b.reason);
                    CHECK(a.tls_required == b.tls_required);
                    CHECK(a.web_pki == b.web_pki);
                    CHECK(a.sni == b.sni);
                    CHECK(a.policies == b.policies);
                    CHECK(a.results == b.results);
                    if (!a.attempt) continue;
                    for (const TlsStage stage : stages) {
                        TlsFacts facts = facts_of(stage);
                        facts.web_pki = chain_bad(ChainFault::not_trusted);
                        CHECK(without.judge(facts).action == none.judge(facts).action);
                        CHECK(without.judge(facts).achieved == none.judge(facts).achieved);
                        CHECK(without.judge(facts).results == none.judge(facts).results);
                    }
                }
        CHECK(results_of_sts_failure(domain("example.org"), sts_state(Sts::mode_none)).empty());
    }

    TEST_CASE("the SNI under MTA-STS is the MX host name and not the domain or the pattern [STS-71]") {
        for (const Sts kind : {Sts::mode_none, Sts::testing, Sts::enforce, Sts::fetch_failed_cached})
            CHECK(HopScene(TlsLevel::automatic, DnsStatus::insecure, DaneState::not_applicable, kind)
                      .decide()
                      .sni == "mx.example.org");
    }

    TEST_CASE(
        "under an enforced policy every failure goes to the next host and none to cleartext [STS-64 "
        "STS-65]") {
        const HopScene scene(TlsLevel::automatic, DnsStatus::insecure, DaneState::not_applicable,
                             Sts::enforce);
        for (const TlsStage stage : stages) {
            TlsFacts facts = facts_of(stage);
            facts.web_pki = chain_bad(ChainFault::not_trusted);
            CHECK(scene.judge(facts).action == VerdictAction::skip_host);
        }
        TlsFacts good = facts_of(TlsStage::established);
        good.web_pki = chain_ok();
        CHECK(scene.judge(good).action == VerdictAction::deliver);
        const HopScene unlisted(TlsLevel::automatic, DnsStatus::insecure, DaneState::not_applicable,
                                Sts::enforce_unlisted);
        CHECK_FALSE(unlisted.decide().attempt);
    }

    TEST_CASE(
        "a failed TXT lookup with nothing cached lets mail go unless the rule demands more [STS-16 AMB-12]") {
        for (const TlsLevel level : {TlsLevel::automatic, TlsLevel::authenticated}) {
            HopScene scene(level, DnsStatus::insecure, DaneState::not_applicable, Sts::none);
            scene.sts.txt = StsTxt::failed;
            scene.sts.why = "the TXT lookup of _mta-sts.example.org failed (error: SERVFAIL)";
            const HopDecision decision = scene.decide();
            CHECK(decision.attempt == (level == TlsLevel::automatic));
            if (decision.attempt) CHECK_FALSE(decision.tls_required);
            if (!decision.attempt) CHECK(decision.explanation.find("SERVFAIL") != std::string::npos);
        }
    }

    TEST_CASE(
        "where nobody can say whether a policy is in force the hop waits and the domain is not blamed "
        "[STS-78]") {
        const HopScene scene(TlsLevel::automatic, DnsStatus::insecure, DaneState::not_applicable,
                             Sts::cache_failed);
        const HopDecision decision = scene.decide();
        CHECK_FALSE(decision.attempt);
        CHECK(decision.side == Side::ours);
        CHECK(results_of_sts_failure(domain("example.org"), scene.sts).empty());
    }

}  // TEST_SUITE("security/sts_enforcement")
