#include "security/rule_check.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include "support/pki.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

SpkiPin pin_of(const Certificate& certificate) {
    const std::vector<std::uint8_t> spki = certificate.spki();
    SpkiPin pin;
    REQUIRE(EVP_Digest(spki.data(), spki.size(), pin.digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
    return pin;
}

ChainOutcome check(const std::vector<Certificate>& chain, const RuleCheck& rule,
                   const std::vector<Certificate>& public_cas = {pki().other_root}) {
    return verify_rule(chain_of(chain), rule, store_of(public_cas), verification_time);
}

std::shared_ptr<const TrustStore> own_ca(const Certificate& ca) {
    return std::make_shared<const TrustStore>(TrustStore::from_pem(ca.pem()).value());
}

RuleCheck names(std::vector<NamePattern> accepted, std::shared_ptr<const TrustStore> trusted = nullptr) {
    return {.pins = {}, .names = std::move(accepted), .trusted = std::move(trusted)};
}

}  // namespace

TEST_SUITE("security/rule_check") {
    TEST_CASE("a pinned key is enough whatever else the certificate is") {
        const Certificate expired = issue({.common_name = "x", .begins = -60, .ends = -1});
        const ChainOutcome good =
            check({expired}, {.pins = {pin_of(expired)}, .names = {}, .trusted = nullptr});
        CHECK(good.ok);
        CHECK(good.matched == "pin " + pin_of(expired).str());
        // The key of an issuer is not the server's.
        const ChainOutcome bad = check({pki().leaf, pki().inter},
                                       {.pins = {pin_of(pki().inter)}, .names = {}, .trusted = nullptr});
        CHECK_FALSE(bad.ok);
        CHECK(bad.fault == ChainFault::not_trusted);
        CHECK(bad.detail.find(pin_of(pki().leaf).str()) != std::string::npos);
    }

    TEST_CASE("one of several pins is enough") {
        const RuleCheck rule{
            .pins = {pin_of(pki().root), pin_of(pki().leaf)}, .names = {}, .trusted = nullptr};
        CHECK(check({pki().leaf}, rule).ok);
        CHECK_FALSE(check({pki().self_signed}, rule).ok);
    }

    TEST_CASE("a certificate for a name of the rule needs a chain to the CAs that count [NAME-12]") {
        const std::vector<Certificate> chain{pki().leaf, pki().inter};
        const NamePattern host{domain("mx.example.org"), false};
        CHECK(check(chain, names({host}), {pki().root}).ok);
        CHECK(check(chain, names({host})).fault == ChainFault::not_trusted);
        CHECK(check(chain, names({host}, own_ca(pki().root))).ok);
        // The rule's own CAs are instead of the public ones, not beside them.
        CHECK(check(chain, names({host}, own_ca(pki().other_root)), {pki().root}).fault ==
              ChainFault::not_trusted);
    }

    TEST_CASE("a name of the rule stands for itself or for all names below it [NAME-01 NAME-04]") {
        struct Row {
            const char* in_certificate;
            NamePattern accepted;
            bool ok;
        };
        const Row rows[] = {
            {"mx.example.org", {domain("mx.example.org"), false}, true},
            {"mx.example.org", {domain("example.org"), false}, false},
            {"mx.example.org", {domain("example.org"), true}, true},
            {"a.mx.example.org", {domain("example.org"), true}, true},
            {"example.org", {domain("example.org"), true}, false},
            {"badexample.org", {domain("example.org"), true}, false},
            {"*.example.org", {domain("mx.example.org"), false}, true},
            {"*.org", {domain("example.org"), false}, false},
        };
        for (const Row& row : rows) {
            CAPTURE(row.in_certificate);
            const Certificate leaf = Pki::leaf_by(pki().root, {.dns = {row.in_certificate}});
            const ChainOutcome out = check({leaf}, names({row.accepted}), {pki().root});
            CHECK(out.ok == row.ok);
            if (!row.ok) CHECK(out.fault == ChainFault::host_mismatch);
        }
    }

    TEST_CASE("the common name never counts for a rule [NAME-03]") {
        const Certificate leaf = issue({.common_name = "mx.example.org"}, &pki().root);
        CHECK_FALSE(check({leaf}, names({{domain("mx.example.org"), false}}), {pki().root}).ok);
    }

    TEST_CASE("a pin or a certificate of the rule's own CA: either will do and neither will not") {
        RuleCheck rule = names({{domain("mx.example.org"), false}}, own_ca(pki().root));
        rule.pins = {pin_of(pki().self_signed)};
        CHECK(check({pki().leaf, pki().inter}, rule).ok);
        CHECK(check({pki().self_signed}, rule).ok);
        CHECK_FALSE(check({pki().self_signed_ca}, rule).ok);
    }

    TEST_CASE("an empty rule and an empty chain are never met") {
        CHECK_FALSE(check({pki().leaf}, {}, {pki().root}).ok);
        CHECK_FALSE(verify_rule({}, {.pins = {pin_of(pki().leaf)}, .names = {}, .trusted = nullptr},
                                store_of({pki().root}), verification_time)
                        .ok);
    }

}  // TEST_SUITE("security/rule_check")
