// The oracle of the hop matrix is asked rows spelled out, so that it cannot drift together with the code.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/hop_oracle.hpp"

namespace sealpost::security::test::matrix {
namespace {

const RuleCase& rule(std::string_view label) {
    const auto& all = all_rules();
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const RuleCase& r) { return r.label == label; });
    REQUIRE_MESSAGE(found != all.end(), label);
    return *found;
}

Server stage(TlsStage stage, std::string_view reply = {}) {
    return {.stage = stage, .reply = reply};
}

Server shows(std::string_view label, bool tls1_3 = true, bool requiretls = false) {
    for (const Server& s : all_servers())
        if (s.shown != nullptr && s.shown->label == label && s.tls1_3 == tls1_3 && s.requiretls == requiretls)
            return s;
    FAIL(label);
    return {};
}

Fate fate(const World& world, const Server& server) {
    return expect(world, server).fate;
}

const Server plain = stage(TlsStage::not_offered);
const Server broken = stage(TlsStage::handshake_failed);

World world_of(MxKind mx, HostKind host, StsKind sts = StsKind::none, std::string_view rule_label = "auto",
               MessageTls message = MessageTls::by_policy, bool over_rules = false) {
    return {mx, host, sts, &rule(rule_label), message, over_rules};
}

}  // namespace

