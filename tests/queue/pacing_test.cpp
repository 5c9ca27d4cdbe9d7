#include "queue/pacing.hpp"

#include <doctest/doctest.h>

namespace sealpost::queue {

using namespace std::chrono_literals;

TEST_SUITE("queue/pacing") {
    TEST_CASE("connections grow with each success up to the limit") {
        Window w(20);
        CHECK(w.size() == 5);
        for (int i = 0; i < 14; ++i) w.succeeded();
        CHECK(w.size() == 19);
        for (int i = 0; i < 14; ++i) w.succeeded();
        CHECK(w.size() == 20);
    }

    TEST_CASE("one failure is weather, two in a row halve, and the same trouble halves once") {
        Window w(16);
        for (int i = 0; i < 11; ++i) w.succeeded();
        REQUIRE(w.size() == 16);
        w.failed();
        CHECK(w.size() == 16);
        w.succeeded();
        w.failed();
        CHECK(w.size() == 16);
        w.failed();
        CHECK(w.size() == 8);
        for (int i = 0; i < 15; ++i) w.failed();  // the rest of the sixteen that were open
        CHECK(w.size() == 8);
        w.failed();
        w.failed();
        CHECK(w.size() == 4);
    }

    TEST_CASE("after trouble it takes a round of successes for each further connection") {
        Window w(8);
        for (int i = 0; i < 3; ++i) w.succeeded();
        w.failed();
        w.failed();
        REQUIRE(w.size() == 4);
        for (int i = 0; i < 3; ++i) w.succeeded();
        CHECK(w.size() == 4);
        w.succeeded();
        CHECK(w.size() == 5);
    }

    TEST_CASE("never less than one, never more than the limit, and a probe is one") {
        Window w(1);
        for (int i = 0; i < 100; ++i) w.failed();
        CHECK(w.size() == 1);
        w.succeeded();
        CHECK(w.size() == 1);
        w.set_limit(3);
        w.succeeded();
        CHECK(w.size() <= 3);
        w.probe();
        CHECK(w.size() == 1);
        for (int i = 0; i < 5; ++i) w.succeeded();
        CHECK(w.size() == 3);
        w.set_limit(2);
        CHECK(w.size() == 2);
        CHECK(Window(0).size() == 1);
    }

    TEST_CASE("a rate is spaced evenly, and a pause saves nothing up") {
        Pace pace(Rate{20, 1min});
        const Instant start{100h};
        pace.took(1, start);
        CHECK(pace.next() == start + 3s);
        pace.took(1, start + 3s);
        CHECK(pace.next() == start + 6s);
        pace.took(2, start + 60s);
        CHECK(pace.next() == start + 66s);
    }

    TEST_CASE("a destination that stays dead is asked less and less often") {
        CHECK(rest_after(0, 4h) == 60s);
        CHECK(rest_after(1, 4h) == 60s);
        CHECK(rest_after(2, 4h) == 120s);
        CHECK(rest_after(5, 4h) == 960s);
        CHECK(rest_after(1'000'000, 4h) == 4h);
        CHECK(rest_after(1, 1s) == 1s);
    }
}

}  // namespace sealpost::queue
