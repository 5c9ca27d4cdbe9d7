#include "queue/manager.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using namespace std::chrono_literals;
using test::id_of;

namespace {

constexpr Instant noon{std::chrono::hours(12)};

DueRecipient due(std::int64_t message, std::uint32_t number, const std::string& domain) {
    DueRecipient r{.id = {id_of(message), number}, .recipient = {}};
    r.recipient.address = "user" + std::to_string(number) + "@" + domain;
    r.recipient.domain = domain;
    return r;
}

constexpr ManagerLimits small{.active = 100, .connections = 50, .recipients = 3, .run = 1};

/// So many connections to every destination.
LimitsOf connections(std::size_t count) {
    return [count](const std::string&) { return DestinationLimits{.connections = count, .rate = {}}; };
}

Delivery only(const std::optional<Run>& run) {
    REQUIRE(run);
    REQUIRE(run->deliveries.size() == 1);
    return run->deliveries.front();
}

std::vector<RecipientId> done(Manager& m, const Run& run, RunEnd end = RunEnd::delivered,
                              const char* mx = "") {
    return m.finished(run, end, mx, noon);
}

}  // namespace

TEST_SUITE("queue/manager") {
    TEST_CASE("a delivery is one message to one destination with a bounded number of recipients [SMTP-19]") {
        Manager m{small, connections(2)};
        for (std::uint32_t n = 0; n < 5; ++n)
            REQUIRE(m.add(due(1, n, "a.example"), noon) == Manager::Add::added);
        REQUIRE(m.add(due(1, 5, "b.example"), noon) == Manager::Add::added);
        REQUIRE(m.add(due(2, 0, "a.example"), noon) == Manager::Add::added);
        const Run first = m.next(noon).value();
        CHECK(first.domain == "a.example");
        CHECK(only(first).message == id_of(1));
        CHECK(only(first).recipients.size() == 3);
        const Run second = m.next(noon).value();
        CHECK(second.domain == "b.example");
        const Run third = m.next(noon).value();
        CHECK(third.domain == "a.example");
        CHECK(only(third).recipients.size() == 2);
        CHECK_FALSE(m.next(noon));  // two in flight to a.example
        done(m, first);
        const Run fourth = m.next(noon).value();
        CHECK(only(fourth).message == id_of(2));
        for (const auto& run : {second, third, fourth}) done(m, run);
        CHECK(m.active() == 0);
        CHECK(m.in_flight() == 0);
        CHECK(m.room() == 100);
    }

    TEST_CASE("a connection gets several messages when more wait than connections may be opened") {
        Manager m{{.active = 1000, .connections = 50, .recipients = 10, .run = 8}, connections(2)};
        for (std::int64_t id = 1; id <= 3; ++id)
            REQUIRE(m.add(due(id, 0, "a.example"), noon) == Manager::Add::added);
        CHECK(m.next(noon)->deliveries.size() == 1);
        for (std::int64_t id = 4; id <= 40; ++id)
            REQUIRE(m.add(due(id, 0, "a.example"), noon) == Manager::Add::added);
        const Run run = m.next(noon).value();
        REQUIRE(run.deliveries.size() == 8);
        for (std::size_t i = 0; i < 8; ++i)
            CHECK(run.deliveries[i].message == id_of(static_cast<std::int64_t>(i) + 2));
        CHECK_FALSE(m.next(noon));
        done(m, run);
        CHECK(m.active() == 32);
    }

    TEST_CASE("what is in memory travels with its message alone") {
        Manager m{small, connections(2)};
        const auto kept = std::make_shared<const StoredMessage>(
            StoredMessage{.id = id_of(1), .envelope = {}, .body = "kept"});
        REQUIRE(m.add(due(1, 0, "a.example"), noon, kept) == Manager::Add::added);
        REQUIRE(m.add(due(2, 0, "a.example"), noon) == Manager::Add::added);
        CHECK(only(m.next(noon)).in_memory == kept);
        CHECK(only(m.next(noon)).in_memory == nullptr);
    }

    TEST_CASE("a single mail is next after one turn though another destination has many waiting") {
        Manager m{{.active = 20'000, .connections = 500, .recipients = 1, .run = 8}, connections(20)};
        std::uint32_t taken = 0;
        for (std::uint32_t n = 0; n < 100'000; ++n)
            if (m.add(due(n + 1, 0, "big.example"), noon) == Manager::Add::added) ++taken;
        CHECK(taken == 10'000);  // as many as there is room left
        CHECK(m.saturated() == std::set<std::string>{"big.example"});
        for (int i = 0; i < 2; ++i) CHECK(m.next(noon)->domain == "big.example");
        REQUIRE(m.add(due(200'000, 0, "small.example"), noon) == Manager::Add::added);
        std::vector<std::string> order;
        order.push_back(m.next(noon)->domain);
        order.push_back(m.next(noon)->domain);
        CHECK(std::count(order.begin(), order.end(), "small.example") == 1);
    }

    TEST_CASE("several greedy destinations together leave room for a new one") {
        Manager m{{.active = 1000, .connections = 10, .recipients = 10, .run = 1}, connections(1)};
        for (int round = 0; round < 1000; ++round)
            for (int d = 0; d < 9; ++d)
                static_cast<void>(
                    m.add(due(round * 9 + d + 1, 0, "d" + std::to_string(d) + ".example"), noon));
        CHECK(m.room() > 0);
        CHECK(m.saturated().size() == 9);
        CHECK(m.add(due(100'000, 0, "new.example"), noon) == Manager::Add::added);
        CHECK(m.room_for("new.example") > 0);
    }

    TEST_CASE("a destination that is dead rests, and then one connection has to show that it is back") {
        Manager m{small, connections(2)};
        for (std::int64_t id = 1; id <= 4; ++id)
            REQUIRE(m.add(due(id, 0, "dead.example"), noon) == Manager::Add::added);
        const Run other = m.next(noon).value();
        const Run flying = m.next(noon).value();
        const auto back = done(m, flying, RunEnd::dead);
        CHECK(back.size() == 2);
        CHECK_FALSE(m.next(noon));
        CHECK(m.add(due(9, 0, "dead.example"), noon) == Manager::Add::resting);
        const Instant end = noon + 60s;
        CHECK(m.rest_until("dead.example", noon) == end);
        CHECK(m.next_change() == end);
        done(m, other, RunEnd::nothing);
        CHECK(m.active() == 0);
        CHECK_FALSE(m.rest_until("dead.example", end));
        for (std::int64_t id = 1; id <= 4; ++id)
            REQUIRE(m.add(due(id, 0, "dead.example"), end) == Manager::Add::added);
        const Run probe = m.next(end).value();
        CHECK(probe.make == 1);
        CHECK(probe.deliveries.size() == 4);  // for what has become due of them, should it be dead again
        CHECK_FALSE(m.next(end));             // one connection alone
        CHECK(m.add(due(5, 0, "dead.example"), end) == Manager::Add::added);
        CHECK_FALSE(m.next(end));
        SUBCASE("it is: more connections") {
            CHECK(m.finished(probe, RunEnd::delivered, "", end).empty());
            for (std::int64_t id = 1; id <= 4; ++id)
                REQUIRE(m.add(due(id, 0, "dead.example"), end) == Manager::Add::added);
            CHECK(m.next(end)->deliveries.size() == 1);
            CHECK(m.next(end));
            CHECK_FALSE(m.next(end));
        }
        SUBCASE("it is not: a longer rest") {
            CHECK(m.finished(probe, RunEnd::dead, "", end).size() == 1);
            CHECK(m.rest_until("dead.example", end) == end + 120s);
            m.end_rests();
            CHECK_FALSE(m.rest_until("dead.example", end));
        }
    }

    TEST_CASE("several runs that find a destination dead at once begin one rest") {
        Manager m{small, connections(5)};
        std::vector<Run> runs;
        for (std::int64_t id = 1; id <= 5; ++id) {
            REQUIRE(m.add(due(id, 0, "dead.example"), noon) == Manager::Add::added);
            runs.push_back(m.next(noon).value());
        }
        for (const Run& run : runs) done(m, run, RunEnd::dead);
        CHECK(m.rest_until("dead.example", noon) == noon + 60s);
        CHECK(m.active() == 0);
    }

    TEST_CASE("trouble closes connections, and other destinations do not notice") {
        Manager m{{.active = 1000, .connections = 500, .recipients = 1, .run = 1}, connections(4)};
        for (std::int64_t id = 1; id <= 50; ++id) {
            REQUIRE(m.add(due(id, 0, "a.example"), noon) == Manager::Add::added);
            REQUIRE(m.add(due(id, 1, "b.example"), noon) == Manager::Add::added);
        }
        std::vector<Run> a;
        std::vector<Run> b;
        while (auto run = m.next(noon)) (run->domain == "a.example" ? a : b).push_back(*run);
        CHECK(a.size() == 4);
        CHECK(b.size() == 4);
        for (const Run& run : a) done(m, run, RunEnd::trouble);
        std::size_t again = 0;
        while (auto run = m.next(noon)) again += run->domain == "a.example" ? 1U : 0U;
        CHECK(again == 2);
    }

    TEST_CASE("a rate spaces the messages of its destination and nobody else's") {
        Manager m{{.active = 100, .connections = 50, .recipients = 1, .run = 8},
                  [](const std::string& domain) {
                      DestinationLimits limits;
                      if (domain == "slow.example") limits.rate = Rate{20, 1min};
                      return limits;
                  }};
        for (std::int64_t id = 1; id <= 3; ++id)
            REQUIRE(m.add(due(id, 0, "slow.example"), noon) == Manager::Add::added);
        REQUIRE(m.add(due(9, 0, "fast.example"), noon) == Manager::Add::added);
        const Run first = m.next(noon).value();
        CHECK(first.domain == "slow.example");
        CHECK(first.deliveries.size() == 1);
        CHECK(m.next(noon)->domain == "fast.example");
        CHECK_FALSE(m.next(noon));
        done(m, first);
        CHECK_FALSE(m.next(noon + 2s));
        CHECK(m.next_change() == noon + 3s);
        CHECK(m.next(noon + 3s)->domain == "slow.example");
        CHECK_FALSE(m.next(noon + 3s));
        CHECK(m.next(noon + 6s));
    }

    TEST_CASE("the rate over all destinations holds for each start") {
        Manager m{{.active = 100, .connections = 50, .recipients = 1, .run = 8, .rate = Rate{1, 1s}}};
        for (std::int64_t id = 1; id <= 3; ++id)
            REQUIRE(m.add(due(id, 0, "d" + std::to_string(id)), noon) == Manager::Add::added);
        CHECK(m.next(noon));
        CHECK_FALSE(m.next(noon));
        CHECK(m.next_change() == noon + 1s);
        CHECK(m.next(noon + 1s));
        CHECK_FALSE(m.next(noon + 1s));
    }

    TEST_CASE("destinations of one MX set share its connections, and stand in line for them") {
        Manager m{{.active = 1000, .connections = 500, .recipients = 1, .run = 1, .connections_per_mx = 3},
                  connections(2)};
        const std::array<std::string, 3> domains{"a.example", "b.example", "c.example"};
        std::int64_t id = 0;
        const auto add_all = [&] {
            for (const std::string& domain : domains)
                REQUIRE(m.add(due(++id, 0, domain), noon) == Manager::Add::added);
        };
        add_all();
        std::vector<Run> runs;
        while (auto run = m.next(noon)) runs.push_back(*run);
        CHECK(runs.size() == 3);  // nothing is known of them yet
        for (const Run& run : runs) done(m, run, RunEnd::delivered, "mx.example");
        runs.clear();
        for (int i = 0; i < 3; ++i) add_all();
        while (auto run = m.next(noon)) runs.push_back(*run);
        REQUIRE(runs.size() == 3);
        std::size_t started = 3;
        while (!runs.empty()) {
            const Run run = runs.back();
            runs.pop_back();
            done(m, run, RunEnd::delivered, "mx.example");
            while (auto more = m.next(noon)) {
                runs.push_back(*more);
                ++started;
            }
            CHECK(runs.size() <= 3);
        }
        CHECK(started == 9);
        CHECK(m.active() == 0);
    }

    TEST_CASE("a recipient is in the set once") {
        Manager m{small};
        REQUIRE(m.add(due(1, 0, "a.example"), noon) == Manager::Add::added);
        CHECK(m.add(due(1, 0, "a.example"), noon) == Manager::Add::present);
        const Run run = m.next(noon).value();
        CHECK(m.add(due(1, 0, "a.example"), noon) == Manager::Add::present);
        done(m, run);
        CHECK(m.add(due(1, 0, "a.example"), noon) == Manager::Add::added);
    }

    TEST_CASE("the number of connections is limited over all destinations") {
        Manager m{{.active = 100, .connections = 3, .recipients = 1, .run = 1}, connections(2)};
        for (int i = 1; i <= 10; ++i) static_cast<void>(m.add(due(i, 0, "d" + std::to_string(i)), noon));
        CHECK(m.next(noon));
        CHECK(m.next(noon));
        const auto third = m.next(noon);
        CHECK(third);
        CHECK_FALSE(m.next(noon));
        done(m, *third);
        CHECK(m.next(noon));
    }

    TEST_CASE("a parked destination is asked for again when it has room") {
        Manager m{{.active = 10, .connections = 10, .recipients = 2, .run = 1}, connections(10)};
        std::vector<std::int64_t> parked;
        for (std::int64_t id = 1; id <= 8; ++id)
            if (m.add(due(id, 0, "a.example"), noon) == Manager::Add::saturated) parked.push_back(id);
        CHECK(parked.size() == 3);
        CHECK_FALSE(m.hungry());
        std::vector<Run> flying;
        while (auto run = m.next(noon)) flying.push_back(*run);
        for (const Run& run : flying) done(m, run);
        CHECK(m.hungry() == "a.example");
        CHECK(m.room_for("a.example") == 5);
        m.parked_none("a.example");
        CHECK_FALSE(m.hungry());
    }

    TEST_CASE("new rules count for connections that are opened from then on") {
        std::size_t allowed = 1;
        Manager m{{.active = 100, .connections = 50, .recipients = 1, .run = 1},
                  [&](const std::string&) { return DestinationLimits{.connections = allowed, .rate = {}}; }};
        for (std::int64_t id = 1; id <= 5; ++id)
            REQUIRE(m.add(due(id, 0, "a.example"), noon) == Manager::Add::added);
        const Run first = m.next(noon).value();
        CHECK_FALSE(m.next(noon));
        allowed = 3;
        m.renew_limits();
        done(m, first);
        CHECK(m.next(noon));
        CHECK(m.next(noon));
    }

    TEST_CASE("draining gives back all that is not in flight") {
        Manager m{small};
        for (std::int64_t id = 1; id <= 6; ++id)
            static_cast<void>(m.add(due(id, 0, id % 2 == 0 ? "a.example" : "b.example"), noon));
        const Run flying = m.next(noon).value();
        CHECK(m.drain().size() == 5);
        CHECK_FALSE(m.next(noon));
        CHECK(m.active() == 1);
        done(m, flying);
        CHECK(m.active() == 0);
    }
}

}  // namespace sealpost::queue
