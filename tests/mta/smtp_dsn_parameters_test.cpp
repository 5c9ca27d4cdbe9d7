#include "mta/smtp/dsn_parameters.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace std::string_literals;

TEST_SUITE("mta/smtp/dsn_parameters") {
    TEST_CASE("xtext is printable and knows upper-case hexadecimal alone [DSN-14]") {
        struct Row {
            std::string text;
            bool good;
        };
        for (const Row& row : {
                 Row{"", true},
                 Row{"abc!~", true},
                 Row{"a+2Bb", true},
                 Row{"+3D+2B", true},
                 Row{"a+2b", false},
                 Row{"a+2", false},
                 Row{"a+", false},
                 Row{"+G0", false},
                 Row{"a=b", false},
                 Row{"a b", false},
                 Row{"a\tb", false},
                 Row{"a\r\n", false},
                 Row{"a\0b"s, false},
                 Row{"\xc3\xa4", false},
                 Row{"\x7f", false},
                 Row{"++2B", false},
             }) {
            CAPTURE(row.text);
            CHECK(sealpost::is_xtext(row.text) == row.good);
        }
    }

    TEST_CASE("an ENVID has 1 to 100 octets of xtext [DSN-14]") {
        CHECK(sealpost::is_envid(std::string(100, 'x')));
        CHECK_FALSE(sealpost::is_envid(std::string(101, 'x')));
        CHECK_FALSE(sealpost::is_envid(""));
        CHECK_FALSE(sealpost::is_envid("a=b"));
    }

    TEST_CASE("NOTIFY is NEVER or a list of the others [DSN-14]") {
        for (const char* good : {"NEVER", "never", "SUCCESS", "SUCCESS,FAILURE,DELAY", "delay,Success"})
            CHECK(sealpost::is_notify(good));
        for (const char* bad : {"", "ALWAYS", "NEVER,SUCCESS", "SUCCESS,", ",SUCCESS", "SUCCESS,,DELAY",
                                "SUCCESS, DELAY", "DELAY,DELAY", "NEVER\r\n", "SUCCESS FAILURE"}) {
            CAPTURE(bad);
            CHECK_FALSE(sealpost::is_notify(bad));
        }
    }

    TEST_CASE("an ORCPT is a type and an address in xtext of at most 500 octets [DSN-14]") {
        for (const std::string& good : {"rfc822;a@b"s, "RFC822;a+2Bb@c"s, "x400;/c+3Dus"s,
                                        "utf-8;b\\x{FC}@example.net"s, "rfc822;" + std::string(493, 'a')}) {
            CAPTURE(good);
            CHECK(sealpost::is_orcpt(good));
        }
        for (const std::string& bad :
             {""s, "rfc822"s, "rfc822;"s, ";a@b"s, "rfc 822;a@b"s, "rfc822;a b"s, "rfc822;a=b"s,
              "rfc822;a\r\nRSET"s, "rfc822;" + std::string(494, 'a')}) {
            CAPTURE(bad);
            CHECK_FALSE(sealpost::is_orcpt(bad));
        }
    }

}  // TEST_SUITE("mta/smtp/dsn_parameters")
