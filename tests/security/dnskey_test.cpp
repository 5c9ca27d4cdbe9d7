#include "security/dnskey.hpp"

#include <doctest/doctest.h>

#include "tests/security/support/root_keys.hpp"

namespace sealpost::security {
namespace {

using std::chrono::days;
using std::chrono::sys_seconds;
using test::RootKey;

constexpr sys_seconds now{std::chrono::seconds(1'790'000'000)};

// Of the public root zone: its keys 20326 and 38696, and the digest that IANA publishes of the first.
constexpr std::string_view ksk_2017 =
    "257 3 8 "
    "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4"
    "+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/"
    "EWgvIWgb9tarpVUDK/"
    "b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/"
    "ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXw"
    "s9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=";
constexpr std::string_view ksk_2017_ds =
    "20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D";

}  // namespace

TEST_SUITE("security/dnskey") {
    TEST_CASE("the tag and the digest of the public root key are those that IANA publishes [DNS-19]") {
        const auto key = parse_dnskey_text(ksk_2017);
        const auto ds = parse_ds_text(ksk_2017_ds);
        REQUIRE(key);
        REQUIRE(ds);
        CHECK(key->tag() == 20326);
        CHECK(ds->is_of(*key));
        CHECK(key->str() == ksk_2017);
        Dnskey revoked = *key;
        revoked.flags |= 0x80;
        CHECK(revoked.tag() == 20326 + 128);  // RFC 5011 §7: the tag changes with the bit
        CHECK_FALSE(ds->is_of(revoked));
        CHECK(revoked.is_same_key(*key));
        Ds other = *ds;
        other.digest.back() ^= 1;
        CHECK_FALSE(other.is_of(*key));
        other = *ds;
        other.digest.pop_back();
        CHECK_FALSE(other.is_of(*key));
        other = *ds;
        other.digest_type = 1;  // SHA-1
        CHECK_FALSE(other.is_of(*key));
    }

    TEST_CASE("a signature of each supported algorithm is verified and a changed one is not [DNS-26]") {
        using Kind = RootKey::Kind;
        for (const Kind kind : {Kind::rsasha256, Kind::rsasha512, Kind::ecdsap256sha256,
                                Kind::ecdsap384sha384, Kind::ed25519, Kind::ed448}) {
            const RootKey root(kind);
            const RootKey other(kind);
            CAPTURE(int{root.key.algorithm});
            const std::vector<Dnskey> set{root.key, other.key};
            auto rdata = root.sign(root.key, set, now - days(1), now + days(1));
            auto rrsig = parse_rrsig(rdata);
            REQUIRE(rrsig);
            CHECK(signs_root_keys(root.key, *rrsig, set, now));
            const std::vector<Dnskey> reversed{other.key, root.key,
                                               root.key};  // order and copies do not count
            CHECK(signs_root_keys(root.key, *rrsig, reversed, now));
            CHECK_FALSE(signs_root_keys(other.key, *rrsig, set, now));
            const std::vector<Dnskey> fewer{root.key};
            CHECK_FALSE(signs_root_keys(root.key, *rrsig, fewer, now));
            rdata.back() ^= 1;
            CHECK_FALSE(signs_root_keys(root.key, *parse_rrsig(rdata), set, now));
        }
    }

    TEST_CASE("a signature counts from its inception to its expiration [DNS-19]") {
        const RootKey root;
        const std::vector<Dnskey> set{root.key};
        const auto rrsig = parse_rrsig(root.sign(root.key, set, now - days(1), now + days(1)));
        REQUIRE(rrsig);
        CHECK(signs_root_keys(root.key, *rrsig, set, now - days(1)));
        CHECK(signs_root_keys(root.key, *rrsig, set, now + days(1)));
        CHECK_FALSE(signs_root_keys(root.key, *rrsig, set, now - days(1) - std::chrono::seconds(1)));
        CHECK_FALSE(signs_root_keys(root.key, *rrsig, set, now + days(1) + std::chrono::seconds(1)));
    }

    TEST_CASE("RSAMD5 and DSA and RSASHA1 keys are of no supported algorithm [DNS-26]") {
        for (const int algorithm : {0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 17, 253, 255})
            CHECK_FALSE(is_supported_algorithm(static_cast<std::uint8_t>(algorithm)));
        for (const int algorithm : {8, 10, 13, 14, 15, 16})
            CHECK(is_supported_algorithm(static_cast<std::uint8_t>(algorithm)));
        RootKey root(RootKey::Kind::rsasha256);
        root.key.algorithm = 5;
        const std::vector<Dnskey> set{root.key};
        CHECK_FALSE(signs_root_keys(root.key, *parse_rrsig(root.sign(root.key, set, now, now)), set, now));
    }

    TEST_CASE("RDATA and text that break their format are errors") {
        const RootKey root;
        const auto rrsig = root.sign(root.key, {root.key}, now, now);
        for (std::size_t n = 0; n < 20; ++n) CHECK_FALSE(parse_rrsig(std::span(rrsig).first(n)));
        const auto rdata = root.key.rdata();
        for (std::size_t n = 0; n < 5; ++n) CHECK_FALSE(parse_dnskey(std::span(rdata).first(n)));
        auto protocol = rdata;
        protocol[2] = 2;
        CHECK_FALSE(parse_dnskey(protocol));
        for (const char* bad : {"", "257", "257 3 8", "257 2 8 AAAA", "65536 3 8 AAAA", "257 3 256 AAAA",
                                "257 3 8 A*AA", "257 3 8 AAA", "x 3 8 AAAA"})
            CHECK_FALSE(parse_dnskey_text(bad));
        for (const char* bad : {"", "1 8 2", "1 8 2 A", "1 8 2 GG", "65536 8 2 AA", "1 8 2 +1"})
            CHECK_FALSE(parse_ds_text(bad));
        CHECK(parse_dnskey_text("257 3 8 AA AA  AA==")->key.size() == 4);
    }

    TEST_CASE("a key of an absurd size signs nothing") {
        RootKey root(RootKey::Kind::rsasha256);
        const auto rrsig = parse_rrsig(root.sign(root.key, {root.key}, now, now));
        for (const std::size_t size : {0U, 1U, 2U, 4U, 64U, 5000U}) {
            Dnskey odd = root.key;
            odd.key.resize(size, 0xff);
            Rrsig claimed = *rrsig;
            claimed.tag = odd.tag();
            const std::vector<Dnskey> set{odd};
            CHECK_FALSE(signs_root_keys(odd, claimed, set, now));
            odd.algorithm = claimed.algorithm = 13;
            claimed.tag = odd.tag();
            CHECK_FALSE(signs_root_keys(odd, claimed, std::vector{odd}, now));
        }
    }
}

}  // namespace sealpost::security
