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

    TEST_CASE("a rule says how much and for how long, too") {
        const ConfigFolder folder(
            "[domain.\"example.org\"]\nmax_connections = 2\nrate = \"20/min\"\n"
            "notify_after = \"1h\"\nmax_age = \"2d\"\n[domain.\"b.example\"]\ntls = \"auto\"");
        CHECK(folder.problems() == "");
        const auto loaded = folder.load();
        REQUIRE(loaded.has_value());
        const RuleSettings& rule = loaded->settings.rules.front();
        const RuleSettings& other = loaded->settings.rules.back();
        const RuleSettings& full = rule.pattern == "example.org" ? rule : other;
        const RuleSettings& bare = rule.pattern == "example.org" ? other : rule;
        CHECK(full.max_connections == 2U);
        CHECK(full.rate == Rate{20, std::chrono::minutes(1)});
        CHECK(full.notify_after == std::chrono::hours(1));
        CHECK(full.max_age == std::chrono::hours(48));
        CHECK_FALSE((bare.max_connections || bare.rate || bare.notify_after || bare.max_age));
        const std::string shown = render_settings(*loaded, false);
        for (const char* line :
             {"max_connections = 2", "rate = \"20/min\"", "notify_after = \"1h\"", "max_age = \"2d\""})
            CHECK(shown.find(line) != std::string::npos);
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
            {"[domain.\"a.example\"]\nmax_connections = 0",
             "sealpost.toml:2:19: key 'domain.\"a.example\".max_connections': expected a whole number from 1 "
             "to "
             "1000, found the integer 0\n"},
            {"[domain.\"a.example\"]\nrate = \"fast\"",
             "sealpost.toml:2:8: key 'domain.\"a.example\".rate': 'fast' is not a rate; write a whole number "
             "from "
             "1 to 1000000 and a unit (s, min, h, d), as in 20/min\n"},
            {"[domain.\"a.example\"]\nmax_age = \"0s\"",
             "sealpost.toml:2:11: key 'domain.\"a.example\".max_age': '0s' is out of range; allowed is a "
             "duration "
             "from \"100ms\" to \"365d\"\n"},
            {"[domain.\"a.example\"]\nnotify_after = 3",
             "sealpost.toml:2:16: key 'domain.\"a.example\".notify_after': expected a line of text, found "
             "the "
             "integer 3\n"},
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
             "\"authenticated\", \"dane-only\", \"secure\", \"fingerprint\", \"may\", \"none\", found the "
             "text 'dane_only'; did you mean 'dane-only'?\n"},
            {"[domain.\"a.example\"]\ntls = true",
             "sealpost.toml:2:7: key 'domain.\"a.example\".tls': expected one of \"auto\", \"encrypt\", "
             "\"authenticated\", \"dane-only\", \"secure\", \"fingerprint\", \"may\", \"none\", found "
             "true\n"},
            {"[domain.\"a.example\"]\ntsl = \"auto\"",
             "sealpost.toml:2:1: key 'domain.\"a.example\".tsl': unknown key; did you mean 'tls'?\n"},
            {"[domain.\"a.example\"]\ntls = \"encrypt\"\nmatch = [\"mx.example\"]",
             "sealpost.toml:3:9: key 'domain.\"a.example\".match': has no effect with tls = \"encrypt\"; it "
             "goes with tls = \"authenticated\" or tls = \"secure\" or tls = \"fingerprint\"\n"},
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
            {"[domain.\"a.example\"]\ntls = \"fingerprint\"",
             "sealpost.toml:2:7: key 'domain.\"a.example\".tls': \"fingerprint\" needs `pins`, or a "
             "`ca_file` "
             "of its own\n"},
            {"[domain.\"a.example\"]\ntls = \"fingerprint\"\npins = [\"ab\"]",
             "sealpost.toml:3:9: key 'domain.\"a.example\".pins': 'ab' is no SHA-256 digest: 64 hexadecimal "
             "digits, or 44 characters of base64\n"},
            {"[domain.\"a.example\"]\ntls = \"secure\"\nca_file = \"\"",
             "sealpost.toml:3:11: key 'domain.\"a.example\".ca_file': the path is empty; leave the key out "
             "for "
             "tls.ca_file\n"},
            {"[domain.\"a.example\"]\nmin_tls = \"1.1\"",
             "sealpost.toml:2:11: key 'domain.\"a.example\".min_tls': expected one of \"1.2\", \"1.3\", "
             "found "
             "the text '1.1'; did you mean '1.2'?\n"},
            {"[domain.\"a.example\"]\ntls = \"may\"\nreason = \"x\"",
             "sealpost.toml:2:7: key 'domain.\"a.example\".tls': \"may\" lowers what the destination "
             "publishes: it needs a `reason` and a last day, `until`\n"},
            {"[domain.\"a.example\"]\ntls = \"none\"\nuntil = 2027-01-31",
             "sealpost.toml:2:7: key 'domain.\"a.example\".tls': \"none\" lowers what the destination "
             "publishes: it needs a `reason` and a last day, `until`\n"},
            {"[domain.\"a.example\"]\ntls = \"may\"\nreason = \"x\"\nuntil = \"2027-01-31\"",
             "sealpost.toml:2:7: key 'domain.\"a.example\".tls': \"may\" lowers what the destination "
             "publishes: it needs a `reason` and a last day, `until`\n"
             "sealpost.toml:4:9: key 'domain.\"a.example\".until': expected a date without quotes such as "
             "2027-01-31, found the text '2027-01-31'\n"},
            {"[domain.\"*\"]\ntls = \"may\"\nreason = \"x\"\nuntil = 2027-01-31",
             "sealpost.toml:2:7: key 'domain.\"*\".tls': \"may\" lowers what the destination publishes; it "
             "is "
             "for one domain, or the names below one, and not for all\n"},
            {"[domain.\"a.example\"]\ntls = \"may\"\nreason = \"x\"\nuntil = 2027-01-31\nobserve = true",
             "sealpost.toml:5:11: key 'domain.\"a.example\".observe': demands more, and tls = \"may\" less; "
             "leave one out\n"},
            {"[domain.\"a.example\"]\nuntil = 2027-01-31",
             "sealpost.toml:2:9: key 'domain.\"a.example\".until': has no effect with tls = \"auto\"; it "
             "goes "
             "with tls = \"may\" or tls = \"none\"\n"},
            {"[domain.\"a.example\"]\nroute = [\"relay.example\", \"[b.example]\"]",
             "sealpost.toml:2:9: key 'domain.\"a.example\".route': a name without brackets stands alone: its "
             "MX "
             "records say which hosts there are\n"},
            {"[domain.\"a.example\"]\nroute = [\"[192.0.2.1]\"]",
             "sealpost.toml:2:10: key 'domain.\"a.example\".route': '[192.0.2.1]' is an address, which no "
             "certificate can vouch for; expected a name such as \"relay.example\" (its MX hosts) or "
             "\"[relay.example]:587\" (this host itself)\n"},
            {"[domain.\"a.example\"]\nboth = 1",
             "sealpost.toml:2:8: key 'domain.\"a.example\".both': expected true or false, found the integer "
             "1\n"},
            {"[domain.\"a.example\"]\ncontact = 5",
             "sealpost.toml:2:11: key 'domain.\"a.example\".contact': expected a line of text, found the "
             "integer 5\n"},
        };
        for (const auto& row : rows) {
            CAPTURE(row.text);
            CHECK(problems_of(row.text) == row.problem);
        }
    }

    TEST_CASE("a rule has every attribute that it was given and config show gives it back") {
        const std::string pin(64, 'a');
        const ConfigFolder folder(
            "[domain.\"a.example\"]\ntls = \"fingerprint\"\npins = [\"" + pin +
            "\"]\nca_file = \"/etc/partner.pem\"\nmatch = [\"mx.a.example\"]\nmin_tls = \"1.3\"\nboth = "
            "true\nobserve = true\ninsecure_mx = false\nroute = [\"[r1.example]:587\", \"[r2.example]\"]\n"
            "[domain.\"old.example\"]\ntls = \"may\"\nreason = \"ticket 4711\"\nuntil = 2027-01-31\n"
            "route = [\"relay.example:2525\"]\n");
        CHECK(folder.problems() == "");
        const LoadedSettings loaded = folder.load().value();
        REQUIRE(loaded.settings.rules.size() == 2);
        const RuleSettings& a = loaded.settings.rules[0];
        CHECK(a.tls == TlsLevel::fingerprint);
        REQUIRE(a.pins.size() == 1);
        CHECK(a.pins[0].str() == pin);
        CHECK(a.ca_file == "/etc/partner.pem");
        CHECK(a.min_tls == TlsVersion::tls1_3);
        CHECK(a.both);
        CHECK(a.observe);
        CHECK(a.insecure_mx == false);
        REQUIRE(a.route.size() == 2);
        CHECK(a.route[0] == NextHop{Domain::parse("r1.example").value(), false, 587});
        CHECK(a.route[1] == NextHop{Domain::parse("r2.example").value(), false, 0});
        const RuleSettings& old = loaded.settings.rules[1];
        CHECK(old.reason == "ticket 4711");
        CHECK(old.until == std::chrono::sys_days(std::chrono::year(2027) / 1 / 31));
        CHECK(old.route[0] == NextHop{Domain::parse("relay.example").value(), true, 2525});
        // What is shown is a configuration again, and the same one.
        const ConfigFolder again(render_settings(loaded, false));
        CHECK(again.problems() == "");
        std::vector<RuleSettings> rules = again.load().value().settings.rules;
        for (std::size_t i = 0; i < rules.size(); ++i) {
            rules[i].file = loaded.settings.rules[i].file;
            rules[i].line = loaded.settings.rules[i].line;
        }
        CHECK(rules == loaded.settings.rules);
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
