#include "security/tlsa_presentation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "security/tlsa.hpp"

using namespace sealpost;
using namespace sealpost::security;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes parsed(std::string_view text) {
    CAPTURE(text);
    const Result<Bytes> rdata = parse_tlsa_presentation(text);
    REQUIRE(rdata);
    return *rdata;
}

std::string refusal(std::string_view text) {
    CAPTURE(text);
    const Result<Bytes> rdata = parse_tlsa_presentation(text);
    REQUIRE_FALSE(rdata);
    CHECK(rdata.error().code == Errc::invalid);
    CHECK(rdata.error().text.size() < 200);
    CHECK(std::all_of(rdata.error().text.begin(), rdata.error().text.end(),
                      [](char c) { return c >= ' ' && c <= '~'; }));
    return rdata.error().text;
}

bool tells(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("security/tlsa_presentation") {
    TEST_CASE("a record is read by numbers and acronyms and as unknown RDATA and as plain digits [DANE-87]") {
        const Bytes expected{3, 1, 1, 0x01, 0xab, 0xCD};
        for (const char* text :
             {"3 1 1 01abCD", "  3\t1 1 01 ab\r\ncd\n", "3 1 1 0 1ab cd", "003 01 1 01abcd",
              "DANE-EE SPKI SHA2-256 01abcd", "dane-ee spki sha2-256 01ABCD", "DANE-EE 1 Sha2-256 01abcd",
              "\\# 6 03010101abcd", "\\# 6 0301 0101 abcd", "03010101abcd", " 03010101ABCD "})
            CHECK(parsed(text) == expected);
    }

    TEST_CASE("every acronym of RFC 7218 has its number [DANE-87]") {
        CHECK(parsed("PKIX-TA Cert Full aa") == Bytes{0, 0, 0, 0xaa});
        CHECK(parsed("PKIX-EE SPKI SHA2-256 aa") == Bytes{1, 1, 1, 0xaa});
        CHECK(parsed("DANE-TA PrivSel SHA2-512 aa") == Bytes{2, 255, 2, 0xaa});
        CHECK(parsed("PrivCert 0 PrivMatch aa") == Bytes{255, 0, 255, 0xaa});
        CHECK(tells(refusal("unassigned 0 0 aa"), "'unassigned' is not a certificate usage"));
    }

    TEST_CASE("RDATA too short for a TLSA record can be written in the forms that know no fields [DANE-37]") {
        CHECK(parsed("\\# 0").empty());
        CHECK(parsed("\\# 2 0301") == Bytes{3, 1});
        CHECK(parsed("03") == Bytes{3});
    }

    TEST_CASE("what is no record is refused and the offending word named") {
        CHECK(refusal("") == "empty");
        CHECK(refusal(" \t\n") == "empty");
        CHECK(tells(refusal("3 1 1"), "not all there"));
        CHECK(tells(refusal("3 1"), "not all there"));
        CHECK(tells(refusal("3 1 1 abc"), "odd number"));
        CHECK(tells(refusal("3 1 1 abxy"), "'abxy' is not made of hexadecimal digits"));
        CHECK(tells(refusal("256 1 1 ab"), "'256' is not a certificate usage"));
        CHECK(tells(refusal("-1 1 1 ab"), "'-1' is not a certificate usage"));
        CHECK(tells(refusal("3 SHA2-256 1 ab"), "'SHA2-256' is not a selector"));
        CHECK(tells(refusal("3 1 SPKI ab"), "'SPKI' is not a matching type"));
        CHECK(tells(refusal("99999999999999999999 1 1 ab"), "certificate usage"));
        CHECK(tells(refusal("DANE-EE"), "'DANE-EE' is not made of hexadecimal digits"));
        CHECK(tells(refusal("\\#"), "no length"));
        CHECK(tells(refusal("\\# x 00"), "no length"));
        CHECK(tells(refusal("\\# 65536 00"), "no length"));
        CHECK(tells(refusal("\\# 3 0301"), "2 octets follow a length of 3"));
        CHECK(tells(refusal("\\# 1 0301"), "2 octets follow a length of 1"));
        CHECK(tells(refusal("3 1 1 \x1b[31m\xff"), "\\x1B[31m\\xFF"));
        refusal(std::string_view("3 1 1 ab\0cd", 11));
    }

    TEST_CASE("the text and what it holds are bounded [DANE-86]") {
        const std::string longest(2 * std::size_t{65535}, 'a');
        CHECK(parsed(longest).size() == 65535);
        CHECK(parsed("3 1 1 " + longest.substr(6)).size() == 65535);
        CHECK(tells(refusal(longest + "aa"), "65535"));
        CHECK(tells(refusal("3 1 1 " + longest), "65535"));
        CHECK(parsed(longest + std::string(max_tlsa_presentation - longest.size(), ' ')).size() == 65535);
        CHECK(tells(refusal(std::string(max_tlsa_presentation + 1, ' ')), "longer than"));
    }

    TEST_CASE("what a record prints is read back as the same record [DANE-87]") {
        for (const Bytes& rdata : {Bytes{3, 1, 1, 0x0a, 0xff}, Bytes{255, 0, 10, 0}, Bytes{3, 1}, Bytes{}})
            CHECK(parsed(TlsaRecord::parse(rdata).str()) == rdata);
    }

    TEST_CASE("a set says in words what it means for a hop [DANE-32 DANE-33]") {
        const auto meaning = [](const std::vector<Bytes>& rdata) {
            return assess_tlsa(rdata, {}).value().meaning();
        };
        const Bytes usable = parsed("3 1 1 " + std::string(64, 'a'));
        const Bytes other = parsed("2 0 1 " + std::string(64, 'a'));
        CHECK(meaning({}) == "no TLSA record: DANE does not apply");
        CHECK(meaning({parsed("1 1 1 " + std::string(64, 'a'))}) ==
              "TLS required, authentication impossible");
        CHECK(meaning({usable, usable}) == "TLS required, authentication by 1 record");
        CHECK(meaning({usable, other}) == "TLS required, authentication by 2 records");
    }
}  // TEST_SUITE("security/tlsa_presentation")
