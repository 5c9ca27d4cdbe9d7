#include "security/certificate.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>

#include <algorithm>

#include "support/answers.hpp"
#include "support/certificate_factory.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

/// root -> intermediate -> leaf for mx.example.org, and relatives that each break one rule.
struct Pki {
    Certificate root = issue({.common_name = "Root", .ca = true});
    Certificate inter = issue({.common_name = "Intermediate", .ca = true}, &root);
    Certificate leaf = leaf_by(inter);
    Certificate self_signed = issue({.common_name = "mx.example.org", .dns = {"mx.example.org"}});
    Certificate self_signed_ca =
        issue({.common_name = "mx.example.org", .dns = {"mx.example.org"}, .ca = true});

    Certificate old_root =
        issue({.common_name = "Root", .begins = -60, .ends = -1, .ca = true, .key = root.key});
    Certificate old_inter = issue(
        {.common_name = "Intermediate", .begins = -60, .ends = -1, .ca = true, .key = inter.key}, &root);
    Certificate next_inter =
        issue({.common_name = "Intermediate", .begins = 1, .ends = 60, .ca = true, .key = inter.key}, &root);
    Certificate no_ca = issue({.common_name = "Intermediate", .key = inter.key}, &root);
    Certificate impostor = issue({.common_name = "Intermediate", .ca = true}, &root);  // same name, other key
    Certificate other_root = issue({.common_name = "Other root", .ca = true});
    Certificate short_root = issue({.common_name = "Root", .ca = true, .path_length = 0, .key = root.key});
    Certificate narrow_root =
        issue({.common_name = "Root", .ca = true, .permitted = "DNS:example.net", .key = root.key});
    Certificate weak_inter =
        issue({.common_name = "Weak", .ca = true, .key = make_key(KeyKind::rsa_1024)}, &root);

    static Certificate leaf_by(const Certificate& issuer, CertificateOrder order = {}) {
        if (order.common_name.empty()) order.common_name = "leaf";
        if (order.dns.empty()) order.dns = {"mx.example.org"};
        return issue(order, &issuer);
    }
};

const Pki& pki() {
    static const Pki made;
    return made;
}

const Domain host = domain("mx.example.org");

ChainOutcome by_dane(const std::vector<Certificate>& chain, const std::vector<Bytes>& rdata,
                     const std::vector<Domain>& names = {host}) {
    const TlsaSet set = assess_tlsa(rdata, {}).value();
    const ChainOutcome out = verify_dane(chain_of(chain), set, host, names, verification_time);
    CHECK(out.ok == (out.fault == ChainFault::none));
    CHECK(out.ok == out.detail.empty());
    CHECK(out.ok != out.matched.empty());
    CHECK(ERR_peek_error() == 0);  // nothing left behind for whoever uses this thread next
    return out;
}

ChainOutcome by_web_pki(const std::vector<Certificate>& chain, const std::vector<Certificate>& trusted,
                        const Domain& name = host) {
    const ChainOutcome out = verify_web_pki(chain_of(chain), store_of(trusted), name, verification_time);
    CHECK(out.ok == (out.fault == ChainFault::none));
    CHECK(ERR_peek_error() == 0);
    return out;
}

struct DaneRow {
    std::string rule;
    std::vector<Certificate> chain;
    std::vector<Bytes> tlsa;
    ChainFault fault;
};

