#include "security/rules.hpp"

#include <doctest/doctest.h>

#include "support/answers.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

using namespace std::chrono_literals;
constexpr std::chrono::sys_days today = 2026y / 11 / 24;

RuleSettings rule(std::string pattern, TlsLevel level, std::vector<std::string> match = {}) {
    RuleSettings out;
    out.pattern = std::move(pattern);
    out.tls = level;
    out.match = std::move(match);
    out.file = "domains.d/a.toml";
    out.line = 7;
    return out;
}

}  // namespace

TEST_SUITE("security/rules") {
    TEST_CASE("the exact name is found before the longest suffix and before the default [TLS-10 COMB-08]") {
        const RuleTable table =
            RuleTable::build({rule("*", TlsLevel::encrypt), rule(".example.org", TlsLevel::authenticated),
                              rule(".sub.example.org", TlsLevel::automatic),
                              rule("example.org", TlsLevel::dane_only),
                              rule("a.sub.example.org", TlsLevel::encrypt)})
                .value();
        struct Row {
            std::string domain;
            const char* pattern;
        };
        for (const Row& row :
             {Row{"example.org", "example.org"}, Row{"www.example.org", ".example.org"},
              Row{"a.b.example.org", ".example.org"}, Row{"sub.example.org", ".example.org"},
              Row{"b.sub.example.org", ".sub.example.org"}, Row{"a.b.sub.example.org", ".sub.example.org"},
              Row{"a.sub.example.org", "a.sub.example.org"}, Row{"notexample.org", "*"}, Row{"org", "*"},
              Row{"example.org.example", "*"}, Row{"EXAMPLE.Org", "example.org"}}) {
            CAPTURE(row.domain);
            CHECK(table.find(domain(row.domain), today).pattern == row.pattern);
        }
    }

    TEST_CASE("without a rule the built-in one is automatic") {
        const RuleTable table = RuleTable::build({rule(".example.org", TlsLevel::encrypt)}).value();
        const Rule& found = table.find(domain("example.org"), today);  // the suffix means names below only
        CHECK(found.pattern.empty());
        CHECK(found.tls == TlsLevel::automatic);
        CHECK(found.describe() == "the built-in default rule");
        CHECK(RuleTable::build({}).value().find(domain("org"), today).tls == TlsLevel::automatic);
    }

    TEST_CASE("a name in match stands for itself or for every name below it") {
        const RuleTable table = RuleTable::build({rule("example.org", TlsLevel::authenticated,
                                                       {"mx.example.net", ".provider.example"})})
                                    .value();
        const Rule& found = table.find(domain("example.org"), today);
        REQUIRE(found.match.size() == 2);
        CHECK(found.describe() == "rule 'example.org' (domains.d/a.toml:7)");
        struct Row {
            std::string host;
            bool matches;
        };
        for (const Row& row :
             {Row{"mx.example.net", true}, Row{"a.mx.example.net", false}, Row{"amx.example.net", false},
              Row{"provider.example", false}, Row{"a.provider.example", true},
              Row{"a.b.provider.example", true}, Row{"aprovider.example", false}}) {
            CAPTURE(row.host);
            CHECK((found.match[0].matches(domain(row.host)) || found.match[1].matches(domain(row.host))) ==
                  row.matches);
        }
    }

    TEST_CASE("a pattern or a match that is no name is a configuration error") {
        for (const RuleSettings& bad :
             {rule("", TlsLevel::encrypt), rule(".", TlsLevel::encrypt),
              rule("*.example.org", TlsLevel::encrypt), rule("a b", TlsLevel::encrypt),
              rule("example.org", TlsLevel::authenticated, {"*"}),
              rule("example.org", TlsLevel::authenticated, {""})}) {
            CAPTURE(bad.pattern);
            const Result<RuleTable> table = RuleTable::build({bad});
            REQUIRE_FALSE(table);
            CHECK(table.error().code == Errc::configuration);
        }
    }

}  // TEST_SUITE("security/rules")
