#include "security/remote_text.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace sealpost::security;

TEST_SUITE("security/remote_text") {
    TEST_CASE("printable text is ASCII and no longer than asked") {
        CHECK(printable("plain 'text'") == "plain 'text'");
        CHECK(printable(std::string("a\r\n\0\x7f\xc3\xbc\\", 8)) == "a\\x0D\\x0A\\x00\\x7F\\xC3\\xBC\\x5C");
        CHECK(printable("abcdefgh", 8) == "abcdefgh");
        CHECK(printable("abcdefghi", 8) == "abcde...");
        CHECK(printable("abc\x01\x02", 8) == "abc...");  // an escape is never cut in two
        for (std::size_t max = 3; max < 40; ++max)
            CHECK(printable(std::string(50, '\x01'), max).size() <= max);
    }

    TEST_CASE("UTF-8 is strict [RPT-24]") {
        for (const char* good : {"", "a", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                 "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
            CHECK(is_utf8(good));
        for (const char* bad :
             {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE1\x80", "\xED\xA0\x80",
              "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
              "\xF8\x88\x80\x80\x80", "\xFE", "\xFF", "a\xF0\x90\x80"}) {
            CAPTURE(bad);
            CHECK_FALSE(is_utf8(bad));
        }
    }

    TEST_CASE("a report string has no broken UTF-8 and no control characters [RPT-24]") {
        const std::string fffd = "\xEF\xBF\xBD";
        CHECK(i_json_text("gr\xC3\xBC\xC3\x9F", 100) == "gr\xC3\xBC\xC3\x9F");
        CHECK(i_json_text("a\xFFz", 100) == "a" + fffd + "z");
        CHECK(i_json_text("a\xED\xA0\x80z", 100) == "a" + fffd + fffd + fffd + "z");
        CHECK(i_json_text("\r\n\x1b[0m", 100) == fffd + fffd + fffd + "[0m");
        CHECK(i_json_text("\x7F\xC2\x85", 100) == fffd + fffd);
        CHECK(i_json_text("\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xB7\x90\xF0\x9F\xBF\xBF", 100) ==
              fffd + fffd + fffd + fffd);
        CHECK(i_json_text("ab\xC3\xBC", 3) == "ab");  // never cut inside a character
        CHECK(i_json_text("ab\xC3\xBC", 4) == "ab\xC3\xBC");
        CHECK(i_json_text("", 0).empty());
    }

}  // TEST_SUITE("security/remote_text")
