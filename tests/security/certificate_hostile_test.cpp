// Chains that no careful CA would make, and records that no careful administrator would publish.
#include "support/dane_rows.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

using enum ChainFault;

/// leaf first; `length` intermediates between the leaf and the root, which stands last.
std::vector<Certificate> long_chain(std::size_t length) {
    std::vector<Certificate> issuers{issue({.common_name = "Top", .ca = true})};
    for (std::size_t i = 0; i < length; ++i) {
        const Certificate issuer = issuers.back();
        issuers.push_back(issue({.common_name = fmt::format("CA {}", i), .ca = true}, &issuer));
    }
    const Certificate leaf = Pki::leaf_by(issuers.back());
    issuers.push_back(leaf);
    return {issuers.rbegin(), issuers.rend()};
}

}  // namespace

TEST_SUITE("security/certificate") {
    TEST_CASE(
        "DANE-EE takes every kind of key and certificate that a server can show [DANE-54 DANE-55 AMB-10]") {
        const Pki& p = pki();
        const Certificate pss = issue({.common_name = "pss", .key = make_key(KeyKind::rsa_pss_2048)});
        const Certificate old = issue({.common_name = "old", .version = 1});
        const Certificate odd = Pki::leaf_by(p.inter, {.odd_critical = true});
        const Certificate signer_only = Pki::leaf_by(p.inter, {.key_usage = "keyCertSign"});
        const Certificate outside = issue({.common_name = "x", .dns = {"mx.example.org"}}, &p.narrow_root);
        const std::vector<Certificate> deep = long_chain(30);
        check({
            {"RSA-PSS", {pss}, {tlsa_for(pss, 3, 1, 1)}, none},
            {"RSA-PSS: Full", {pss}, {tlsa_for(pss, 3, 1, 0)}, none},
            {"version 1", {old}, {tlsa_for(old, 3, 0, 2)}, none},
            {"an unknown critical extension", {odd}, {tlsa_for(odd, 3, 1, 1)}, none},
            {"key usage of no server", {signer_only}, {tlsa_for(signer_only, 3, 1, 1)}, none},
            {"a name that its issuer may not certify",
             {outside, p.narrow_root},
             {tlsa_for(outside, 3, 1, 1)},
             none},
            {"a chain of 32", deep, {tlsa_for(deep.front(), 3, 1, 1)}, none},
            {"the leaf again as its own issuer", {p.leaf, p.leaf, p.leaf}, {tlsa_for(p.leaf, 3, 1, 1)}, none},
        });
    }

    TEST_CASE(
        "selector SPKI compares the key as the certificate has it and not as it would be encoded anew "
        "[DANE-55]") {
        const Certificate bare =
            issue({.common_name = "bare", .key = make_key(KeyKind::rsa_2048), .bare_algorithm = true});
        std::vector<std::uint8_t> anew(static_cast<std::size_t>(i2d_PUBKEY(bare.key.get(), nullptr)));
        unsigned char* at = anew.data();
        REQUIRE(i2d_PUBKEY(bare.key.get(), &at) > 0);
        REQUIRE(anew != bare.spki());
        std::vector<std::uint8_t> full{3, 1, 0};
        full.insert(full.end(), anew.begin(), anew.end());
        check({
            {"as found", {bare}, {tlsa_for(bare, 3, 1, 1)}, none},
            {"as found: Full", {bare}, {tlsa_for(bare, 3, 1, 0)}, none},
            {"encoded anew", {bare}, {full}, no_match},
        });
    }

    TEST_CASE("an anchor may be old in form but is bound by what stands in it [DANE-57 DANE-61]") {
        const Pki& p = pki();
        const Certificate old_root = issue({.common_name = "Old root", .version = 1});
        const Certificate by_old = Pki::leaf_by(old_root);
        const Certificate old_inter = issue({.common_name = "Old inter", .version = 1}, &p.root);
        const Certificate by_old_inter = Pki::leaf_by(old_inter);
        const Certificate no_signer = issue({.common_name = "No signer", .ca = true, .key_usage = "cRLSign"});
        const Certificate by_no_signer = Pki::leaf_by(no_signer);
        const Certificate odd = issue({.common_name = "Odd", .ca = true, .odd_critical = true});
        const Certificate by_odd = Pki::leaf_by(odd);
        const Certificate excluding =
            issue({.common_name = "Excluding", .ca = true, .excluded = "DNS:example.org"});
        const Certificate excluded = Pki::leaf_by(excluding);
        const Certificate by_name_only = issue({.common_name = "mx.example.org"}, &excluding);
        const Certificate no_more = issue({.common_name = "No more", .ca = true, .path_length = 0}, &p.root);
        const Certificate one_more = issue({.common_name = "One more", .ca = true}, &no_more);
        const Certificate below = Pki::leaf_by(one_more);
        const Certificate direct = Pki::leaf_by(no_more);
        check({
            {"DANE-57: self-signed of version 1", {by_old, old_root}, {tlsa_for(old_root, 2, 0, 1)}, none},
            {"DANE-57: version 1 below a root",
             {by_old_inter, old_inter, p.root},
             {tlsa_for(p.root, 2, 0, 1)},
             not_trusted},
            {"DANE-57: a key that may not sign",
             {by_no_signer, no_signer},
             {tlsa_for(no_signer, 2, 0, 1)},
             not_trusted},
            {"DANE-57: unknown critical extension", {by_odd, odd}, {tlsa_for(odd, 2, 0, 1)}, not_trusted},
            {"DANE-61: excluded name", {excluded, excluding}, {tlsa_for(excluding, 2, 0, 1)}, not_trusted},
            {"DANE-61: excluded name and the anchor from DNS",
             {excluded},
             {tlsa_for(excluding, 2, 0, 0)},
             not_trusted},
            {"DANE-61: excluded name as common name",
             {by_name_only, excluding},
             {tlsa_for(excluding, 2, 0, 1)},
             not_trusted},
            {"DANE-61: path length of the anchor from DNS",
             {p.leaf, p.inter},
             {tlsa_for(p.short_root, 2, 0, 0)},
             not_trusted},
            {"DANE-57: path length of an intermediate",
             {below, one_more, no_more, p.root},
             {tlsa_for(p.root, 2, 0, 1)},
             not_trusted},
            {"DANE-57: path length that is kept",
             {direct, no_more, p.root},
             {tlsa_for(p.root, 2, 0, 1)},
             none},
        });
    }

    TEST_CASE(
        "the strength of keys and signatures counts up to the anchor and not above it [TLS-14 DANE-60]") {
        const Key rsa = make_key(KeyKind::rsa_2048);
        const Key weak_key = make_key(KeyKind::rsa_1024);
        const Certificate sha1_root = issue({.common_name = "SHA-1", .ca = true, .key = rsa, .sha1 = true});
        const Certificate sound = Pki::leaf_by(sha1_root);
        const Certificate sha1 = Pki::leaf_by(sha1_root, {.sha1 = true});
        const Certificate weak_root = issue({.common_name = "Weak", .ca = true, .key = weak_key});
        const Certificate by_weak = Pki::leaf_by(weak_root);
        const Certificate pss_root =
            issue({.common_name = "PSS", .ca = true, .key = make_key(KeyKind::rsa_pss_2048)});
        const Certificate by_pss = Pki::leaf_by(pss_root);
        const Certificate ed_root =
            issue({.common_name = "Ed", .ca = true, .key = make_key(KeyKind::ed25519)});
        const Certificate by_ed = Pki::leaf_by(ed_root, {.key = make_key(KeyKind::ed25519)});
        check({
            {"the anchor's own signature proves nothing",
             {sound, sha1_root},
             {tlsa_for(sha1_root, 2, 0, 1)},
             none},
            {"SHA-1 by the anchor", {sha1, sha1_root}, {tlsa_for(sha1_root, 2, 0, 1)}, not_trusted},
            {"SHA-1 by the anchor from DNS", {sha1}, {tlsa_for(sha1_root, 2, 0, 0)}, not_trusted},
            {"SHA-1 by a bare key", {sha1}, {tlsa_for(sha1_root, 2, 1, 0)}, not_trusted},
            {"SHA-256 by a bare key", {sound}, {tlsa_for(sha1_root, 2, 1, 0)}, none},
            {"a weak anchor", {by_weak, weak_root}, {tlsa_for(weak_root, 2, 0, 1)}, not_trusted},
            {"a weak bare key", {by_weak}, {tlsa_for(weak_root, 2, 1, 0)}, not_trusted},
            {"RSA-PSS", {by_pss, pss_root}, {tlsa_for(pss_root, 2, 1, 1)}, none},
            {"RSA-PSS as a bare key", {by_pss}, {tlsa_for(pss_root, 2, 1, 0)}, none},
            {"Ed25519", {by_ed, ed_root}, {tlsa_for(ed_root, 2, 0, 2)}, none},
            {"Ed25519 as a bare key", {by_ed}, {tlsa_for(ed_root, 2, 1, 0)}, none},
        });
    }

    TEST_CASE("a weak way to one anchor does not hide the sound way of another record [DANE-71]") {
        const Pki& p = pki();
        const Certificate reissued = issue({.common_name = "Root", .ca = true, .key = p.root.key});
        check({
            {"the published root although another of its name and key is presented",
             {p.leaf, p.inter, reissued},
             {tlsa_for(p.root, 2, 0, 0)},
             none},
            {"two roots of one name and key from DNS: one expired",
             {p.leaf, p.inter},
             {tlsa_for(p.old_root, 2, 0, 0), tlsa_for(p.root, 2, 0, 0)},
             none},
            {"two intermediates of one name and key presented: one expired",
             {p.leaf, p.old_inter, p.inter},
             {tlsa_for(p.inter, 2, 1, 1)},
             none},
            {"an expired anchor and DANE-EE",
             {p.leaf, p.inter, p.old_root},
             {tlsa_for(p.old_root, 2, 0, 1), tlsa_for(p.leaf, 3, 1, 2)},
             none},
        });
    }

    TEST_CASE("a long chain is followed to a limit and never without end [DANE-57]") {
        const std::vector<Certificate> ten = long_chain(8);
        const std::vector<Certificate> forty = long_chain(38);
        Certificate loop_a = issue({.common_name = "A", .ca = true});
        const Certificate loop_b = issue({.common_name = "B", .ca = true}, &loop_a);
        loop_a = issue({.common_name = "A", .ca = true, .key = loop_a.key}, &loop_b);
        const Certificate in_loop = Pki::leaf_by(loop_a);
        check({
            {"ten certificates", ten, {tlsa_for(ten.back(), 2, 0, 1)}, none},
            {"forty certificates", forty, {tlsa_for(forty.back(), 2, 0, 1)}, not_trusted},
            {"forty certificates with the anchor near", forty, {tlsa_for(forty[3], 2, 1, 1)}, none},
            {"issuers of each other",
             {in_loop, loop_a, loop_b},
             {tlsa_for(pki().root, 2, 0, 1)},
             not_trusted},
            {"issuers of each other with one as anchor",
             {in_loop, loop_a, loop_b},
             {tlsa_for(loop_b, 2, 0, 1)},
             none},
        });
    }

    TEST_CASE("a common name is compared whole and by the rules of names [DANE-69 DANE-70 NAME-06]") {
        using std::string_literals::operator""s;
        const Pki& p = pki();
        struct Row {
            std::string rule;
            CertificateOrder order;
            bool ok;
        };
        const Row rows[] = {
            {"one of several", {.more_common_names = {"other.example", "mx.example.org"}}, true},
            {"case", {.more_common_names = {"MX.example.ORG"}}, true},
            {"wildcard", {.more_common_names = {"*.example.org"}}, true},
            {"wildcard over a top level", {.more_common_names = {"*.org"}}, false},
            {"partial wildcard", {.more_common_names = {"m*.example.org"}}, false},
            {"NUL inside", {.more_common_names = {"mx.example.org\0.evil.example"s}}, false},
            {"NUL at the end", {.more_common_names = {"mx.example.org\0"s}}, false},
            {"trailing dot", {.more_common_names = {"mx.example.org."}}, false},
            {"words around it", {.more_common_names = {"CN=mx.example.org", "mx.example.org "}}, false},
            {"a malformed DNS-ID is a DNS-ID",
             {.more_common_names = {"mx.example.org"}, .dns = {"\xFF\0"s}},
             false},
            {"an empty DNS-ID is a DNS-ID", {.more_common_names = {"mx.example.org"}, .dns = {""}}, false},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rule);
            const Certificate leaf = issue(row.order, &p.inter);
            const ChainOutcome out = by_dane({leaf, p.inter}, {tlsa_for(p.inter, 2, 1, 1)});
            CHECK(out.ok == row.ok);
            if (!row.ok) CHECK(out.fault == host_mismatch);
        }
    }
}  // TEST_SUITE("security/certificate")
