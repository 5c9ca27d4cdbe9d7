#include "config/dsn_parameters.hpp"

#include <doctest/doctest.h>

using namespace sealpost;

TEST_SUITE("config/dsn_parameters") {
    TEST_CASE("NOTIFY is NEVER alone or a list [DSN-02 DSN-14]") {
        struct Row {
            const char* value;
            Notify wants;
        };
        for (const Row& row :
             {Row{"NEVER", {false, false, false}}, Row{"never", {false, false, false}},
              Row{"SUCCESS", {true, false, false}}, Row{"failure", {false, true, false}},
              Row{"Delay", {false, false, true}}, Row{"SUCCESS,FAILURE,DELAY", {true, true, true}},
              Row{"DELAY,success", {true, false, true}}, Row{"FAILURE,FAILURE", {false, true, false}}}) {
            CAPTURE(row.value);
            CHECK(parse_notify(row.value).value() == row.wants);
        }
        CHECK(Notify{} == Notify{false, true, true});  // without NOTIFY
        for (const std::string bad :
             {"", ",", "NEVER,FAILURE", "FAILURE,NEVER", "FAILURE,", ",DELAY", "FAILURE,,DELAY",
              "FAILURE DELAY", "FAILED", "SUCCES", "N\xC3\x89VER"}) {
            CAPTURE(bad);
            const auto refused = parse_notify(bad);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().text.starts_with("NOTIFY="));
        }
        std::string longest = "DELAY";
        while (longest.size() + 6 <= max_notify) longest += ",DELAY";
        CHECK(parse_notify(longest));
        CHECK_FALSE(parse_notify(longest + ",DELAY"));
    }

    TEST_CASE("RET is FULL or HDRS in any case [DSN-14]") {
        CHECK(parse_ret("FULL").value() == Ret::full);
        CHECK(parse_ret("hdrs").value() == Ret::headers);
        CHECK(to_string(Ret::full) == "FULL");
        CHECK(to_string(Ret::headers) == "HDRS");
        CHECK(to_string(Ret::unset).empty());
        for (const char* bad : {"", "FULLY", "HEADERS", "HDR"}) CHECK_FALSE(parse_ret(bad));
    }

    TEST_CASE("ENVID is xtext of printable characters and has at most 100 octets [DSN-14]") {
        CHECK(parse_envid("QQ314159").value() == "QQ314159");
        CHECK(parse_envid("a+2Bb+20+3D").value() == "a+b =");
        CHECK(parse_envid(std::string(100, 'x')).value() == std::string(100, 'x'));
        for (const std::string& bad :
             {std::string(), std::string(101, 'x'), std::string("a b"), std::string("a+2b"),
              std::string("+0D+0ABcc:"), std::string("+C3+A9"), std::string("\xC3\xA9")}) {
            CAPTURE(bad);
            const auto refused = parse_envid(bad);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().text.starts_with("ENVID="));
        }
    }

    TEST_CASE("ORCPT is a type and an address that is kept whatever its type [DSN-14 DSN-16]") {
        struct Row {
            std::string value, type, address;
        };
        for (const Row& row : {
                 Row{"rfc822;Bob@Example.ORG", "rfc822", "Bob@Example.ORG"},
                 Row{"RFC822;a+2Bb@example.org", "RFC822", "a+b@example.org"},
                 Row{"x400;/C=US", "", ""},  // '=' must be encoded
                 Row{"x400;/C+3DUS/A+3D+20/", "x400", "/C=US/A= /"},
                 Row{"utf-8;j\\x{F6}rg@example.org", "utf-8", "j\xC3\xB6rg@example.org"},
                 Row{"utf-8;j\xC3\xB6rg@example.org", "utf-8", "j\xC3\xB6rg@example.org"},
                 Row{"UTF-8;a\\x{2B}b\\x{1F600}@example.org", "UTF-8", "a+b\xF0\x9F\x98\x80@example.org"},
                 Row{"utf-8;a+2Bb@example.org", "utf-8", "a+2Bb@example.org"},  // not its syntax: unaltered
                 Row{"utf-8;a\\x{D800}@example.org", "utf-8", "a\\x{D800}@example.org"},
                 Row{"utf-8;a\\x{0D}@example.org", "utf-8", "a\\x{0D}@example.org"},
                 Row{"utf-8;a\\b@example.org", "utf-8", "a\\b@example.org"},
             }) {
            CAPTURE(row.value);
            const auto parsed = parse_orcpt(row.value);
            REQUIRE(parsed.has_value() == !row.type.empty());
            if (!parsed) continue;
            CHECK(parsed->type == row.type);
            CHECK(parsed->address == row.address);
        }
        const std::string head = "rfc822;";
        CHECK(parse_orcpt(head + std::string(max_orcpt - head.size(), 'x')));
        for (const std::string& bad :
             {std::string(), std::string("rfc822"), std::string("rfc822;"), std::string(";a@b"),
              std::string("a b;x"), std::string("rfc 822;x"), std::string("rfc822;a b"),
              std::string("rfc822;a+0Db"), std::string("rfc822;a+2b"), std::string("rfc822;\xC3\xA9@b"),
              std::string("utf-8;\xC3@b"), std::string("utf-8;\xC2\x85@b"),
              std::string("utf-8;\xED\xA0\x80@b"), head + std::string(max_orcpt - head.size() + 1, 'x')}) {
            CAPTURE(bad);
            const auto refused = parse_orcpt(bad);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().text.starts_with("ORCPT="));
        }
    }
}
