#include "queue/sts_cache.hpp"

#include <doctest/doctest.h>

#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using namespace std::chrono_literals;
using test::committed;
using test::noon;
using test::open_store;
using test::TempDirectory;
using test::value;

namespace {

Domain domain(const std::string& name) {
    return Domain::parse(name).value();
}

std::string body(const std::string& mode, int max_age = 86400) {
    return "version: STSv1\r\nmode: " + mode +
           "\r\nmx: mx.example.net\r\nmax_age: " + std::to_string(max_age) + "\r\n";
}

Result<void> put(Store& store, const std::string& name, const std::string& text, Time at = noon) {
    const auto policy = value(security::parse_sts_policy(text));
    return committed(store,
                     [&] { return store.sts_cache().put(domain(name), "id1", text, policy, at, {}, 0.0); });
}

std::optional<CachedStsPolicy> fail_fetch(Store& store, const std::string& name, const std::string& why,
                                          Time at) {
    return value(
        committed(store, [&] { return store.sts_cache().note_failure(domain(name), why, at, {}, 0.0); }));
}

std::optional<CachedStsPolicy> get(Store& store, const std::string& name, Time at = noon) {
    return value(store.sts_cache().get(domain(name), at));
}

}  // namespace

TEST_SUITE("queue/sts_cache") {
    TEST_CASE("a policy survives the restart and ends with its max_age [STS-48 STS-49 STS-50]") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            REQUIRE(put(store, "example.net", body("enforce")));
        }
        Store store = open_store(dir, noon + 1h);
        const auto cached = get(store, "example.net", noon + 24h - 1s);
        REQUIRE(cached);
        CHECK(cached->policy.mode == security::StsMode::enforce);
        CHECK(cached->id == "id1");
        CHECK(cached->body == body("enforce"));
        CHECK(cached->fetched_at == noon);
        CHECK(cached->expires_at == noon + 24h);
        CHECK_FALSE(get(store, "example.net", noon + 24h));
        CHECK_FALSE(get(store, "other.example"));
        REQUIRE(put(store, "example.net", body("enforce"), noon + 12h));
        CHECK(get(store, "example.net", noon + 30h));
    }

    TEST_CASE("a successful fetch replaces at once and a failure replaces nothing [STS-52 STS-55]") {
        TempDirectory dir;
        Store store = open_store(dir);
        REQUIRE(put(store, "example.net", body("enforce")));
        REQUIRE(fail_fetch(store, "example.net", "connection refused", noon + 1h));
        auto cached = get(store, "example.net");
        REQUIRE(cached);
        CHECK(cached->policy.mode == security::StsMode::enforce);
        CHECK(cached->last_failure == noon + 1h);
        CHECK(cached->last_error == "connection refused");
        REQUIRE(put(store, "example.net", body("none", 3600), noon + 2h));
        cached = get(store, "example.net", noon + 2h);
        REQUIRE(cached);
        CHECK(cached->policy.mode == security::StsMode::none);
        CHECK(cached->expires_at == noon + 3h);
        CHECK_FALSE(cached->last_failure);
    }

    TEST_CASE("after the clock was set back no policy is valid longer than its max_age [STS-56]") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            REQUIRE(put(store, "example.net", body("enforce")));
        }
        Store store = open_store(dir, noon - 10000h);
        CHECK(get(store, "example.net", noon - 10000h));
        CHECK_FALSE(get(store, "example.net", noon - 10000h + 24h));
    }

    TEST_CASE("a full cache gives up weaker policies and never one in force [STS-57]") {
        TempDirectory dir;
        StoreOptions options = test::options_for(dir.path());
        options.max_sts_policies = 3;
        Store store = value(Store::open(options, noon));
        REQUIRE(put(store, "none.example", body("none")));
        REQUIRE(put(store, "testing.example", body("testing")));
        REQUIRE(put(store, "a.example", body("enforce")));
        REQUIRE(put(store, "b.example", body("enforce")));
        CHECK_FALSE(get(store, "none.example"));
        CHECK(get(store, "testing.example"));
        REQUIRE(put(store, "c.example", body("enforce")));
        CHECK_FALSE(get(store, "testing.example"));
        for (int i = 0; i < 10; ++i) {
            const auto refused = put(store, "flood" + std::to_string(i) + ".example", body("enforce"));
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code == Errc::full);
        }
        for (const char* name : {"a.example", "b.example", "c.example"}) CHECK(get(store, name));
        REQUIRE(put(store, "a.example", body("testing")));              // a known one can always change
        REQUIRE(put(store, "late.example", body("none"), noon + 25h));  // expired ones make way
        CHECK(get(store, "late.example", noon + 25h));
    }

    TEST_CASE("policies are due for a refresh a day after the fetch and after a failure soon [STS-53]") {
        TempDirectory dir;
        Store store = open_store(dir);
        REQUIRE(put(store, "old.example", body("enforce", 864000)));
        REQUIRE(put(store, "new.example", body("enforce", 864000), noon + 20h));
        CHECK(value(store.sts_cache().next_due(noon + 20h)) == noon + 24h);
        CHECK(value(store.sts_cache().due(10, noon + 24h - 1ms)).policies.empty());
        auto page = value(store.sts_cache().due(10, noon + 24h));
        REQUIRE(page.policies.size() == 1);
        CHECK(page.policies[0].domain.str() == "old.example");
        CHECK(value(store.sts_cache().due(1, noon + 48h)).policies.size() == 1);
        CHECK_FALSE(value(store.sts_cache().due(1, noon + 48h)).next);

        const auto noted = fail_fetch(store, "old.example", "timeout", noon + 24h);
        REQUIRE(noted);
        CHECK(noted->refresh_at == noon + 24h + 5min);
        CHECK(value(store.sts_cache().due(10, noon + 24h)).policies.empty());
        CHECK(value(store.sts_cache().due(10, noon + 24h + 5min)).policies.size() == 1);
        REQUIRE(put(store, "old.example", body("enforce", 864000), noon + 25h));
        CHECK(value(store.sts_cache().due(10, noon + 44h - 1ms)).policies.empty());
        CHECK(value(store.sts_cache().list("", 10, noon + 24h)).policies.size() == 2);
        // An expired one is nothing to refresh.
        CHECK(value(store.sts_cache().due(10, noon + 24h * 30)).policies.empty());
        CHECK_FALSE(value(store.sts_cache().next_due(noon + 24h * 30)));
    }

    TEST_CASE("policies of a database without refresh times are kept and refreshed at once [STS-50 STS-53]") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            REQUIRE(put(store, "example.net", body("enforce", 864000)));
        }
        {
            Database db = value(Database::open(dir.database(), Database::Mode::read_write));
            REQUIRE(db.exec(test::undo_schema_4));
            REQUIRE(
                db.exec("DROP INDEX sts_policy_refresh; DROP INDEX sts_policy_failing;"
                        "ALTER TABLE sts_policy DROP COLUMN refresh_at;"
                        "ALTER TABLE sts_policy DROP COLUMN failures;"
                        "ALTER TABLE sts_policy DROP COLUMN failing_since;"
                        "CREATE INDEX sts_policy_refresh ON sts_policy (fetched_at);"
                        "PRAGMA user_version = 2"));
        }
        Store store = open_store(dir, noon + 1h);
        CHECK(get(store, "example.net", noon + 1h)->expires_at == noon + 240h);
        CHECK(value(store.sts_cache().due(10, noon + 1h)).policies.size() == 1);
    }

    TEST_CASE("since when a refresh fails outlives a restart and ends with a success [STS-54]") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            REQUIRE(put(store, "example.net", body("enforce", 864000)));
            REQUIRE(fail_fetch(store, "example.net", "HTTP 404", noon + 24h));
        }
        Store store = open_store(dir, noon + 25h);
        const auto noted = fail_fetch(store, "example.net", "HTTP 500", noon + 26h);
        REQUIRE(noted);
        CHECK(noted->failures == 2);
        CHECK(noted->failing_since == noon + 24h);
        CHECK(noted->last_failure == noon + 26h);
        const auto state = get(store, "example.net", noon + 26h)->refresh_state();
        CHECK(state.failures == 2);
        CHECK(state.failing_since == noon + 24h);
        CHECK(state.last_try == noon + 26h);
        CHECK(state.expires == noon + 240h);
        REQUIRE(put(store, "example.net", body("enforce", 864000), noon + 27h));
        CHECK(get(store, "example.net", noon + 27h)->failures == 0);
        CHECK_FALSE(get(store, "example.net", noon + 27h)->failing_since);
        CHECK_FALSE(fail_fetch(store, "nobody.example", "HTTP 404", noon));
    }

    TEST_CASE("the counts are of what is in force and fails where that matters [STS-54]") {
        TempDirectory dir;
        Store store = open_store(dir);
        for (const char* mode : {"none", "testing", "enforce"})
            for (const char* name : {"good", "failing"}) {
                const std::string domain = std::string(name) + "." + mode + ".example";
                REQUIRE(put(store, domain, body(mode)));
                if (name[0] == 'f') REQUIRE(fail_fetch(store, domain, "HTTP 404", noon + 1h));
            }
        REQUIRE(put(store, "short.example", body("enforce", 60)));
        const StsCounts counts = value(store.sts_cache().counts(noon + 1h));
        CHECK(counts.cached == 6);
        CHECK(counts.enforced == 2);
        CHECK(counts.refresh_failing == 2);
        CHECK(value(store.sts_cache().counts(noon)).enforced == 3);
    }

    TEST_CASE("a clock that is set back while we run prolongs nothing and stops no refresh [STS-56]") {
        TempDirectory dir;
        Store store = open_store(dir);
        REQUIRE(put(store, "fresh.example", body("enforce", 864000)));
        REQUIRE(put(store, "failing.example", body("enforce", 864000), noon - 9h));
        REQUIRE(fail_fetch(store, "failing.example", "timeout", noon));
        const Time back = noon - 8h;
        REQUIRE(committed(store, [&] { return store.sts_cache().mend_clock(back); }));
        CHECK(get(store, "fresh.example", back)->expires_at == back + 240h);
        CHECK(get(store, "failing.example", back)->expires_at == noon - 9h + 240h);
        CHECK(get(store, "failing.example", back)->failing_since == back);
        CHECK(value(store.sts_cache().due(10, back)).policies.size() == 2);
    }

    TEST_CASE("the list goes on after a full page and passes over expired policies") {
        TempDirectory dir;
        Store store = open_store(dir);
        for (const char* name : {"a.example", "b.example", "c.example"})
            REQUIRE(put(store, name, body("enforce", name[0] == 'b' ? 60 : 86400)));
        auto page = value(store.sts_cache().list("", 2, noon + 1h));
        CHECK(page.policies.size() == 1);
        REQUIRE(page.next == "b.example");
        page = value(store.sts_cache().list(*page.next, 2, noon + 1h));
        CHECK(page.policies.size() == 1);
        CHECK_FALSE(page.next);
    }

    TEST_CASE("a damaged policy is an error and not the absence of a policy") {
        TempDirectory dir;
        Store store = open_store(dir);
        REQUIRE(put(store, "example.net", body("enforce")));
        const char* sql = "";
        SUBCASE("body") {
            sql = "UPDATE sts_policy SET body = x'00'";
        }
        SUBCASE("date") {
            sql = "UPDATE sts_policy SET fetched_at = -1";
        }
        Database db = value(Database::open(dir.database(), Database::Mode::read_write));
        REQUIRE(db.exec(sql));
        CHECK_FALSE(store.sts_cache().get(domain("example.net"), noon));
        const auto page = value(store.sts_cache().list("", 10, noon));
        CHECK(page.damaged == std::vector<std::string>{"example.net"});
    }

    TEST_CASE("a row cannot make a policy last longer than its own text says") {
        TempDirectory dir;
        Store store = open_store(dir);
        REQUIRE(put(store, "example.net", body("enforce")));
        Database db = value(Database::open(dir.database(), Database::Mode::read_write));
        REQUIRE(db.exec("UPDATE sts_policy SET expires_at = 253402300799000"));
        CHECK_FALSE(get(store, "example.net", noon + 24h));
    }
}

}  // namespace sealpost::queue
