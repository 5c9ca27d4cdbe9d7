#include "config/address.hpp"

#include <doctest/doctest.h>

using sealpost::Address;
using sealpost::AddressCharset;

namespace {

std::string error_of(std::string_view text) {
    const auto address = Address::parse(text);
    return address ? "none" : address.error().text;
}

}  // namespace

TEST_SUITE("config/address") {
    TEST_CASE("a mailbox keeps its local part octet for octet and normalises its domain") {
        const struct {
            const char* text;
            const char* local;
            const char* host;
        } rows[] = {
            {"user@example.org", "user", "example.org"},
            {"User.Name+tag@EXAMPLE.org", "User.Name+tag", "example.org"},
            {"!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~", "example.org"},
            {"\"a b\"@example.org", "\"a b\"", "example.org"},
            {"\"a@b\"@example.org", "\"a@b\"", "example.org"},
            {"\"a\\\"\\\\\\ b\"@example.org", "\"a\\\"\\\\\\ b\"", "example.org"},
            {"\"\"@example.org", "\"\"", "example.org"},
            {"\"..\"@example.org", "\"..\"", "example.org"},
            {"root@localhost", "root", "localhost"},
            {"u@[192.0.2.1]", "u", "[192.0.2.1]"},
            {"u@[IPv6:2001:DB8:0::1]", "u", "[IPv6:2001:db8::1]"},
            {"u@[ipV6:::1]", "u", "[IPv6:::1]"},
        };
        for (const auto& row : rows) {
            CAPTURE(row.text);
            const auto address = Address::parse(row.text);
            REQUIRE(address.has_value());
            CHECK(address->local() == row.local);
            CHECK(address->host_str() == row.host);
            CHECK(Address::parse(address->str()).value() == *address);
        }
    }

    TEST_CASE("an address literal is no domain [SMTP-40 DANE-01 STS-03]") {
        const Address literal = Address::parse("u@[IPv6:2001:db8::1]").value();
        CHECK(literal.domain() == nullptr);
        CHECK(literal.literal()->str() == "2001:db8::1");
        const Address plain = Address::parse("u@example.org").value();
        CHECK(plain.literal() == nullptr);
        CHECK(plain.domain()->str() == "example.org");
    }

    TEST_CASE("what is not a mailbox is refused") {
        for (const char* bad : {"",
                                "@",
                                "user",
                                "@example.org",
                                "user@",
                                "a b@example.org",
                                " user@example.org",
                                "user@example.org ",
                                ".user@example.org",
                                "user.@example.org",
                                "a..b@example.org",
                                "a@b@example.org",
                                "<user@example.org>",
                                "user@example.org>",
                                "user@example.org.",
                                "user@.example.org",
                                "user@exa mple.org",
                                "user@-example.org",
                                "\"user@example.org",
                                "\"user\"x@example.org",
                                "\"a\"b\"@example.org",
                                "\"a\\\"@example.org",
                                "x\"a\"@example.org",
                                "a\\b@example.org",
                                "user@[192.0.2.1",
                                "user@[192.0.2.01]",
                                "user@[192.0.2]",
                                "user@[2001:db8::1]",
                                "user@[IPv6:192.0.2.1]",
                                "user@[IPv6:fe80::1%eth0]",
                                "user@[]",
                                "user@[",
                                "user@[IPv6:]",
                                "user@[192.0.2.1]x",
                                "user@192.0.2.1",
                                "user@[tag:content]",
                                "a(comment)@example.org",
                                "a,b@example.org",
                                "a;b@example.org",
                                "a\r\nRCPT TO:<x>@example.org",
                                "\"a\r\nb\"@example.org",
                                "\"a\tb\"@example.org",
                                "user@exam\nple.org",
                                "\x7f@example.org"}) {
            CAPTURE(bad);
            CHECK_FALSE(Address::parse(bad).has_value());
            CHECK_FALSE(Address::parse(bad, AddressCharset::utf8).has_value());
        }
        CHECK_FALSE(Address::parse(std::string_view("a\0b@example.org", 15)).has_value());
        CHECK_FALSE(Address::parse(std::string_view("\"a\0b\"@example.org", 17)).has_value());
        CHECK_FALSE(Address::parse(std::string_view("a@exam\0ple.org", 14)).has_value());
    }

    TEST_CASE("UTF-8 is taken only where SMTPUTF8 allows it [EXT-15 NAME-10]") {
        const std::string_view text =
            "j\xc3\xb8rgen@b\xc3\xbc"
            "cher.example";
        CHECK_FALSE(Address::parse(text).has_value());
        const Address address = Address::parse(text, AddressCharset::utf8).value();
        CHECK(address.local() == "j\xc3\xb8rgen");
        CHECK(address.domain()->str() == "xn--bcher-kva.example");
        CHECK(address.needs_utf8());
        CHECK_FALSE(Address::parse("a@b\xc3\xbc"
                                   "cher.example",
                                   AddressCharset::utf8)
                        .value()
                        .needs_utf8());
        CHECK(Address::parse("\"\xe2\x82\xac \xf0\x9f\x93\xa7\"@example.org", AddressCharset::utf8)
                  .has_value());
    }

    TEST_CASE("broken UTF-8 is refused") {
        for (const char* bad :
             {"\x80", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xe0\x80\xaf", "\xe2\x82", "\xed\xa0\x80",
              "\xf0\x80\x80\xaf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
            CAPTURE(bad);
            CHECK_FALSE(Address::parse(std::string(bad) + "@example.org", AddressCharset::utf8).has_value());
            CHECK_FALSE(
                Address::parse("\"" + std::string(bad) + "\"@example.org", AddressCharset::utf8).has_value());
        }
    }

    TEST_CASE("a local part has at most 64 octets and an address 254") {
        CHECK(Address::parse(std::string(64, 'a') + "@example.org").has_value());
        CHECK_FALSE(Address::parse(std::string(65, 'a') + "@example.org").has_value());
        const std::string label(59, 'b');
        const std::string domain = label + "." + label + "." + label + ".example";  // 187 octets
        CHECK(Address::parse(std::string(254 - 188, 'a').substr(0, 64) + "@" + domain).has_value());
        const std::string longer = domain + "." + std::string(4, 'c');  // 192
        CHECK(Address::parse(std::string(61, 'a') + "@" + longer).has_value());
        CHECK_FALSE(Address::parse(std::string(62, 'a') + "@" + longer).has_value());
        CHECK_FALSE(Address::parse(std::string(1'000'000, 'a')).has_value());
    }

    TEST_CASE("the local part is compared octet for octet and the domain without case") {
        CHECK(Address::parse("a@example.org").value() == Address::parse("a@EXAMPLE.org").value());
        CHECK(Address::parse("A@example.org").value() != Address::parse("a@example.org").value());
        CHECK(Address::parse("a@example.org").value() < Address::parse("b@example.org").value());
    }

    TEST_CASE("an error says which rule is broken") {
        CHECK(error_of("user") == "the '@' is missing");
        CHECK(error_of("user@") == "the domain is missing after the '@'");
        CHECK(error_of("a b@example.org") == "a character that must be quoted stands before the '@'");
        CHECK(error_of("a..b@example.org") == "the part before the '@' is neither a dot-string nor quoted");
        CHECK(error_of("a@192.0.2.1") == "an IP address as domain must stand in brackets");
        CHECK(error_of("a@[x]") == "an address literal is [192.0.2.1] or [IPv6:2001:db8::1]");
        CHECK(error_of("a@exa mple") == "'exa mple' holds a character that no domain name has");
    }

}  // TEST_SUITE("config/address")
