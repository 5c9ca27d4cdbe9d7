#include "security/tlsa.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace sealpost::security;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes from_hex(std::string_view text) {
    Bytes out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
    return out;
}

/// A self-signed Ed25519 certificate for mx1.example.net, and its key.
const Bytes certificate = from_hex(
    "3082016730820119a00302010202142d9827b167b3772dd47ba98045abea913369826a300506032b6570301a31183016"
    "06035504030c0f6d78312e6578616d706c652e6e65743020170d3236313132323230333031325a180f32313236313032"
    "393230333031325a301a3118301606035504030c0f6d78312e6578616d706c652e6e6574302a300506032b6570032100"
    "087ae179eb4bc213fd09c2457644f2f586a52edf68fd3ca99cbe57a1c56eb3daa36f306d301d0603551d0e0416041435"
    "fbf7e60432358da3f20fd8e739a3a04a9902b5301f0603551d2304183016801435fbf7e60432358da3f20fd8e739a3a0"
    "4a9902b5300f0603551d130101ff040530030101ff301a0603551d1104133011820f6d78312e6578616d706c652e6e65"
    "74300506032b65700341005d41d62763bc419577384d3d5b729da6d7eed3c2773b1c6a5e5682181b960969a198b20142"
    "d67993e78c1023d4f48f3a49e4c436540697c0ed2f68168c56300b");
const Bytes public_key =
    from_hex("302a300506032b6570032100087ae179eb4bc213fd09c2457644f2f586a52edf68fd3ca99cbe57a1c56eb3da");

Bytes record(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching_type, const Bytes& data) {
    Bytes out{usage, selector, matching_type};
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

Bytes digest(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching_type, std::uint8_t fill = 7) {
    return record(usage, selector, matching_type, Bytes(matching_type == 2 ? 64 : 32, fill));
}

TlsaSet assess(const std::vector<Bytes>& rdata, const TlsaLimits& limits = {}) {
    return assess_tlsa(rdata, limits).value();
}

std::vector<TlsaUse> uses(const TlsaSet& set) {
    std::vector<TlsaUse> out;
    for (const TlsaAssessment& a : set.records) out.push_back(a.use);
    return out;
}

TlsaFault fault_of(const Bytes& rdata) {
    const TlsaSet set = assess({rdata});
    CHECK(set.records.size() == 1);
    CHECK(set.any_used() == (set.records[0].fault == TlsaFault::none));
    CHECK(set.records[0].why.empty() == set.any_used());
    return set.records[0].fault;
}

Bytes appended(Bytes data, std::uint8_t octet) {
    data.push_back(octet);
    return data;
}

Bytes cut(Bytes data) {
    data.pop_back();
    return data;
}

}  // namespace

