// What a message itself asks of a hop: REQUIRETLS and "TLS-Required: No" (RFC 8689).
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

HopScene tagged(MessageTls message, DnsStatus mx, D dane = D::not_applicable, Sts sts = Sts::none,
                TlsLevel level = TlsLevel::automatic) {
    HopScene scene(level, mx, dane, sts);
    scene.message = message;
    return scene;
}

TlsFacts good(bool requiretls) {
    TlsFacts facts = facts_of(TlsStage::established);
    facts.protocol = "TLSv1.3";
    facts.dane = chain_ok();
    facts.web_pki = chain_ok();
    facts.requiretls = requiretls;
    return facts;
}

}  // namespace

TEST_SUITE("security/hop_message") {
    TEST_CASE(
        "REQUIRETLS needs a host that is vouched for and a certificate [REQTLS-08 REQTLS-09 REQTLS-10]") {
        struct Row {
            const char* rows;
            DnsStatus mx;
            D dane;
            Sts sts;
            R reason;
            Check dane_check;
            Check web_pki;
        };
        const Row rows[] = {
            {"secure MX and DANE", secure, D::usable, Sts::none, R::dane, Check::require, Check::no},
            {"secure MX and WebPKI", secure, D::not_applicable, Sts::none, R::requiretls, Check::no,
             Check::require},
            {"unusable records leave WebPKI", secure, D::unusable, Sts::none, R::requiretls, Check::no,
             Check::require},
            {"enforced MTA-STS", insecure, D::not_applicable, Sts::enforce, R::sts_enforce, Check::no,
             Check::require},
            {"cached MTA-STS", insecure, D::not_applicable, Sts::fetch_failed_cached, R::sts_enforce,
             Check::no, Check::require},
            {"both", insecure, D::usable, Sts::enforce, R::dane, Check::require, Check::require},
            {"nothing", insecure, D::not_applicable, Sts::none, R::requiretls_not_vouched, Check::no,
             Check::no},
            {"testing vouches for nothing", insecure, D::not_applicable, Sts::testing,
             R::requiretls_not_vouched, Check::no, Check::no},
            {"DANE of the host alone does not vouch for it", insecure, D::usable, Sts::none,
             R::requiretls_not_vouched, Check::no, Check::no},
            {"unlisted", secure, D::not_applicable, Sts::enforce_unlisted, R::sts_mx_mismatch, Check::no,
             Check::no},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rows);
            const HopDecision d = tagged(MessageTls::required, row.mx, row.dane, row.sts).decide();
            CHECK(d.reason == row.reason);
            CHECK(d.dane_check == row.dane_check);
            CHECK(d.web_pki == row.web_pki);
            CHECK(d.requiretls == d.attempt);
            CHECK(d.tls_required);
            CHECK(d.lack == (d.attempt ? Lack::none : Lack::tls));
        }
    }

    TEST_CASE("only the EHLO after TLS can promise REQUIRETLS [REQTLS-11]") {
        const HopScene scene = tagged(MessageTls::required, secure, D::usable);
        CHECK(scene.judge(good(true)).action == VerdictAction::deliver);
        const Verdict v = scene.judge(good(false));
        CHECK(v.action == VerdictAction::skip_host);
        CHECK(v.lack == Lack::requiretls);
        CHECK(v.results[0].session_success);  // TLS itself was as good as the policy asks
        // Without the tag nobody asks for it.
        CHECK(tagged(MessageTls::by_policy, secure, D::usable).judge(good(false)).action ==
              VerdictAction::deliver);
    }

    TEST_CASE("what the host lacks for good is told from what may pass [REQTLS-14 REQTLS-15 REQTLS-16]") {
        const HopScene scene = tagged(MessageTls::required, secure);
        struct Row {
            TlsStage stage;
            const char* detail;
            Lack lack;
        };
        for (const Row& row :
             {Row{TlsStage::not_offered, "", Lack::tls}, Row{TlsStage::refused, "502 5.5.1 no", Lack::tls},
              Row{TlsStage::refused, "454 4.7.0 later", Lack::none},
              Row{TlsStage::handshake_failed, "reset", Lack::none},
              Row{TlsStage::not_reached, "timeout", Lack::none}, Row{TlsStage::injected, "", Lack::none}}) {
            TlsFacts facts = facts_of(row.stage);
            facts.detail = row.detail;
            const Verdict v = scene.judge(facts);
            CHECK(v.action == VerdictAction::skip_host);
            CHECK(v.lack == row.lack);
        }
        TlsFacts facts = good(true);
        facts.web_pki = chain_bad(ChainFault::not_trusted);
        CHECK(scene.judge(facts).lack == Lack::tls);
        HopScene failing = tagged(MessageTls::required, secure, D::lookup_failed);
        CHECK(failing.decide().lack == Lack::none);
        failing.state.address = AddressState::failed;
        CHECK(failing.decide().lack == Lack::none);
    }

    TEST_CASE("REQUIRETLS is stronger than a rule that weakens [COMB-08 REQTLS-09]") {
        HopScene scene = tagged(MessageTls::required, secure, D::usable, Sts::none, TlsLevel::none);
        scene.rule.reason = "x";
        scene.rule.until = std::chrono::sys_days(2027y / 1 / 1);
        const HopDecision d = scene.decide();
        CHECK(d.reason == R::dane);
        CHECK_FALSE(d.tls_off);
        CHECK(d.requiretls);
    }

    TEST_CASE("TLS-Required: No lets no published policy stop the message [REQTLS-19]") {
        for (const D dane : {D::not_applicable, D::lookup_failed, D::unusable, D::usable})
            for (const Sts sts : {Sts::none, Sts::enforce, Sts::enforce_unlisted, Sts::cache_failed}) {
                const HopScene scene = tagged(MessageTls::optional, secure, dane, sts);
                const HopDecision d = scene.decide();
                CHECK(d.attempt);
                CHECK_FALSE(d.tls_required);
                CHECK_FALSE(d.tls_off);  // STARTTLS is still tried
                CHECK(d.reason == R::tls_not_required);
                CHECK(scene.judge(facts_of(TlsStage::not_offered)).action == VerdictAction::deliver);
                CHECK(scene.judge(facts_of(TlsStage::handshake_failed)).action ==
                      VerdictAction::retry_in_clear);
                TlsFacts bad = facts_of(TlsStage::established);
                bad.dane = chain_bad(ChainFault::no_match);
                bad.web_pki = chain_bad(ChainFault::expired);
                CHECK(scene.judge(bad).action == VerdictAction::deliver);
                CHECK(scene.judge(facts_of(TlsStage::injected)).action == VerdictAction::skip_host);
            }
    }

    TEST_CASE(
        "TLS-Required: No does not lower the operator's own rules unless he lets it [REQTLS-23 AMB-32]") {
        HopScene encrypt = tagged(MessageTls::optional, secure, D::usable, Sts::none, TlsLevel::encrypt);
        CHECK(encrypt.decide().tls_required);
        CHECK(encrypt.decide().dane_check == Check::observe);  // the recipient's policy does not stop it
        CHECK(encrypt.decide().reason == R::rule_encrypt);
        encrypt.message_overrides_rules = true;
        CHECK_FALSE(encrypt.decide().tls_required);

        HopScene dane_only =
            tagged(MessageTls::optional, secure, D::not_applicable, Sts::none, TlsLevel::dane_only);
        CHECK(dane_only.decide().reason == R::dane_required);
        dane_only.message_overrides_rules = true;
        CHECK(dane_only.decide().attempt);

        HopScene authenticated =
            tagged(MessageTls::optional, secure, D::usable, Sts::none, TlsLevel::authenticated);
        CHECK(authenticated.decide().dane_check == Check::require);

        HopScene pinned = tagged(MessageTls::optional, secure, D::usable, Sts::none, TlsLevel::fingerprint);
        pinned.rule.pins = {SpkiPin::parse(std::string(64, 'a')).value()};
        CHECK(pinned.decide().rule_check);
        CHECK(pinned.decide().tls_required);
        CHECK(pinned.decide().dane_check == Check::observe);
    }

}  // TEST_SUITE("security/hop_message")
