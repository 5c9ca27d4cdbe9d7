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
    return committed(store, [&] { return store.sts_cache().put(domain(name), "id1", text, policy, at); });
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
        REQUIRE(committed(store, [&] {
            return store.sts_cache().note_failure(domain("example.net"), "connection refused", noon + 1h);
        }));
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

    TEST_CASE("policies not fetched for a day are listed for a refresh once a try [STS-53]") {
        TempDirectory dir;
        Store store = open_store(dir);
        REQUIRE(put(store, "old.example", body("enforce", 864000)));
        REQUIRE(put(store, "new.example", body("enforce", 864000), noon + 20h));
        auto page = value(store.sts_cache().fetched_before(noon + 1h, 10, noon + 24h));
        REQUIRE(page.policies.size() == 1);
        CHECK(page.policies[0].domain.str() == "old.example");
        REQUIRE(committed(store, [&] {
            return store.sts_cache().note_failure(domain("old.example"), "timeout", noon + 24h);
        }));
        CHECK(value(store.sts_cache().fetched_before(noon + 1h, 10, noon + 24h)).policies.empty());
        CHECK(value(store.sts_cache().list("", 10, noon + 24h)).policies.size() == 2);
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
