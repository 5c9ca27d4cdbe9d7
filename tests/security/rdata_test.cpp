#include "security/rdata.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace sealpost::security;
using sealpost::Domain;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

/// A string with NULs in it, from a literal.
template <std::size_t N>
Bytes raw(const char (&text)[N]) {
    return bytes(std::string_view(text, N - 1));
}

}  // namespace

TEST_SUITE("security/rdata") {
    TEST_CASE("an MX record has a preference and a host in A-labels") {
        const MxRdata mx = parse_mx_rdata(raw("\x01\x0a\x03MX1\x07"
                                              "example\x03net\0"))
                               .value();
        CHECK(mx.preference == 266);
        CHECK(mx.exchange == "MX1.example.net");
        CHECK(mx.host == Domain::parse("mx1.example.net").value());
        CHECK_FALSE(mx.is_null());
    }

    TEST_CASE("the root as exchange is the null MX and nothing else is") {
        CHECK(parse_mx_rdata(raw("\0\0\0")).value().is_null());
        const MxRdata dot = parse_mx_rdata(raw("\0\0\x01.\0")).value();
        CHECK_FALSE(dot.is_null());
        CHECK(dot.exchange == "\\.");
        CHECK_FALSE(dot.host.has_value());
    }

    TEST_CASE("a name that no host has is kept as text and is no host") {
        struct Row {
            Bytes rdata;
            const char* text;
        };
        const std::vector<Row> rows{
            {raw("\0\x0a\x03"
                 "a b\x03net\0"),
             "a\\032b.net"},
            {raw("\0\x0a\x03"
                 "a.b\x03net\0"),
             "a\\.b.net"},
            {raw("\0\x0a\x02\0\n\x03net\0"), "\\000\\010.net"},
            {raw("\0\x0a\x01\\\x03net\0"), "\\\\.net"},
            // UTF-8 on the wire is not a U-label: DNS has no character set.
            {raw("\0\x0a\x07"
                 "b\xC3\xBC"
                 "cher\x03net\0"),
             "b\\195\\188cher.net"},
            {raw("\0\x0a\x01*\x03net\0"), "*.net"},
        };
        for (const Row& row : rows) {
            CAPTURE(row.text);
            const auto mx = parse_mx_rdata(row.rdata);
            REQUIRE(mx.has_value());
            CHECK(mx->exchange == row.text);
            CHECK_FALSE(mx->host.has_value());
        }
    }

    TEST_CASE("a broken MX record is an error of that record [DNS-07]") {
        const std::vector<Bytes> rows{
            {},
            raw("\0"),
            raw("\0\x0a"),                 // no name at all
            raw("\0\x0a\x03mx1"),          // no end
            raw("\0\x0a\x09mx1\0"),        // label past the end
            raw("\0\x0a\x03mx1\xc0\x0c"),  // compression pointer
            raw("\0\x0a\x40mx1\0"),        // extended label type
            raw("\0\x0a\x03mx1\0\0"),      // octets after the name
            raw("\0\x0a\0\0"),
        };
        for (const Bytes& row : rows) {
            CAPTURE(row.size());
            CHECK_FALSE(parse_mx_rdata(row).has_value());
        }
        Bytes long_name{0, 10};
        for (int i = 0; i < 127; ++i) long_name.insert(long_name.end(), {1, 'a'});
        long_name.push_back(0);
        CHECK(parse_mx_rdata(long_name).value().host->str().size() == 253);  // 255 octets on the wire
        long_name.insert(long_name.begin() + 2, {1, 'a'});
        CHECK_FALSE(parse_mx_rdata(long_name).has_value());
    }

    TEST_CASE("a CNAME target must be a domain") {
        CHECK(parse_cname_rdata(raw("\x01"
                                    "A\x03net\0"))
                  .value()
                  .str() == "a.net");
        CHECK_FALSE(parse_cname_rdata(raw("\0")).has_value());
        CHECK_FALSE(parse_cname_rdata(raw("\x01 \x03net\0")).has_value());
        CHECK_FALSE(parse_cname_rdata({}).has_value());
    }

    TEST_CASE("an address has 4 or 16 octets") {
        CHECK(parse_address_rdata(Bytes{192, 0, 2, 1}).value().str() == "192.0.2.1");
        Bytes v6(16, 0);
        v6[15] = 1;
        CHECK(parse_address_rdata(v6).value().str() == "::1");
        for (const std::size_t size : {0U, 3U, 5U, 15U, 17U})
            CHECK_FALSE(parse_address_rdata(Bytes(size, 1)).has_value());
    }

    TEST_CASE("the strings of a TXT record are joined with nothing between [DNS-29 STS-05 RPT-04]") {
        CHECK(parse_txt_rdata(raw("\x08v=STSv1;\x07 id=123")).value() == "v=STSv1; id=123");
        CHECK(parse_txt_rdata(raw("\0\0\x01"
                                  "a\0"))
                  .value() == "a");
        CHECK(parse_txt_rdata(raw("\0")).value().empty());
        CHECK(parse_txt_rdata(raw("\x02\0\xff")).value() == std::string("\0\xff", 2));
    }

    TEST_CASE("a broken TXT record is an error of that record") {
        CHECK_FALSE(parse_txt_rdata({}).has_value());
        CHECK_FALSE(parse_txt_rdata(raw("\x02"
                                        "a"))
                        .has_value());
        CHECK_FALSE(parse_txt_rdata(raw("\x01"
                                        "a\x01"))
                        .has_value());
        CHECK_FALSE(parse_txt_rdata(Bytes(65536, 0)).has_value());
        CHECK(parse_txt_rdata(Bytes(65535, 0)).has_value());
    }

}  // TEST_SUITE("security/rdata")