void check(const std::vector<DaneRow>& rows) {
    for (const DaneRow& row : rows) {
        CAPTURE(row.rule);
        const ChainOutcome out = by_dane(row.chain, row.tlsa);
        CAPTURE(out.detail);
        CHECK(to_string(out.fault) == to_string(row.fault));
        std::vector<Bytes> turned(row.tlsa.rbegin(), row.tlsa.rend());  // the order of records means nothing
        CHECK(by_dane(row.chain, turned).ok == out.ok);
    }
}

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

    TEST_CASE("DANE-TA takes an issuer in the chain as the only anchor [DANE-57..60]") {
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
        CHECK(by_web_pki({weak, p.inter}, {p.root}).fault == not_trusted);
        CHECK(by_web_pki({by_weak, p.weak_inter}, {p.root}).fault == not_trusted);
        CHECK(by_web_pki({sha1}, {rsa_ca}).fault == not_trusted);
        CHECK(by_web_pki({sound}, {rsa_ca}).ok);
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

    TEST_CASE(
        "WebPKI: a chain to a trusted root in date with a DNS-ID for the host [STS-61 NAME-11 "
        "RPT-67]") {
        const Pki& p = pki();
        struct Row {
            std::string rule;
            std::vector<Certificate> chain;
            std::vector<Certificate> trusted;
            ChainFault fault;
        };
        const Certificate old_leaf = Pki::leaf_by(p.inter, {.begins = -60, .ends = -1});
        const Certificate next_leaf = Pki::leaf_by(p.inter, {.begins = 1, .ends = 60});
        const Certificate mail = Pki::leaf_by(p.inter, {.extended_key_usage = "emailProtection"});
        const Certificate server = Pki::leaf_by(p.inter, {.extended_key_usage = "serverAuth"});
        const Certificate by_no_ca = Pki::leaf_by(p.no_ca);
        const Row rows[] = {
            {"STS-61: good", {p.leaf, p.inter}, {p.root}, none},
            {"STS-61: root presented too", {p.leaf, p.inter, p.root}, {p.root}, none},
            {"STS-61: several roots", {p.leaf, p.inter}, {p.other_root, p.root}, none},
            {"RPT-68: intermediate missing", {p.leaf}, {p.root}, not_trusted},
            {"RPT-68: unknown CA", {p.leaf, p.inter, p.root}, {p.other_root}, not_trusted},
            {"RPT-68: self-signed", {p.self_signed}, {p.root}, not_trusted},
            {"RPT-68: an issuer that is no CA", {by_no_ca, p.no_ca}, {p.root}, not_trusted},
            {"RPT-68: the right name and another key", {p.leaf, p.impostor}, {p.root}, not_trusted},
            {"RPT-68: name constraints", {p.leaf, p.inter}, {p.narrow_root}, not_trusted},
            {"RPT-68: path length", {p.leaf, p.inter}, {p.short_root}, not_trusted},
            {"NAME-11: not for servers", {mail, p.inter}, {p.root}, not_trusted},
            {"NAME-11: for servers", {server, p.inter}, {p.root}, none},
            {"RPT-67: expired leaf", {old_leaf, p.inter}, {p.root}, expired},
            {"RPT-67: leaf not yet valid", {next_leaf, p.inter}, {p.root}, expired},
            {"RPT-67: expired intermediate", {p.leaf, p.old_inter}, {p.root}, expired},
            {"RPT-67: expired root", {p.leaf, p.inter}, {p.old_root}, expired},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rule);
            CHECK(to_string(by_web_pki(row.chain, row.trusted).fault) == to_string(row.fault));
        }
    }

    TEST_CASE("WebPKI compares DNS-IDs with the host and nothing else [STS-61 STS-62 STS-63 NAME-01..07]") {
        const Pki& p = pki();
        struct Row {
            std::string rule;
            CertificateOrder order;
            const char* name;
            bool ok;
        };
        using std::string_literals::operator""s;
        const std::string nul = "mx.example.org\0.evil.example"s;
        const std::string nul_end = "mx.example.org\0"s;
        const Row rows[] = {
            {"STS-61", {.common_name = "x", .dns = {"a.example", "mx.example.org"}}, "mx.example.org", true},
            {"STS-62: another host under the pattern",
             {.common_name = "x", .dns = {"mx2.example.org"}},
             "mx.example.org",
             false},
            {"STS-61: the recipient domain",
             {.common_name = "x", .dns = {"example.org"}},
             "mx.example.org",
             false},
            {"STS-62: the pattern's parent",
             {.common_name = "x", .dns = {"*.example.org"}},
             "a.mx.example.org",
             false},
            {"STS-63: wildcard", {.common_name = "x", .dns = {"*.example.org"}}, "mx.example.org", true},
            {"NAME-03: common name alone", {.common_name = "mx.example.org"}, "mx.example.org", false},
            {"NAME-03: common name beside",
             {.common_name = "mx.example.org", .dns = {"a.example"}},
             "mx.example.org",
             false},
            {"NAME-04: wildcard is not its own parent",
             {.common_name = "x", .dns = {"*.example.org"}},
             "example.org",
             false},
            {"NAME-04: wildcard over a top level",
             {.common_name = "x", .dns = {"*.org"}},
             "example.org",
             false},
            {"NAME-04: partial wildcard",
             {.common_name = "x", .dns = {"m*.example.org"}},
             "mx.example.org",
             false},
            {"NAME-04: wildcard in the middle",
             {.common_name = "x", .dns = {"mx.*.org"}},
             "mx.example.org",
             false},
            {"NAME-04: two wildcards", {.common_name = "x", .dns = {"*.*.org"}}, "mx.example.org", false},
            {"NAME-04: a wildcard alone", {.common_name = "x", .dns = {"*"}}, "localhost", false},
            {"NAME-05: wildcard and A-label",
             {.common_name = "x", .dns = {"*.example.org"}},
             "xn--bcher-kva.example.org",
             true},
            {"NAME-05: embedded wildcard in an A-label",
             {.common_name = "x", .dns = {"xn--*.example.org"}},
             "xn--bcher-kva.example.org",
             false},
            {"NAME-01: case", {.common_name = "x", .dns = {"MX.eXample.org"}}, "mx.example.org", true},
            {"NAME-01: trailing dot",
             {.common_name = "x", .dns = {"mx.example.org."}},
             "mx.example.org",
             false},
            {"NAME-02: U-label",
             {.common_name = "x",
              .dns = {"b\xC3\xBC"
                      "cher.example.org"}},
             "xn--bcher-kva.example.org",
             false},
            {"NAME-06: embedded NUL", {.common_name = "x", .dns = {nul}}, "mx.example.org", false},
            {"NAME-06: NUL at the end", {.common_name = "x", .dns = {nul_end}}, "mx.example.org", false},
            {"NAME-06: empty name", {.common_name = "x", .dns = {""}}, "mx.example.org", false},
            {"NAME-06: leading dot", {.common_name = "x", .dns = {".example.org"}}, "mx.example.org", false},
            {"NAME-07: an address",
             {.common_name = "x", .addresses = {"192.0.2.1"}},
             "mx.example.org",
             false},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rule);
            const Certificate leaf = issue(row.order, &p.inter);
            const ChainOutcome out = by_web_pki({leaf, p.inter}, {p.root}, domain(row.name));
            CHECK(out.ok == row.ok);
            CHECK(out.fault == (row.ok ? none : host_mismatch));
        }
    }

    TEST_CASE("without a certificate nothing is verified") {
        const TlsaSet set = assess_tlsa({tlsa_for(pki().leaf, 3, 1, 1)}, {}).value();
        CHECK(verify_dane({}, set, host, {host}, verification_time).fault == internal);
        CHECK(verify_web_pki({}, store_of({pki().root}), host, verification_time).fault == internal);
        CHECK(PeerChain::from_der({}).value().empty());
        CHECK_FALSE(by_dane({pki().leaf}, {}).ok);
        CHECK(PeerChain::of(nullptr).empty());
    }

    TEST_CASE("a chain is made of whole DER certificates only") {
        Bytes der = pki().leaf.der();
        CHECK(PeerChain::from_der({der}));
        der.push_back(0);
        CHECK_FALSE(PeerChain::from_der({der}));
        CHECK_FALSE(PeerChain::from_der({{}}));
        CHECK_FALSE(PeerChain::from_der({{0x30, 0}}));
        CHECK(ERR_peek_error() == 0);
    }

    TEST_CASE("the subject is shown in printable characters only") {
        const Certificate odd = issue({.common_name = "a\n\x1b[31m<script>\xC3\xA9"});
        const ChainOutcome out = by_dane({odd}, {tlsa_for(odd, 3, 1, 1)});
        CHECK_FALSE(out.subject.empty());
        CHECK(
            std::all_of(out.subject.begin(), out.subject.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    }

    TEST_CASE("a store of CAs is read whole or not at all") {
        const Pki& p = pki();
        CHECK(TrustStore::from_pem("").error().code == Errc::configuration);
        CHECK(TrustStore::from_pem("no certificate").error().code == Errc::configuration);
        CHECK(TrustStore::from_pem("# a comment\n" + p.root.pem() + "words\n" + p.root.pem()));
        std::string broken = p.other_root.pem();
        broken.replace(broken.size() / 2, 4, "!!!!");
        const Result<TrustStore> store = TrustStore::from_pem(p.root.pem() + broken + p.inter.pem());
        REQUIRE_FALSE(store);  // else the CAs behind the broken one would silently be missing
        CHECK(store.error().code == Errc::configuration);
        CHECK(ERR_peek_error() == 0);
    }

}  // TEST_SUITE("security/certificate")
