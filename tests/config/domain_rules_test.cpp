#include <doctest/doctest.h>

#include "tests/config/config_folder.hpp"

namespace sealpost {

TEST_SUITE("config/domain_rules") {
    TEST_CASE("a rule is for a name or all names below or all others [TLS-10]") {
        const ConfigFolder folder(
            "[domain.\"Example.ORG\"]\ntls = \"dane-only\"\ncontact = \"postmaster@example.org\"\n"
            "[domain.\".BÜCHER.example\"]\ntls = \"authenticated\"\nmatch = [\"MX.example.net.\", "
            "\".Bücher.example\"]\n[domain.\"*\"]\n");
        folder.write("domains.d/a.toml", "\n[domain.\"b.example\"]\ntls = \"encrypt\"\n");
        CHECK(folder.problems() == "");
        const std::vector<RuleSettings> rules = folder.load()->settings.rules;
        REQUIRE(rules.size() == 4);
        const auto find = [&](std::string_view pattern) {
            for (const RuleSettings& rule : rules)
                if (rule.pattern == pattern) return rule;
            return RuleSettings{};
        };
        const RuleSettings exact = find("example.org");
        CHECK(exact.tls == TlsLevel::dane_only);
        CHECK(exact.contact == "postmaster@example.org");
        CHECK(exact.file == folder.path("sealpost.toml"));
        CHECK(exact.line == 1);
        const RuleSettings below = find(".xn--bcher-kva.example");
        CHECK(below.tls == TlsLevel::authenticated);
        CHECK(below.match == std::vector<std::string>{"mx.example.net", ".xn--bcher-kva.example"});
        CHECK(find("*").tls == TlsLevel::automatic);
        CHECK(find("*").line == 7);
        CHECK(find("b.example").tls == TlsLevel::encrypt);
        CHECK(find("b.example").file == folder.path("domains.d/a.toml"));
        CHECK(find("b.example").line == 2);
    }

    TEST_CASE("each mistake in a rule is told with its place and what is allowed") {
        const struct {
            const char* text;
            const char* problem;
        } rows[] = {
            {"domain = 1",
             "sealpost.toml:1:10: key 'domain': expected tables such as [domain.\"example.org\"], found the "
             "integer "
             "1\n"},
            {"[domain]\n\"example.org\" = \"dane-only\"",
             "sealpost.toml:2:17: key 'domain.\"example.org\"': expected a table, found the text "
             "'dane-only'\n"},
            {"[domain.example.org]\ntls = \"auto\"",
             "sealpost.toml:1:17: key 'domain.\"example\".org': unknown table; a domain stands in quotes, as "
             "in "
             "[domain.\"example.org\"]\n"},
            {"[domain.\"*.example.org\"]",
             "sealpost.toml:1:9: key 'domain.\"*.example.org\"': '*.example.org' holds a character that no "
             "domain name "
             "has; a rule is for \"example.org\", \".example.org\" (all names below) or \"*\" (all "
             "others)\n"},
            {"[domain.\"\"]",
             "sealpost.toml:1:9: key 'domain.\"\"': empty domain name; a rule is for \"example.org\", "
             "\".example.org\" (all names below) or \"*\" (all others)\n"},
            {"[domain.\"a.example\"]\ntls = \"dane_only\"",
             "sealpost.toml:2:7: key 'domain.\"a.example\".tls': expected one of \"auto\", \"encrypt\", "
             "\"authenticated\", \"dane-only\", found the text 'dane_only'; did you mean 'dane-only'?\n"},
            {"[domain.\"a.example\"]\ntls = true",
             "sealpost.toml:2:7: key 'domain.\"a.example\".tls': expected one of \"auto\", \"encrypt\", "
             "\"authenticated\", \"dane-only\", found true\n"},
            {"[domain.\"a.example\"]\ntsl = \"auto\"",
             "sealpost.toml:2:1: key 'domain.\"a.example\".tsl': unknown key; did you mean 'tls'?\n"},
            {"[domain.\"a.example\"]\ntls = \"encrypt\"\nmatch = [\"mx.example\"]",
             "sealpost.toml:3:9: key 'domain.\"a.example\".match': has no effect with tls = \"encrypt\"; it "
             "goes with "
             "tls = \"authenticated\"\n"},
            {"[domain.\"a.example\"]\ntls = \"authenticated\"\nmatch = []",
             "sealpost.toml:3:9: key 'domain.\"a.example\".match': the list is empty; expected a list of "
             "names such "
             "as [\"mx.example.org\", \".example.org\"]\n"},
            {"[domain.\"a.example\"]\ntls = \"authenticated\"\nmatch = [\"m x\", 5]",
             "sealpost.toml:3:10: key 'domain.\"a.example\".match': 'm x' holds a character that no domain "
             "name has\n"
             "sealpost.toml:3:17: key 'domain.\"a.example\".match': expected a list of names such as "
             "[\"mx.example.org\", \".example.org\"], found the integer 5 in the list\n"},
            {"[domain.\"a.example\"]\ncontact = \"a\\nb\"",
             "sealpost.toml:2:11: key 'domain.\"a.example\".contact': the text holds a control character\n"},
            {"[domain.\"a.example\"]\ncontact = 5",
             "sealpost.toml:2:11: key 'domain.\"a.example\".contact': expected a line of text, found the "
             "integer 5\n"},
        };
        for (const auto& row : rows) {
            CAPTURE(row.text);
            CHECK(problems_of(row.text) == row.problem);
        }
    }

    TEST_CASE("a rule that is defined twice names both places") {
        const ConfigFolder folder("[domain.\"bücher.example\"]\ntls = \"encrypt\"\n");
        folder.write("domains.d/a.toml", "[domain.\"xn--bcher-kva.example\"]\n");
        const std::string problems = folder.problems();
        CHECK(problems ==
              "domains.d/a.toml:1:9: key 'domain.\"xn--bcher-kva.example\"': the rule for "
              "'xn--bcher-kva.example' is "
              "defined twice; the first is at sealpost.toml:1:9\n");
        CHECK(problems_of("[domain.\"a.example\"]\n[domain.\"A.example\"]\n").find("defined twice") !=
              std::string::npos);
    }

}  // TEST_SUITE("config/domain_rules")
}  // namespace sealpost
