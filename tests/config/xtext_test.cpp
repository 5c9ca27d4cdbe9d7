#include "config/xtext.hpp"

#include <doctest/doctest.h>

using namespace sealpost;

TEST_SUITE("config/xtext") {
    TEST_CASE("xtext stands for octets in upper-case hex alone [DSN-14]") {
        struct Row {
            std::string octets, text;
        };
        for (const Row& row :
             {Row{"", ""}, Row{"plain", "plain"}, Row{"a+b=c", "a+2Bb+3Dc"}, Row{"a b", "a+20b"},
              Row{std::string("\0\xFF\r\n", 4), "+00+FF+0D+0A"}, Row{"!~;<>\\", "!~;<>\\"}}) {
            CAPTURE(row.text);
            CHECK(encode_xtext(row.octets) == row.text);
            CHECK(decode_xtext(row.text) == row.octets);
        }
        CHECK(decode_xtext("+41+62") == "Ab");  // more than must be may be encoded
    }

    TEST_CASE("what is not xtext decodes to nothing [DSN-14]") {
        for (const std::string bad :
             {"+", "+4", "a+", "+2b", "+G0", "a=b", "a b", "++2B", "\x7F", "\xC3\xA9", "+ 41"}) {
            CAPTURE(bad);
            CHECK_FALSE(decode_xtext(bad));
        }
    }

    TEST_CASE("every octet survives [DSN-14]") {
        std::string all;
        for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
        CHECK(decode_xtext(encode_xtext(all)) == all);
    }
}
