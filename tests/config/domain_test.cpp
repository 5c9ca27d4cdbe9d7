#include "config/domain.hpp"

#include <doctest/doctest.h>

using sealpost::Domain;

TEST_SUITE("config/domain") {
    TEST_CASE("a domain is A-labels in lower case without a trailing dot [DNS-18 NAME-01]") {
        CHECK(Domain::parse("Mail.EXAMPLE.org.").value().str() == "mail.example.org");
        CHECK(Domain::parse("bücher.example").value().str() == "xn--bcher-kva.example");
        CHECK(Domain::parse("_25._tcp.mx.example").value().str() == "_25._tcp.mx.example");
    }

    TEST_CASE("a name that breaks the grammar is refused [NAME-10]") {
        for (const char* bad :
             {"", ".", "a..b", "-a.example", "a-.example", "a b.example", "a\r\n.example", "*.example",
              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
              "\xff\xfe.example"}) {
            CAPTURE(bad);
            CHECK_FALSE(Domain::parse(bad).has_value());
        }
        CHECK_FALSE(Domain::parse(std::string("a\0b.example", 11)).has_value());
        CHECK_FALSE(Domain::parse(std::string(64, 'a')).has_value());
        std::string long_name;
        for (int i = 0; i < 64; ++i) long_name += "abc.";
        CHECK_FALSE(Domain::parse(long_name).has_value());
    }

    TEST_CASE("below means strictly below and only at a label boundary") {
        const Domain suffix = Domain::parse("example.org").value();
        CHECK(Domain::parse("a.example.org").value().is_below(suffix));
        CHECK(Domain::parse("a.b.example.org").value().is_below(suffix));
        CHECK_FALSE(suffix.is_below(suffix));
        CHECK_FALSE(Domain::parse("badexample.org").value().is_below(suffix));
    }

}  // TEST_SUITE("config/domain")