TEST_SUITE("security/hop_oracle") {
    TEST_CASE("the oracle reads the DANE table as it is written") {
        using H = HostKind;
        for (const H host : {H::ee, H::ta, H::mixed}) {
            const World w = world_of(MxKind::secure, host);
            CHECK(fate(w, plain) == Fate::held);                         // DANE-73
            CHECK(fate(w, broken) == Fate::held);                        // DANE-74
            CHECK(fate(w, shows("WebPKI for the host")) == Fate::held);  // DANE-32
            CHECK(fate(w, shows("all in order")) == Fate::tls);
        }
        CHECK(fate(world_of(MxKind::secure, H::ee), shows("private key of the TLSA record")) ==
              Fate::tls);  // DANE-52
        CHECK(fate(world_of(MxKind::secure, H::ta), shows("private key of the TLSA record")) ==
              Fate::held);  // DANE-63
        CHECK(fate(world_of(MxKind::secure, H::ee), shows("expired, of the TLSA record")) ==
              Fate::tls);  // DANE-53
        CHECK(fate(world_of(MxKind::secure, H::ta), shows("expired, of the TLSA record")) ==
              Fate::held);  // DANE-62
        for (const H host : {H::pkix_only, H::bad_length, H::unknown_type, H::short_rdata}) {
            const World w = world_of(MxKind::secure, host);
            CHECK(fate(w, plain) == Fate::held);  // DANE-33
            CHECK(fate(w, broken) == Fate::held);
            CHECK(fate(w, shows("nothing in order")) == Fate::tls);
            CHECK(fate(world_of(MxKind::secure, host, StsKind::none, "dane-only"), shows("all in order")) ==
                  Fate::held);  // DANE-34
        }
        for (const H host : {H::tlsa_error, H::tlsa_bogus}) {
            CHECK(expect(world_of(MxKind::secure, host), plain).no_connection);  // DANE-31
            CHECK(fate(world_of(MxKind::secure, host, StsKind::enforce), shows("all in order")) ==
                  Fate::held);  // COMB-02
        }
        CHECK(fate(world_of(MxKind::secure, H::dane_denied), plain) == Fate::clear);         // DANE-30
        CHECK(fate(world_of(MxKind::secure, H::dane_denied), broken) == Fate::clear_again);  // TLS-08
        CHECK(fate(world_of(MxKind::secure, H::dane_denied), stage(TlsStage::injected)) ==
              Fate::held);  // TLS-04
        CHECK(fate(world_of(MxKind::insecure, H::ee), shows("WebPKI for the host")) ==
              Fate::held);  // DANE-07
        CHECK(fate(world_of(MxKind::insecure, H::ee, StsKind::none, "dane-only"), shows("all in order")) ==
              Fate::held);  // DANE-05
    }

    TEST_CASE("the oracle accepts the names of RFC 7672 section 3.2.2") {
        using H = HostKind;
        const Server next_hop = shows("WebPKI for the next hop, of the TLSA record");
        const Server expanded = shows("private, for the expanded next hop, of the TLSA record");
        const Server host = shows("private issuer of the TLSA record");
        CHECK(fate(world_of(MxKind::secure, H::ta), next_hop) == Fate::tls);     // DANE-64
        CHECK(fate(world_of(MxKind::insecure, H::ta), next_hop) == Fate::held);  // DANE-08
        CHECK(fate(world_of(MxKind::secure, H::ta), expanded) == Fate::held);
        CHECK(fate(world_of(MxKind::secure_alias, H::ta), expanded) == Fate::tls);          // DANE-64
        CHECK(fate(world_of(MxKind::secure, H::ta_expanded), host) == Fate::held);          // DANE-68
        CHECK(fate(world_of(MxKind::implicit_secure, H::ta_expanded), host) == Fate::tls);  // DANE-65
        CHECK(fate(world_of(MxKind::implicit_secure, H::ta), next_hop) == Fate::held);      // DANE-66
    }

    TEST_CASE("the oracle reads the MTA-STS table and the precedence as they are written") {
        using H = HostKind;
        using S = StsKind;
        const auto none = [](S sts) { return world_of(MxKind::insecure, H::dane_denied, sts); };
        CHECK(fate(none(S::enforce), shows("WebPKI for the host")) == Fate::tls);
        CHECK(fate(none(S::enforce), shows("WebPKI for another")) == Fate::held);  // STS-62
        CHECK(fate(none(S::enforce), plain) == Fate::held);                        // STS-65
        CHECK(expect(none(S::enforce_unlisted), plain).no_connection);             // STS-64
        CHECK(fate(none(S::fetch_failed_cached), plain) == Fate::held);            // STS-29
        for (const S sts : {S::testing, S::testing_unlisted, S::mode_none, S::fetch_failed, S::txt_failed})
            CHECK(fate(none(sts), plain) == Fate::clear);  // STS-16 STS-28 STS-69 STS-70
        const Server private_key = shows("private key of the TLSA record");
        CHECK(fate(world_of(MxKind::secure, H::ee, S::enforce), shows("WebPKI for the host")) ==
              Fate::held);  // COMB-01
        CHECK(fate(world_of(MxKind::secure, H::pkix_only, S::enforce), private_key) ==
              Fate::held);                                                                      // COMB-04
        CHECK(fate(world_of(MxKind::insecure, H::ee, S::enforce), private_key) == Fate::held);  // COMB-05
        CHECK(fate(world_of(MxKind::secure, H::ee, S::enforce), private_key) == Fate::tls);     // COMB-06
        CHECK(fate(world_of(MxKind::secure, H::ee, S::enforce, "auto both"), private_key) == Fate::held);
        CHECK(fate(world_of(MxKind::secure, H::ee, S::none, "auto both"), private_key) == Fate::tls);
    }

    TEST_CASE("the oracle reads what rules and messages ask as it is written") {
        using H = HostKind;
        using M = MessageTls;
        const World observed = world_of(MxKind::secure, H::dane_denied, StsKind::none, "encrypt observe");
        CHECK(fate(observed, plain) == Fate::clear);
        CHECK(expect(observed, plain).rule_would_hold);
        CHECK_FALSE(expect(observed, shows("nothing in order")).rule_would_hold);
        const World newer = world_of(MxKind::secure, H::dane_denied, StsKind::none, "auto min-1.3");
        CHECK(fate(newer, shows("all in order", false)) == Fate::held);
        CHECK(fate(newer, shows("all in order", true)) == Fate::tls);
        CHECK(fate(newer, plain) == Fate::held);
        CHECK(fate(world_of(MxKind::secure, H::tlsa_bogus, StsKind::enforce_unlisted, "may"), plain) ==
              Fate::clear);
        // RFC 8689
        const auto required = [](MxKind mx, H host, StsKind sts, std::string_view label = "auto") {
            return world_of(mx, host, sts, label, M::required);
        };
        const Server good = shows("WebPKI for the host", true, true);
        CHECK(fate(required(MxKind::insecure, H::dane_denied, StsKind::none), good) ==
              Fate::held);  // REQTLS-08
        CHECK(fate(required(MxKind::insecure, H::dane_denied, StsKind::testing), good) ==
              Fate::held);  // REQTLS-10
        CHECK(fate(required(MxKind::insecure, H::dane_denied, StsKind::enforce), good) == Fate::tls);
        CHECK(fate(required(MxKind::secure, H::dane_denied, StsKind::none), good) == Fate::tls);
        CHECK(fate(required(MxKind::secure, H::dane_denied, StsKind::none, "none"), plain) == Fate::held);
        CHECK(fate(required(MxKind::secure, H::dane_denied, StsKind::none), shows("WebPKI for the host")) ==
              Fate::held);  // REQTLS-11
        CHECK(fate(required(MxKind::secure, H::pkix_only, StsKind::none),
                   shows("nothing in order", true, true)) == Fate::held);  // REQTLS-10
        const World want = required(MxKind::secure, H::dane_denied, StsKind::none);
        CHECK(expected_lack(want, shows("WebPKI for the host"), true).requiretls);         // REQTLS-14
        CHECK(expected_lack(want, plain, true).tls);                                       // REQTLS-15
        CHECK_FALSE(expected_lack(want, stage(TlsStage::refused, "454 busy"), true).tls);  // REQTLS-16
        const auto optional = [](H host, std::string_view label, bool over_rules = false) {
            return world_of(MxKind::secure, host, StsKind::enforce_unlisted, label, M::optional, over_rules);
        };
        CHECK(fate(optional(H::tlsa_bogus, "auto"), plain) == Fate::clear);   // REQTLS-19
        CHECK(fate(optional(H::ee, "encrypt"), plain) == Fate::held);         // REQTLS-23
        CHECK(fate(optional(H::ee, "encrypt", true), plain) == Fate::clear);  // REQTLS-23
        CHECK(fate(optional(H::ee, "dane-only"), shows("nothing in order")) == Fate::held);
        CHECK(fate(optional(H::no_address, "auto", true), plain) == Fate::held);
    }

    TEST_CASE("the oracle calls verified only what is authenticated as the domain's host [DANE-09 NAME-09]") {
        const Server private_key = shows("private key of the TLSA record");
        CHECK(may_be_verified(world_of(MxKind::secure, HostKind::ee), private_key));
        CHECK_FALSE(may_be_verified(world_of(MxKind::insecure, HostKind::ee), private_key));
        CHECK(host_authenticated(world_of(MxKind::insecure, HostKind::ee), private_key));
        CHECK_FALSE(
            may_be_verified(world_of(MxKind::insecure, HostKind::dane_denied), shows("all in order")));
        CHECK_FALSE(may_be_verified(world_of(MxKind::secure, HostKind::pkix_only), shows("all in order")));
    }

}  // TEST_SUITE("security/hop_oracle")

}  // namespace sealpost::security::test::matrix
