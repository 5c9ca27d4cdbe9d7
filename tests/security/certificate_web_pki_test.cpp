#include <doctest/doctest.h>
#include <openssl/err.h>

#include <algorithm>

#include "security/certificate.hpp"
#include "support/pki.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

const Domain host = domain("mx.example.org");

ChainOutcome by_web_pki(const std::vector<Certificate>& chain, const std::vector<Certificate>& trusted,
                        const Domain& name = host) {
    const ChainOutcome out = verify_web_pki(chain_of(chain), store_of(trusted), name, verification_time);
    CHECK(out.ok == (out.fault == ChainFault::none));
    CHECK(ERR_peek_error() == 0);
    return out;
}

using enum ChainFault;

}  // namespace

TEST_SUITE("security/certificate") {
    TEST_CASE("weak keys and signatures fail under WebPKI [TLS-14]") {
        const Pki& p = pki();
        const Certificate weak = Pki::leaf_by(p.inter, {.key = make_key(KeyKind::rsa_1024)});
        const Certificate by_weak = Pki::leaf_by(p.weak_inter);
        const Certificate rsa_ca =
            issue({.common_name = "RSA", .ca = true, .key = make_key(KeyKind::rsa_2048)});
        const Certificate sha1 = Pki::leaf_by(rsa_ca, {.sha1 = true});
        const Certificate sound = Pki::leaf_by(rsa_ca);
        CHECK(by_web_pki({weak, p.inter}, {p.root}).fault == not_trusted);
        CHECK(by_web_pki({by_weak, p.weak_inter}, {p.root}).fault == not_trusted);
        CHECK(by_web_pki({sha1}, {rsa_ca}).fault == not_trusted);
        CHECK(by_web_pki({sound}, {rsa_ca}).ok);
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
        const Certificate odd = Pki::leaf_by(p.inter, {.odd_critical = true});
        const Certificate signer_only = Pki::leaf_by(p.inter, {.key_usage = "cRLSign"});
        const Certificate server_key = Pki::leaf_by(p.inter, {.key_usage = "digitalSignature"});
        const Certificate no_signer =
            issue({.common_name = "No signer", .ca = true, .key_usage = "cRLSign"}, &p.root);
        const Certificate by_no_signer = Pki::leaf_by(no_signer);
        const Certificate old_ca = issue({.common_name = "Old", .version = 1}, &p.root);
        const Certificate by_old_ca = Pki::leaf_by(old_ca);
        const Certificate excluding =
            issue({.common_name = "Excluding", .ca = true, .excluded = "DNS:example.org"}, &p.root);
        const Certificate excluded = Pki::leaf_by(excluding);
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
            {"NAME-11: key usage of no server", {signer_only, p.inter}, {p.root}, not_trusted},
            {"NAME-11: key usage of a server", {server_key, p.inter}, {p.root}, none},
            {"NAME-11: an issuer whose key may not sign", {by_no_signer, no_signer}, {p.root}, not_trusted},
            {"NAME-11: an issuer of version 1 under the root", {by_old_ca, old_ca}, {p.root}, not_trusted},
            {"NAME-11: a name that is excluded", {excluded, excluding}, {p.root}, not_trusted},
            {"NAME-11: an unknown critical extension", {odd, p.inter}, {p.root}, not_trusted},
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
            {"NAME-06: a label over 63 octets",
             {.common_name = "x", .dns = {std::string(64, 'a') + ".example.org"}},
             "mx.example.org",
             false},
            {"NAME-06: octets that no host name has",
             {.common_name = "x", .dns = {"mx example.org", "mx.example.org ", "\nmx.example.org"}},
             "mx.example.org",
             false},
            {"NAME-07: an address in a DNS-ID",
             {.common_name = "x", .dns = {"192.0.2.1"}},
             "mx.example.org",
             false},
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

    TEST_CASE("WebPKI trusts the CAs that it is given and no others [NAME-12]") {
        const Pki& p = pki();
        const Certificate other = Pki::leaf_by(p.other_root);
        CHECK(by_web_pki({p.leaf, p.inter}, {p.root}).ok);
        CHECK_FALSE(by_web_pki({other}, {p.root}).ok);
        CHECK(by_web_pki({other}, {p.other_root}).ok);
        CHECK_FALSE(by_web_pki({p.leaf, p.inter, p.root}, {p.other_root}).ok);
        // An intermediate in the store is a link, not an end.
        CHECK_FALSE(by_web_pki({p.leaf}, {p.inter}).ok);
    }

    TEST_CASE("without a certificate nothing is verified") {
        const TlsaSet set = assess_tlsa({tlsa_for(pki().leaf, 3, 1, 1)}, {}).value();
        CHECK(verify_dane({}, set, host, {host}, verification_time).fault == internal);
        CHECK(verify_web_pki({}, store_of({pki().root}), host, verification_time).fault == internal);
        CHECK(PeerChain::from_der({}).value().empty());
        CHECK_FALSE(verify_dane(chain_of({pki().leaf}), {}, host, {host}, verification_time).ok);
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
        const TlsaSet set = assess_tlsa({tlsa_for(odd, 3, 1, 1)}, {}).value();
        const ChainOutcome out = verify_dane(chain_of({odd}), set, host, {host}, verification_time);
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
