// What a rule adds to the hop decision, and what only observing or weakening makes of it.
#include <doctest/doctest.h>

#include "support/hop_scene.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;
using namespace std::chrono_literals;

namespace {

constexpr DnsStatus secure = DnsStatus::secure;
constexpr DnsStatus insecure = DnsStatus::insecure;
using D = DaneState;
using R = HopReason;

SpkiPin a_pin() {
    return SpkiPin::parse(std::string(64, 'a')).value();
}

HopScene weak_scene(TlsLevel level, D dane = D::not_applicable, Sts sts = Sts::none) {
    HopScene scene(level, secure, dane, sts);
    scene.rule.reason = "ticket 4711";
    scene.rule.until = std::chrono::sys_days(2027y / 1 / 31);
    return scene;
}

TlsFacts established(std::string protocol = "TLSv1.3") {
    TlsFacts facts = facts_of(TlsStage::established);
    facts.protocol = std::move(protocol);
    return facts;
}

}  // namespace

TEST_SUITE("security/hop_rules") {
    TEST_CASE("secure demands a certificate for its names beside what is published [COMB-08 TLS-10]") {
        HopScene scene(TlsLevel::secure, insecure);
        scene.rule.match = {{domain("mx.partner.example"), false}};
        const HopDecision d = scene.decide();
        CHECK(d.attempt);
        CHECK(d.reason == R::rule_secure);
        CHECK(d.tls_required);
        REQUIRE(d.rule_check);
        CHECK(d.rule_check->names == scene.rule.match);
        CHECK(d.rule_check->pins.empty());
        // The published policy is demanded as well: a rule lowers nothing.
        HopScene both(TlsLevel::secure, secure, D::usable, Sts::enforce);
        const HopDecision strong = both.decide();
        CHECK(strong.reason == R::dane);
        CHECK(strong.dane_check == Check::require);
        CHECK(strong.rule_check);
        HopScene unlisted(TlsLevel::secure, insecure, D::not_applicable, Sts::enforce_unlisted);
        CHECK(unlisted.decide().reason == R::sts_mx_mismatch);
    }

    TEST_CASE("secure without match accepts the domain's own name and those below [TLS-10]") {
        const HopDecision d = HopScene(TlsLevel::secure, insecure).decide();
        REQUIRE(d.rule_check);
        REQUIRE(d.rule_check->names.size() == 2);
        CHECK(d.rule_check->names[0].str() == "example.org");
        CHECK(d.rule_check->names[1].str() == ".example.org");
    }

    TEST_CASE("fingerprint demands a pinned key or a certificate of the rule's own CA [TLS-10 NAME-12]") {
        HopScene scene(TlsLevel::fingerprint, insecure);
        scene.rule.pins = {a_pin()};
        const HopDecision pinned = scene.decide();
        CHECK(pinned.reason == R::rule_fingerprint);
        REQUIRE(pinned.rule_check);
        CHECK(pinned.rule_check->pins == scene.rule.pins);
        CHECK(pinned.rule_check->names.empty());
        TlsFacts facts = established();
        CHECK(judge(pinned, facts, scene.host, scene.mx.domain).action == VerdictAction::skip_host);
        facts.rule = chain_bad(ChainFault::not_trusted);
        CHECK(judge(pinned, facts, scene.host, scene.mx.domain).action == VerdictAction::skip_host);
        facts.rule = chain_ok();
        facts.rule->matched = "pin " + a_pin().str();
        const Verdict v = judge(pinned, facts, scene.host, scene.mx.domain);
        CHECK(v.action == VerdictAction::deliver);
        CHECK(v.achieved == Achieved::verified);
        CHECK(v.by == "pin");
    }

    TEST_CASE(
        "a rule's minimum TLS is judged by the version that was reached and forbids cleartext [COMB-08]") {
        HopScene scene;
        scene.rule.pattern = "example.org";
        scene.rule.min_tls = TlsVersion::tls1_3;
        const HopDecision d = scene.decide();
        CHECK(d.tls_required);
        CHECK(d.reason == R::rule_encrypt);
        struct Row {
            const char* protocol;
            VerdictAction action;
        };
        for (const Row& row :
             {Row{"TLSv1.3", VerdictAction::deliver}, Row{"TLSv1.2", VerdictAction::skip_host},
              Row{"TLSv1", VerdictAction::skip_host}, Row{"", VerdictAction::skip_host}}) {
            CAPTURE(row.protocol);
            CHECK(judge(d, established(row.protocol), scene.host, scene.mx.domain).action == row.action);
        }
        CHECK(judge(d, facts_of(TlsStage::handshake_failed), scene.host, scene.mx.domain).action ==
              VerdictAction::skip_host);
        CHECK(judge(d, facts_of(TlsStage::not_offered), scene.host, scene.mx.domain).action ==
              VerdictAction::skip_host);
    }

    TEST_CASE("with both DANE and an enforced MTA-STS policy must pass [COMB-06 AMB-01]") {
        HopScene scene(TlsLevel::automatic, secure, D::usable, Sts::enforce);
        CHECK(scene.decide().web_pki == Check::observe);
        scene.rule.both = true;
        const HopDecision d = scene.decide();
        CHECK(d.reason == R::dane);
        CHECK(d.dane_check == Check::require);
        CHECK(d.web_pki == Check::require);
        TlsFacts facts = established();
        facts.dane = chain_ok();
        facts.web_pki = chain_bad(ChainFault::not_trusted);
        CHECK(judge(d, facts, scene.host, scene.mx.domain).action == VerdictAction::skip_host);
        facts.web_pki = chain_ok();
        CHECK(judge(d, facts, scene.host, scene.mx.domain).action == VerdictAction::deliver);
        scene.sts = sts_state(Sts::enforce_unlisted);
        CHECK(scene.decide().reason == R::sts_mx_mismatch);
        scene.sts = sts_state(Sts::cache_failed);
        CHECK(scene.decide().reason == R::policy_unknown);
    }

    TEST_CASE("a rule that observes holds nothing and tells what it would have held [DANE-80]") {
        HopScene scene(TlsLevel::dane_only, insecure);
        scene.rule.observe = true;
        const HopDecision d = scene.decide();
        CHECK(d.attempt);
        CHECK(d.reason == R::opportunistic);
        CHECK_FALSE(d.tls_required);
        REQUIRE(d.observed);
        CHECK_FALSE(d.observed->attempt);
        CHECK(d.observed->reason == R::dane_required);
        const Verdict v = judge(d, facts_of(TlsStage::not_offered), scene.host, scene.mx.domain);
        CHECK(v.action == VerdictAction::deliver);
        CHECK(v.would_hold == d.observed->explanation);
        // Where the rule would have been content there is nothing to tell.
        HopScene content(TlsLevel::encrypt, insecure);
        content.rule.observe = true;
        CHECK(content.judge(established()).would_hold.empty());
        CHECK_FALSE(content.judge(facts_of(TlsStage::not_offered)).would_hold.empty());
    }

    TEST_CASE("a rule that observes weakens nothing that is published [COMB-08 DANE-32 STS-64]") {
        for (const TlsLevel level :
             {TlsLevel::encrypt, TlsLevel::authenticated, TlsLevel::dane_only, TlsLevel::secure}) {
            HopScene scene(level, secure, D::usable, Sts::enforce);
            scene.rule.observe = true;
            CHECK(scene.decide().dane_check == Check::require);
            scene.set_dane(D::lookup_failed);
            CHECK(scene.decide().reason == R::tlsa_lookup_failed);
            scene.set_dane(D::not_applicable);
            CHECK(scene.decide().web_pki == Check::require);
            scene.sts = sts_state(Sts::enforce_unlisted);
            CHECK(scene.decide().reason == R::sts_mx_mismatch);
        }
    }

    TEST_CASE("a weakening rule holds nothing back and measures all the same [COMB-08 DANE-81]") {
        HopScene scene = weak_scene(TlsLevel::may, D::usable, Sts::enforce_unlisted);
        const HopDecision d = scene.decide();
        CHECK(d.attempt);
        CHECK(d.reason == R::rule_may);
        CHECK_FALSE(d.tls_required);
        CHECK(d.side == Side::ours);
        CHECK(d.explanation.find("ticket 4711") != std::string::npos);
        CHECK(d.explanation.find("2027-01-31") != std::string::npos);
        CHECK(d.not_stronger.size() == 2);
        CHECK(d.dane_check == Check::observe);
        TlsFacts facts = established();
        facts.dane = chain_bad(ChainFault::no_match);
        facts.web_pki = chain_ok();
        const Verdict v = judge(d, facts, scene.host, scene.mx.domain);
        CHECK(v.action == VerdictAction::deliver);
        CHECK(v.achieved == Achieved::untrusted);
        CHECK(results_text(v.results) ==
              "tlsa mx.example.org validation-failure, sts example.org validation-failure");
        facts.dane = chain_ok();
        CHECK(judge(d, facts, scene.host, scene.mx.domain).achieved == Achieved::trusted);
        CHECK(weak_scene(TlsLevel::may, D::lookup_failed).decide().attempt);
        CHECK(weak_scene(TlsLevel::may, D::not_applicable, Sts::cache_failed).decide().attempt);
    }

    TEST_CASE("none asks for no TLS and reports none [COMB-08]") {
        const HopScene scene = weak_scene(TlsLevel::none, D::usable);
        const HopDecision d = scene.decide();
        CHECK(d.tls_off);
        CHECK(d.reason == R::rule_none);
        const Verdict v = judge(d, facts_of(TlsStage::not_asked), scene.host, scene.mx.domain);
        CHECK(v.action == VerdictAction::deliver);
        CHECK(v.achieved == Achieved::clear);
        CHECK(v.results.empty());
        CHECK(v.side == Side::ours);
    }

    TEST_CASE("no rule makes an address out of none [DANE-16 DANE-17]") {
        for (const TlsLevel level : {TlsLevel::may, TlsLevel::none, TlsLevel::automatic}) {
            HopScene scene = weak_scene(level);
            scene.state.address = AddressState::failed;
            CHECK(scene.decide().reason == R::address_lookup_failed);
            scene.state.address = AddressState::none;
            CHECK(scene.decide().reason == R::no_address);
        }
    }

}  // TEST_SUITE("security/hop_rules")
