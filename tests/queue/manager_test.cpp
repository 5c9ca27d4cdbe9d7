#include "queue/manager.hpp"

#include <doctest/doctest.h>

#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using namespace std::chrono_literals;
using test::id_of;
using test::noon;

namespace {

DueRecipient due(std::int64_t message, std::uint32_t number, const std::string& domain) {
    DueRecipient r{.id = {id_of(message), number}, .recipient = {}};
    r.recipient.address = "user" + std::to_string(number) + "@" + domain;
    r.recipient.domain = domain;
    return r;
}

constexpr ManagerLimits small{.active = 100, .deliveries = 50, .per_destination = 2, .recipients = 3};

}  // namespace

TEST_SUITE("queue/manager") {
    TEST_CASE("a delivery is one message to one destination with a bounded number of recipients [SMTP-19]") {
        Manager m{small};
        for (std::uint32_t n = 0; n < 5; ++n)
            REQUIRE(m.add(due(1, n, "a.example"), noon) == Manager::Add::added);
        REQUIRE(m.add(due(1, 5, "b.example"), noon) == Manager::Add::added);
        REQUIRE(m.add(due(2, 0, "a.example"), noon) == Manager::Add::added);
        const auto first = m.next(noon).value();
        CHECK(first.domain == "a.example");
        CHECK(first.message == id_of(1));
        CHECK(first.recipients.size() == 3);
        const auto second = m.next(noon).value();
        CHECK(second.domain == "b.example");
        const auto third = m.next(noon).value();
        CHECK(third.domain == "a.example");
        CHECK(third.recipients.size() == 2);
        CHECK_FALSE(m.next(noon));  // two in flight to a.example
        m.finished(first);
        const auto fourth = m.next(noon).value();
        CHECK(fourth.message == id_of(2));
        for (const auto& d : {second, third, fourth}) m.finished(d);
        CHECK(m.active() == 0);
        CHECK(m.in_flight() == 0);
        CHECK(m.room() == 100);
    }

    TEST_CASE("a single mail is next after one turn though another destination has many waiting") {
        Manager m{{.active = 20'000, .deliveries = 500, .per_destination = 10, .recipients = 1}};
        std::uint32_t taken = 0;
        for (std::uint32_t n = 0; n < 100'000; ++n)
            if (m.add(due(n + 1, 0, "big.example"), noon) == Manager::Add::added) ++taken;
        CHECK(taken == 10'000);  // as many as there is room left
        CHECK(m.saturated() == std::set<std::string>{"big.example"});
        for (int i = 0; i < 5; ++i) CHECK(m.next(noon)->domain == "big.example");
        REQUIRE(m.add(due(200'000, 0, "small.example"), noon) == Manager::Add::added);
        std::vector<std::string> order;
        order.push_back(m.next(noon)->domain);
        order.push_back(m.next(noon)->domain);
        CHECK(std::count(order.begin(), order.end(), "small.example") == 1);
    }

    TEST_CASE("several greedy destinations together leave room for a new one") {
        Manager m{{.active = 1000, .deliveries = 10, .per_destination = 1, .recipients = 10}};
        for (int round = 0; round < 1000; ++round)
            for (int d = 0; d < 9; ++d)
                static_cast<void>(
                    m.add(due(round * 9 + d + 1, 0, "d" + std::to_string(d) + ".example"), noon));
        CHECK(m.room() > 0);
        CHECK(m.saturated().size() == 9);
        CHECK(m.add(due(100'000, 0, "new.example"), noon) == Manager::Add::added);
        CHECK(m.room_for("new.example") > 0);
    }

    TEST_CASE("a destination that rests is not tried and gives its recipients back") {
        Manager m{small};
        for (std::int64_t id = 1; id <= 4; ++id)
            REQUIRE(m.add(due(id, 0, "dead.example"), noon) == Manager::Add::added);
        const auto flying = m.next(noon).value();
        const auto back = m.rest("dead.example", noon + 10min);
        CHECK(back.size() == 3);
        CHECK_FALSE(m.next(noon));
        CHECK(m.add(due(9, 0, "dead.example"), noon) == Manager::Add::resting);
        CHECK(m.rest_until("dead.example", noon) == noon + 10min);
        m.finished(flying);
        CHECK(m.active() == 0);
        CHECK_FALSE(m.rest_until("dead.example", noon + 10min));
        CHECK(m.add(due(9, 0, "dead.example"), noon + 10min) == Manager::Add::added);
        CHECK(m.next(noon + 10min)->message == id_of(9));
    }

    TEST_CASE("a recipient is in the set once") {
        Manager m{small};
        REQUIRE(m.add(due(1, 0, "a.example"), noon) == Manager::Add::added);
        CHECK(m.add(due(1, 0, "a.example"), noon) == Manager::Add::present);
        const auto d = m.next(noon).value();
        CHECK(m.add(due(1, 0, "a.example"), noon) == Manager::Add::present);
        m.finished(d);
        CHECK(m.add(due(1, 0, "a.example"), noon) == Manager::Add::added);
    }

    TEST_CASE("the number of deliveries under way is limited over all destinations") {
        Manager m{{.active = 100, .deliveries = 3, .per_destination = 2, .recipients = 1}};
        for (int i = 1; i <= 10; ++i) static_cast<void>(m.add(due(i, 0, "d" + std::to_string(i)), noon));
        CHECK(m.next(noon));
        CHECK(m.next(noon));
        const auto third = m.next(noon);
        CHECK(third);
        CHECK_FALSE(m.next(noon));
        m.finished(*third);
        CHECK(m.next(noon));
    }

    TEST_CASE("a parked destination is asked for again when it has room") {
        Manager m{{.active = 10, .deliveries = 10, .per_destination = 10, .recipients = 2}};
        std::vector<std::int64_t> parked;
        for (std::int64_t id = 1; id <= 8; ++id)
            if (m.add(due(id, 0, "a.example"), noon) == Manager::Add::saturated) parked.push_back(id);
        CHECK(parked.size() == 3);
        CHECK_FALSE(m.hungry());
        std::vector<Delivery> flying;
        while (auto d = m.next(noon)) flying.push_back(*d);
        for (const auto& d : flying) m.finished(d);
        CHECK(m.hungry() == "a.example");
        CHECK(m.room_for("a.example") == 5);
        m.parked_none("a.example");
        CHECK_FALSE(m.hungry());
    }

    TEST_CASE("draining gives back all that is not in flight") {
        Manager m{small};
        for (std::int64_t id = 1; id <= 6; ++id)
            static_cast<void>(m.add(due(id, 0, id % 2 == 0 ? "a.example" : "b.example"), noon));
        const auto flying = m.next(noon).value();
        CHECK(m.drain().size() == 5);
        CHECK_FALSE(m.next(noon));
        CHECK(m.active() == 1);
        m.finished(flying);
        CHECK(m.active() == 0);
    }
}

}  // namespace sealpost::queue