TEST_SUITE("security/tlsa") {
    TEST_CASE("a record shorter than four octets is unusable but stays in the set [DANE-37]") {
        for (const Bytes& short_one : {Bytes{}, Bytes{3}, Bytes{3, 1}, Bytes{3, 1, 1}}) {
            CAPTURE(short_one.size());
            CHECK(fault_of(short_one) == TlsaFault::malformed);
        }
        CHECK(TlsaRecord::parse(Bytes{3, 1, 1}).str() == "\\# 3 030101");
        CHECK(TlsaRecord::parse({}).str() == "\\# 0");
    }

    TEST_CASE(
        "usages and selectors and matching types that SMTP does not know are unusable [DANE-38 DANE-40]") {
        struct Row {
            std::uint8_t usage, selector, matching_type;
            TlsaFault fault;
        };
        for (const Row& row : std::vector<Row>{{2, 0, 1, TlsaFault::none},
                                               {2, 1, 2, TlsaFault::none},
                                               {3, 0, 2, TlsaFault::none},
                                               {3, 1, 1, TlsaFault::none},
                                               {0, 1, 1, TlsaFault::pkix_usage},
                                               {1, 0, 1, TlsaFault::pkix_usage},
                                               {4, 1, 1, TlsaFault::unknown_usage},
                                               {255, 1, 1, TlsaFault::unknown_usage},
                                               {3, 2, 1, TlsaFault::unknown_selector},
                                               {3, 255, 1, TlsaFault::unknown_selector},
                                               {3, 1, 3, TlsaFault::matching_type},
                                               {3, 1, 255, TlsaFault::matching_type}}) {
            const Bytes rdata = digest(row.usage, row.selector, row.matching_type);
            CAPTURE(TlsaRecord::parse(rdata).describe());
            CHECK(fault_of(rdata) == row.fault);
        }
    }

    TEST_CASE("a set of only PKIX usages is a set without a usable record and not an empty one [DANE-39]") {
        const TlsaSet set = assess({digest(0, 0, 1), digest(1, 1, 1)});
        CHECK(set.records.size() == 2);
        CHECK_FALSE(set.any_used());
    }

    TEST_CASE("a digest of the wrong length is unusable [DANE-41]") {
        for (const std::size_t size : {1U, 31U, 33U, 64U})
            CHECK(fault_of(record(3, 1, 1, Bytes(size, 7))) == TlsaFault::digest_length);
        for (const std::size_t size : {1U, 32U, 63U, 65U})
            CHECK(fault_of(record(3, 1, 2, Bytes(size, 7))) == TlsaFault::digest_length);
    }

    TEST_CASE("full data must be exactly one certificate or one public key [DANE-42]") {
        CHECK(fault_of(record(3, 0, 0, certificate)) == TlsaFault::none);
        CHECK(fault_of(record(2, 0, 0, certificate)) == TlsaFault::none);
        CHECK(fault_of(record(3, 1, 0, public_key)) == TlsaFault::none);
        CHECK(fault_of(record(2, 1, 0, public_key)) == TlsaFault::none);

        CHECK(fault_of(record(3, 0, 0, public_key)) == TlsaFault::not_certificate);
        CHECK(fault_of(record(3, 0, 0, appended(certificate, 0))) == TlsaFault::not_certificate);
        CHECK(fault_of(record(3, 0, 0, cut(certificate))) == TlsaFault::not_certificate);
        CHECK(fault_of(record(3, 0, 0, {0x30})) == TlsaFault::not_certificate);
        CHECK(fault_of(record(3, 0, 0, {0x30, 0})) == TlsaFault::not_certificate);
        CHECK(fault_of(record(3, 0, 0, {0x30, 0x80, 0, 0})) == TlsaFault::not_certificate);
        CHECK(fault_of(record(3, 0, 0, {0x30, 0x84, 0xff, 0xff, 0xff, 0xff})) == TlsaFault::not_certificate);
        CHECK(fault_of(record(3, 1, 0, certificate)) == TlsaFault::not_public_key);
        CHECK(fault_of(record(3, 1, 0, appended(public_key, 0))) == TlsaFault::not_public_key);
        CHECK(fault_of(record(3, 1, 0, cut(public_key))) == TlsaFault::not_public_key);
        Bytes ber = public_key;  // its length written in one octet more than needed
        ber.insert(ber.begin() + 1, 0x81);
        CHECK(fault_of(record(3, 1, 0, ber)) == TlsaFault::not_public_key);
    }

    TEST_CASE(
        "every cut of a certificate is refused and leaves nothing in the error queue of OpenSSL [DANE-42]") {
        for (std::size_t size = 1; size < certificate.size(); ++size) {
            const Bytes part(certificate.begin(), certificate.begin() + static_cast<std::ptrdiff_t>(size));
            CHECK_FALSE(assess({record(3, 0, 0, part)}).any_used());
            // The outer length made right again, so that the real parser sees the damage.
            Bytes patched = part;
            if (size < 4) continue;
            patched[2] = static_cast<std::uint8_t>((size - 4) >> 8U);
            patched[3] = static_cast<std::uint8_t>(size - 4);
            CHECK_FALSE(assess({record(3, 0, 0, patched)}).any_used());
        }
        CHECK(ERR_peek_error() == 0);
    }

    TEST_CASE("full data over the limit never reaches the parser [DANE-86]") {
        const TlsaLimits limits{.max_full_octets = certificate.size() - 1};
        CHECK(assess({record(3, 0, 0, certificate)}, limits).records[0].fault == TlsaFault::too_long);
        CHECK(assess({record(3, 0, 0, certificate)}, {.max_full_octets = certificate.size()}).any_used());
    }

    TEST_CASE(
        "both digests are enabled by default and one that is switched off is unusable [DANE-43 DANE-44]") {
        CHECK(assess({digest(3, 1, 1)}).any_used());
        CHECK(assess({digest(3, 1, 2)}).any_used());
        // Marked too weak before agility: the stronger one that is left counts alone.
        const TlsaSet set = assess({digest(3, 1, 1), digest(3, 1, 2)}, {.digests = {1}});
        CHECK(uses(set) == std::vector{TlsaUse::used, TlsaUse::unusable});
        CHECK(set.records[1].fault == TlsaFault::matching_type);
    }

    TEST_CASE("a duplicate counts once and changes nothing [DANE-45]") {
        const TlsaSet set =
            assess({digest(3, 1, 1), digest(3, 1, 1), digest(3, 1, 1, 8), Bytes{3}, Bytes{3}});
        CHECK(uses(set) == std::vector{TlsaUse::used, TlsaUse::duplicate, TlsaUse::used, TlsaUse::unusable,
                                       TlsaUse::duplicate});
        CHECK(set.policy_string().size() == 3);
    }

    TEST_CASE("the strongest digest of a usage and selector supersedes the weaker ones [DANE-46 DANE-50]") {
        const std::vector<Bytes> rdata{digest(3, 1, 1), digest(3, 1, 2), digest(3, 1, 2, 8),
                                       digest(3, 1, 1, 8)};
        CHECK(uses(assess(rdata)) ==
              std::vector{TlsaUse::superseded, TlsaUse::used, TlsaUse::used, TlsaUse::superseded});
        CHECK(uses(assess(rdata, {.digests = {1, 2}})) ==
              std::vector{TlsaUse::used, TlsaUse::superseded, TlsaUse::superseded, TlsaUse::used});
    }

    TEST_CASE("agility works inside one usage and selector [DANE-47]") {
        const TlsaSet set = assess({digest(3, 1, 2), digest(3, 0, 1), digest(2, 1, 1), digest(2, 0, 2)});
        CHECK(uses(set) == std::vector(4, TlsaUse::used));
    }

    TEST_CASE("unusable records are dropped before agility [DANE-48]") {
        const TlsaSet set = assess({record(3, 1, 2, Bytes(63, 7)), digest(3, 1, 1)});
        CHECK(uses(set) == std::vector{TlsaUse::unusable, TlsaUse::used});
    }

    TEST_CASE("full data is never superseded and supersedes nothing [DANE-49]") {
        const TlsaSet set = assess(
            {record(3, 1, 0, public_key), digest(3, 1, 1), digest(3, 1, 2), record(3, 0, 0, certificate)});
        CHECK(uses(set) == std::vector{TlsaUse::used, TlsaUse::superseded, TlsaUse::used, TlsaUse::used});
    }

    TEST_CASE("a set over the limits is an error and not an absence [DANE-86]") {
        std::vector<Bytes> many;
        for (std::uint8_t i = 0; i < 101; ++i) many.push_back(digest(3, 1, 1, i));
        CHECK_FALSE(assess_tlsa(many, {}).has_value());
        many.pop_back();
        CHECK(assess(many).records.size() == 100);
        CHECK_FALSE(assess_tlsa({Bytes(40000, 3), Bytes(40000, 4)}, {}).has_value());
        CHECK(assess({}).records.empty());
    }

    TEST_CASE("the text of a record is what reports carry [RPT-31]") {
        CHECK(TlsaRecord::parse(record(3, 1, 1, {0x0a, 0xBC, 0x00})).str() == "3 1 1 0ABC00");
        CHECK(TlsaRecord::parse(record(255, 0, 10, {0xff})).str() == "255 0 10 FF");
    }

    TEST_CASE("a report lists the complete set in an order that DNS cannot change [RPT-32]") {
        std::vector<Bytes> rdata{digest(3, 1, 1), digest(0, 0, 1), Bytes{3}, digest(2, 1, 2)};
        const std::vector<std::string> lines = assess(rdata).policy_string();
        CHECK(lines.size() == 4);
        std::rotate(rdata.begin(), rdata.begin() + 2, rdata.end());
        CHECK(assess(rdata).policy_string() == lines);
    }

    TEST_CASE("people read numbers and acronyms together [DANE-87]") {
        CHECK(TlsaRecord::parse(digest(3, 1, 1)).describe() == "DANE-EE(3) SPKI(1) SHA2-256(1)");
        CHECK(TlsaRecord::parse(digest(2, 0, 2)).describe() == "DANE-TA(2) Cert(0) SHA2-512(2)");
        CHECK(TlsaRecord::parse(record(0, 0, 0, {1})).describe() == "PKIX-TA(0) Cert(0) Full(0)");
        CHECK(TlsaRecord::parse(record(1, 9, 255, {1})).describe() ==
              "PKIX-EE(1) unassigned(9) PrivMatch(255)");
        CHECK(TlsaRecord::parse(record(255, 255, 1, {1})).describe() ==
              "PrivCert(255) PrivSel(255) SHA2-256(1)");
    }

}  // TEST_SUITE("security/tlsa")
