#include "security/certificate.hpp"

#include <doctest/doctest.h>
#include "support/dane_rows.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

using enum ChainFault;

}  // namespace

TEST_SUITE("security/certificate") {
    TEST_CASE("DANE-EE compares the leaf and nothing else [DANE-51..56 AMB-10]") {
        const Pki& p = pki();
        const Certificate named_otherwise = Pki::leaf_by(p.inter, {.dns = {"other.example"}});
        const Certificate expired = Pki::leaf_by(p.inter, {.begins = -60, .ends = -1});
        const Certificate future = Pki::leaf_by(p.inter, {.begins = 1, .ends = 60});
        const Certificate renewed = Pki::leaf_by(p.inter, {.key = p.leaf.key});
        const Certificate nameless = issue({.common_name = ""});
        const Certificate weak = issue({.common_name = "weak", .key = make_key(KeyKind::rsa_1024)});
        const Certificate sha1 =
            issue({.common_name = "sha1", .key = make_key(KeyKind::rsa_2048), .sha1 = true});
        const Certificate mail = Pki::leaf_by(p.inter, {.extended_key_usage = "emailProtection"});
        const Certificate ed25519 = issue({.common_name = "ed", .key = make_key(KeyKind::ed25519)});
        check({
            {"DANE-55: Cert SHA2-256", {p.leaf, p.inter}, {tlsa_for(p.leaf, 3, 0, 1)}, none},
            {"DANE-55: Cert SHA2-512", {p.leaf, p.inter}, {tlsa_for(p.leaf, 3, 0, 2)}, none},
            {"DANE-55: Cert Full", {p.leaf, p.inter}, {tlsa_for(p.leaf, 3, 0, 0)}, none},
            {"DANE-55: SPKI SHA2-256", {p.leaf, p.inter}, {tlsa_for(p.leaf, 3, 1, 1)}, none},
            {"DANE-55: SPKI SHA2-512", {p.leaf, p.inter}, {tlsa_for(p.leaf, 3, 1, 2)}, none},
            {"DANE-55: SPKI Full", {p.leaf, p.inter}, {tlsa_for(p.leaf, 3, 1, 0)}, none},
            {"DANE-51: the issuer is not the leaf",
             {p.leaf, p.inter},
             {tlsa_for(p.inter, 3, 1, 1)},
             no_match},
            {"DANE-51: another certificate", {p.leaf}, {tlsa_for(renewed, 3, 0, 1)}, no_match},
            {"DANE-51: another key", {p.leaf}, {tlsa_for(p.self_signed, 3, 1, 1)}, no_match},
            {"DANE-52: another name", {named_otherwise}, {tlsa_for(named_otherwise, 3, 1, 1)}, none},
            {"DANE-52: no name at all", {nameless}, {tlsa_for(nameless, 3, 1, 1)}, none},
            {"DANE-53: expired", {expired}, {tlsa_for(expired, 3, 1, 1)}, none},
            {"DANE-53: not yet valid", {future}, {tlsa_for(future, 3, 0, 1)}, none},
            {"DANE-54: self-signed", {p.self_signed}, {tlsa_for(p.self_signed, 3, 1, 1)}, none},
            {"DANE-54: intermediates missing", {p.leaf}, {tlsa_for(p.leaf, 3, 1, 1)}, none},
            {"DANE-54: strangers behind it", {p.leaf, p.other_root}, {tlsa_for(p.leaf, 3, 1, 1)}, none},
            {"DANE-56: renewed with the same key: SPKI", {renewed}, {tlsa_for(p.leaf, 3, 1, 1)}, none},
            {"DANE-56: renewed with the same key: Cert", {renewed}, {tlsa_for(p.leaf, 3, 0, 1)}, no_match},
            {"AMB-10 TLS-14: RSA of 1024 bits", {weak}, {tlsa_for(weak, 3, 1, 1)}, none},
            {"AMB-10 TLS-14: signed with SHA-1", {sha1}, {tlsa_for(sha1, 3, 0, 1)}, none},
            {"AMB-10: extended key usage of mail", {mail}, {tlsa_for(mail, 3, 1, 1)}, none},
            {"AMB-10: Ed25519", {ed25519}, {tlsa_for(ed25519, 3, 1, 1)}, none},
            {"AMB-10: a CA as leaf", {p.self_signed_ca}, {tlsa_for(p.self_signed_ca, 3, 1, 1)}, none},
        });
    }

    TEST_CASE("DANE-TA takes an issuer in the chain as the only anchor [DANE-57..61]") {
        const Pki& p = pki();
        const Certificate by_leaf = Pki::leaf_by(p.no_ca);
        check({
            {"DANE-57: root in the chain", {p.leaf, p.inter, p.root}, {tlsa_for(p.root, 2, 0, 1)}, none},
            {"DANE-57: root key in the chain", {p.leaf, p.inter, p.root}, {tlsa_for(p.root, 2, 1, 1)}, none},
            {"DANE-57: SHA2-512", {p.leaf, p.inter, p.root}, {tlsa_for(p.root, 2, 0, 2)}, none},
            {"DANE-57: intermediate as anchor",
             {p.leaf, p.inter, p.root},
             {tlsa_for(p.inter, 2, 0, 1)},
             none},
            {"DANE-57: intermediate without root", {p.leaf, p.inter}, {tlsa_for(p.inter, 2, 1, 1)}, none},
            {"DANE-57: chain out of order", {p.leaf, p.root, p.inter}, {tlsa_for(p.root, 2, 0, 1)}, none},
            {"DANE-57: a stranger in the chain matches but issued nothing",
             {p.leaf, p.inter, p.other_root},
             {tlsa_for(p.other_root, 2, 0, 1)},
             not_trusted},
            {"DANE-57: issuer of the same name and another key",
             {p.leaf, p.impostor},
             {tlsa_for(p.impostor, 2, 0, 1)},
             not_trusted},
            {"DANE-57: an issuer that is no CA",
             {by_leaf, p.no_ca, p.root},
             {tlsa_for(p.root, 2, 0, 1)},
             not_trusted},
            {"DANE-57: the anchor itself is no CA",
             {by_leaf, p.no_ca},
             {tlsa_for(p.no_ca, 2, 0, 1)},
             not_trusted},
            {"DANE-61: path length of the anchor",
             {p.leaf, p.inter, p.short_root},
             {tlsa_for(p.short_root, 2, 0, 1)},
             not_trusted},
            {"DANE-61: name constraints of the anchor",
             {p.leaf, p.inter, p.narrow_root},
             {tlsa_for(p.narrow_root, 2, 0, 1)},
             not_trusted},
            {"DANE-58: digest and anchor absent",
             {p.leaf, p.inter},
             {tlsa_for(p.root, 2, 0, 1)},
             not_trusted},
            {"DANE-58: key digest and anchor absent",
             {p.leaf, p.inter},
             {tlsa_for(p.root, 2, 1, 1)},
             not_trusted},
            {"DANE-58: leaf alone", {p.leaf}, {tlsa_for(p.inter, 2, 1, 1)}, not_trusted},
            {"DANE-59: the anchor comes from DNS", {p.leaf, p.inter}, {tlsa_for(p.root, 2, 0, 0)}, none},
            {"DANE-59: and is the direct issuer", {p.leaf}, {tlsa_for(p.inter, 2, 0, 0)}, none},
            {"DANE-59: and is presented too", {p.leaf, p.inter, p.root}, {tlsa_for(p.root, 2, 0, 0)}, none},
            {"DANE-59: a certificate from DNS that issued nothing here",
             {p.leaf, p.inter},
             {tlsa_for(p.other_root, 2, 0, 0)},
             not_trusted},
            {"DANE-59: an intermediate is still missing", {p.leaf}, {tlsa_for(p.root, 2, 0, 0)}, not_trusted},
            {"DANE-60: the bare key signed the topmost",
             {p.leaf, p.inter},
             {tlsa_for(p.root, 2, 1, 0)},
             none},
            {"DANE-60: the bare key signed the leaf", {p.leaf}, {tlsa_for(p.inter, 2, 1, 0)}, none},
            {"DANE-60: the certificate of the key is there",
             {p.leaf, p.inter, p.root},
             {tlsa_for(p.root, 2, 1, 0)},
             none},
            {"DANE-60: another key", {p.leaf, p.inter}, {tlsa_for(p.other_root, 2, 1, 0)}, not_trusted},
            {"DANE-60: the bare key signed the topmost which is expired",
             {p.leaf, p.old_inter},
             {tlsa_for(p.root, 2, 1, 0)},
             expired},
        });
    }

    TEST_CASE("DANE-TA checks dates of every certificate [DANE-62 AMB-08]") {
        const Pki& p = pki();
        const Certificate old_leaf = Pki::leaf_by(p.inter, {.begins = -60, .ends = -1});
        const Certificate next_leaf = Pki::leaf_by(p.inter, {.begins = 1, .ends = 60});
        check({
            {"DANE-62: expired leaf", {old_leaf, p.inter, p.root}, {tlsa_for(p.root, 2, 0, 1)}, expired},
            {"DANE-62: leaf not yet valid",
             {next_leaf, p.inter, p.root},
             {tlsa_for(p.root, 2, 0, 1)},
             expired},
            {"DANE-62: expired leaf under a bare key", {old_leaf}, {tlsa_for(p.inter, 2, 1, 0)}, expired},
            {"DANE-62: expired intermediate",
             {p.leaf, p.old_inter, p.root},
             {tlsa_for(p.root, 2, 0, 1)},
             expired},
            {"DANE-62: intermediate not yet valid",
             {p.leaf, p.next_inter, p.root},
             {tlsa_for(p.root, 2, 1, 1)},
             expired},
            {"AMB-08: expired anchor in the chain",
             {p.leaf, p.inter, p.old_root},
             {tlsa_for(p.old_root, 2, 0, 1)},
             expired},
            {"AMB-08: expired intermediate as anchor",
             {p.leaf, p.old_inter},
             {tlsa_for(p.old_inter, 2, 1, 1)},
             expired},
            {"AMB-08: expired anchor from DNS", {p.leaf, p.inter}, {tlsa_for(p.old_root, 2, 0, 0)}, expired},
        });
    }

    TEST_CASE("DANE-TA never takes the leaf as its own anchor [AMB-07]") {
        const Pki& p = pki();
        for (const Certificate& leaf : {p.self_signed, p.self_signed_ca}) {
            for (const Bytes& rdata :
                 {tlsa_for(leaf, 2, 0, 0), tlsa_for(leaf, 2, 0, 1), tlsa_for(leaf, 2, 0, 2),
                  tlsa_for(leaf, 2, 1, 1), tlsa_for(leaf, 2, 1, 2)}) {
                CAPTURE(TlsaRecord::parse(rdata).describe());
                CHECK_FALSE(by_dane({leaf}, {rdata}).ok);
                CHECK_FALSE(by_dane({leaf, leaf}, {rdata}).ok);
            }
        }
        CHECK_FALSE(by_dane({p.leaf, p.inter, p.root}, {tlsa_for(p.leaf, 2, 0, 1)}).ok);
        CHECK_FALSE(by_dane({p.leaf, p.inter, p.root}, {tlsa_for(p.leaf, 2, 1, 1)}).ok);
    }

    TEST_CASE("a bare key in DNS signs a self-signed leaf as it signs any topmost certificate [DANE-60]") {
        // RFC 7671 §5.2.3; names and dates count all the same.
        const Key key = make_key();
        const auto signed_by_itself = [&](CertificateOrder order) {
            order.common_name = "leaf";
            order.key = key;
            return issue(order);
        };
        const Certificate good = signed_by_itself({.dns = {"mx.example.org"}});
        check({
            {"DANE-60", {good}, {tlsa_for(good, 2, 1, 0)}, none},
            {"DANE-63: another name",
             {signed_by_itself({.dns = {"other.example"}})},
             {tlsa_for(good, 2, 1, 0)},
             host_mismatch},
            {"DANE-62: expired",
             {signed_by_itself({.dns = {"mx.example.org"}, .begins = -60, .ends = -1})},
             {tlsa_for(good, 2, 1, 0)},
             expired},
        });
    }

    TEST_CASE("weak keys and signatures fail where the chain is verified [TLS-14]") {
        const Pki& p = pki();
        const Certificate weak = Pki::leaf_by(p.inter, {.key = make_key(KeyKind::rsa_1024)});
        const Certificate by_weak = Pki::leaf_by(p.weak_inter);
        const Certificate rsa_ca =
            issue({.common_name = "RSA", .ca = true, .key = make_key(KeyKind::rsa_2048)});
        const Certificate sha1 = Pki::leaf_by(rsa_ca, {.sha1 = true});
        const Certificate sound = Pki::leaf_by(rsa_ca);
        check({
            {"weak leaf", {weak, p.inter, p.root}, {tlsa_for(p.root, 2, 0, 1)}, not_trusted},
            {"weak leaf that DANE-EE names as well",
             {weak, p.inter, p.root},
             {tlsa_for(p.root, 2, 0, 1), tlsa_for(weak, 3, 1, 1)},
             none},
            {"weak leaf and a DANE-EE record of another key",
             {weak, p.inter, p.root},
             {tlsa_for(p.root, 2, 0, 1), tlsa_for(p.leaf, 3, 1, 1)},
             not_trusted},
            {"weak intermediate", {by_weak, p.weak_inter, p.root}, {tlsa_for(p.root, 2, 0, 1)}, not_trusted},
            {"SHA-1 signature", {sha1, rsa_ca}, {tlsa_for(rsa_ca, 2, 0, 1)}, not_trusted},
            {"RSA of 2048 bits and SHA-256", {sound, rsa_ca}, {tlsa_for(rsa_ca, 2, 0, 1)}, none},
        });
    }

    TEST_CASE("one matching record of several is enough [DANE-71 DANE-46 DANE-63]") {
        const Pki& p = pki();
        const Certificate elsewhere = Pki::leaf_by(p.inter, {.dns = {"other.example"}});
        const Certificate old_leaf = Pki::leaf_by(p.inter, {.begins = -60, .ends = -1});
        check({
            {"DANE-71: rollover: old and new key",
             {p.leaf},
             {tlsa_for(p.self_signed, 3, 1, 1), tlsa_for(p.leaf, 3, 1, 1)},
             none},
            {"DANE-71: DANE-TA fails the name and DANE-EE matches",
             {elsewhere, p.inter},
             {tlsa_for(p.inter, 2, 1, 1), tlsa_for(elsewhere, 3, 1, 1)},
             none},
            {"DANE-71: DANE-TA fails the dates and DANE-EE matches",
             {old_leaf, p.inter},
             {tlsa_for(p.inter, 2, 1, 1), tlsa_for(old_leaf, 3, 0, 1)},
             none},
            {"DANE-71: DANE-EE fails and DANE-TA matches",
             {p.leaf, p.inter},
             {tlsa_for(p.self_signed, 3, 1, 1), tlsa_for(p.inter, 2, 1, 1)},
             none},
            {"DANE-71: an unusable record beside",
             {p.leaf},
             {tlsa_for(p.leaf, 1, 1, 1), tlsa_for(p.leaf, 3, 1, 1)},
             none},
            {"DANE-63: only DANE-TA matches and the name does not",
             {elsewhere, p.inter},
             {tlsa_for(p.inter, 2, 1, 1), tlsa_for(p.leaf, 3, 1, 1)},
             host_mismatch},
            {"DANE-46: the weaker digest matches and the stronger does not",
             {p.leaf},
             {tlsa_for(p.leaf, 3, 1, 1), tlsa_for(p.self_signed, 3, 1, 2)},
             no_match},
            {"DANE-49: Full is never suppressed",
             {p.leaf},
             {tlsa_for(p.leaf, 3, 1, 0), tlsa_for(p.self_signed, 3, 1, 2)},
             none},
            {"DANE-47: agility stays inside usage and selector",
             {p.leaf},
             {tlsa_for(p.leaf, 3, 1, 1), tlsa_for(p.self_signed, 3, 0, 2)},
             none},
            {"DANE-38: PKIX usages match nothing",
             {p.leaf, p.inter, p.root},
             {tlsa_for(p.leaf, 1, 1, 1), tlsa_for(p.root, 0, 0, 1)},
             no_match},
        });
    }

    TEST_CASE(
        "names under DANE-TA: DNS-IDs and the common name only without them [DANE-63 DANE-69 DANE-70]") {
        const Pki& p = pki();
        struct Row {
            std::string rule;
            CertificateOrder order;
            bool ok;
        };
        const Row rows[] = {
            {"DANE-63: base domain", {.common_name = "x", .dns = {"mx.example.org"}}, true},
            {"DANE-64: next-hop domain", {.common_name = "x", .dns = {"example.org"}}, true},
            {"DANE-64: expanded next-hop domain",
             {.common_name = "x", .dns = {"a.example", "example.com"}},
             true},
            {"DANE-63: a name that is on no list", {.common_name = "x", .dns = {"mx2.example.org"}}, false},
            {"DANE-69: common name alone", {.common_name = "mx.example.org"}, true},
            {"DANE-69: common name beside an IP address",
             {.common_name = "mx.example.org", .addresses = {"192.0.2.1"}},
             true},
            {"DANE-69: common name beside a DNS-ID",
             {.common_name = "mx.example.org", .dns = {"a.example"}},
             false},
            {"DANE-69: common name of another", {.common_name = "mx2.example.org"}, false},
            {"DANE-70: wildcard", {.common_name = "x", .dns = {"*.example.org"}}, true},
            {"DANE-70: wildcard for more than one label", {.common_name = "x", .dns = {"*.org"}}, false},
            {"DANE-70: partial label", {.common_name = "x", .dns = {"m*.example.org"}}, false},
            {"DANE-70: wildcard below", {.common_name = "x", .dns = {"*.mx.example.org"}}, false},
            {"NAME-01: case", {.common_name = "x", .dns = {"MX.Example.ORG"}}, true},
            {"NAME-07: no names at all but an address",
             {.common_name = "x", .addresses = {"192.0.2.1"}},
             false},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rule);
            const Certificate leaf = issue(row.order, &p.inter);
            const ChainOutcome out = by_dane({leaf, p.inter}, {tlsa_for(p.inter, 2, 1, 1)},
                                             {host, domain("example.org"), domain("example.com")});
            CHECK(out.ok == row.ok);
            if (!row.ok) CHECK(out.fault == host_mismatch);
        }
        // DANE-63: the base domain counts always, and an empty list is no licence to skip the comparison.
        const Certificate elsewhere = Pki::leaf_by(p.inter, {.dns = {"other.example"}});
        CHECK(by_dane({p.leaf, p.inter}, {tlsa_for(p.inter, 2, 1, 1)}, {}).ok);
        CHECK(by_dane({elsewhere, p.inter}, {tlsa_for(p.inter, 2, 1, 1)}, {}).fault == host_mismatch);
    }
}  // TEST_SUITE("security/certificate")
