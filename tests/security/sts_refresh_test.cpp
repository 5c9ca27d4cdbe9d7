#include "security/sts_refresh.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace sealpost::security;
using sealpost::Domain;
using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::milliseconds;

namespace {

const StsClock fetched{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};

StsRefreshState fresh(milliseconds max_age, StsMode mode = StsMode::enforce) {
    StsRefreshState state;
    state.mode = mode;
    state.fetched_at = fetched;
    state.expires = fetched + max_age;
    return state;
}

/// The policy's host is away from the first refresh on: the times of all tries until the policy ends.
std::vector<StsRefreshState> tries(milliseconds max_age, StsMode mode = StsMode::enforce, double random = 0) {
    std::vector<StsRefreshState> out;
    StsRefreshState state = fresh(max_age, mode);
    for (StsClock next = next_sts_refresh(state, {}, random); next < state.expires && out.size() < 10000;
         next = next_sts_refresh(state, {}, random)) {
        if (state.failures++ == 0) state.failing_since = next;
        state.last_try = next;
        out.push_back(state);
    }
    return out;
}

}  // namespace

TEST_SUITE("security/sts_refresh") {
    TEST_CASE("a policy is refreshed daily and a short one at half of its life [STS-53]") {
        struct Row {
            milliseconds max_age;
            milliseconds latest;
        };
        for (const Row& row :
             {Row{days(365), 24h}, Row{days(7), 24h}, Row{days(2), 24h}, Row{days(1), 12h}, Row{2h, 1h},
              Row{10min, 5min}, Row{1min, 5min}, Row{0ms, 5min}}) {  // too short to be kept alive
            CAPTURE(row.max_age.count());
            CHECK(next_sts_refresh(fresh(row.max_age), {}, 0.0) == fetched + row.latest);
            CHECK(next_sts_refresh(fresh(row.max_age), {}, 1.0) == fetched + row.latest * 3 / 4);
            for (const double random : {0.0, 0.3, 0.7, 0.999, -5.0, 7.0}) {
                const StsClock next = next_sts_refresh(fresh(row.max_age), {}, random);
                CHECK(next <= fetched + row.latest);
                CHECK(next >= fetched + row.latest * 3 / 4);
            }
        }
    }

    TEST_CASE("a refresh that fails is tried again ever more rarely but often before the end [STS-53]") {
        for (const milliseconds max_age :
             {milliseconds(1h), milliseconds(days(1)), milliseconds(days(7)), milliseconds(days(365))})
            for (const double random : {0.0, 0.5, 0.999}) {
                CAPTURE(max_age.count());
                const std::vector<StsRefreshState> all = tries(max_age, StsMode::enforce, random);
                REQUIRE(all.size() >= 5);
                // At most one each five minutes, and as many as a year of daily tries has.
                CHECK(all.size() < 700);
                for (std::size_t i = 1; i < all.size(); ++i)
                    CHECK(all[i].last_try - all[i - 1].last_try >= 5min);
                CHECK(all.back().expires - all.back().last_try < 30min);
            }
    }

    TEST_CASE("the times of a failing host: five minutes and ten and twenty") {
        const std::vector<StsRefreshState> all = tries(days(7));
        REQUIRE(all.size() > 4);
        CHECK(all[0].last_try == fetched + 24h);
        CHECK(all[1].last_try == fetched + 24h + 5min);
        CHECK(all[2].last_try == fetched + 24h + 15min);
        CHECK(all[3].last_try == fetched + 24h + 35min);
    }

    TEST_CASE("repeated failures alert long before the policy ends [STS-54]") {
        for (const milliseconds max_age :
             {milliseconds(days(1)), milliseconds(days(2)), milliseconds(days(7)), milliseconds(days(365))}) {
            CAPTURE(max_age.count());
            std::size_t alarms = 0;
            for (const StsRefreshState& state : tries(max_age)) {
                const bool alarm = sts_refresh_alarms(state, {});
                if (alarm && alarms++ == 0) {
                    CHECK(state.failures >= 3);
                    CHECK(state.expires - state.last_try >= max_age / 8);
                }
                if (alarms > 0) CHECK(alarm);  // and goes on until it is mended
            }
            CHECK(alarms > 0);
        }
    }

    TEST_CASE("one bad hour alerts nobody and mode none never does [STS-54]") {
        StsRefreshState state = fresh(days(7));
        state.failures = 100;
        state.failing_since = fetched + 24h;
        state.last_try = state.failing_since + 24h - 1ms;
        CHECK_FALSE(sts_refresh_alarms(state, {}));
        state.last_try += 1ms;
        CHECK(sts_refresh_alarms(state, {}));
        state.failures = 2;
        CHECK_FALSE(sts_refresh_alarms(state, {}));
        for (const StsRefreshState& none : tries(days(7), StsMode::none))
            CHECK_FALSE(sts_refresh_alarms(none, {}));
        for (const StsRefreshState& testing : tries(days(7), StsMode::testing))
            if (testing.failures > 20) CHECK(sts_refresh_alarms(testing, {}));
    }

    TEST_CASE("the alert names domain and dates and remedy [STS-54]") {
        StsRefreshState state = fresh(days(7));
        state.failures = 9;
        state.failing_since = fetched + 24h;
        state.last_try = fetched + 48h;
        CHECK(describe_sts_refresh_alarm(Domain::parse("example.org").value(), state, "HTTP 404") ==
              "the MTA-STS policy of example.org (mode enforce) could not be refreshed since 2026-11-23 "
              "00:00 UTC "
              "(9 attempts: HTTP 404). It ends 2026-11-29 00:00 UTC, and from then on mail to example.org "
              "goes out "
              "without it. Remedy: ask the postmaster of example.org to mend "
              "https://mta-sts.example.org/.well-known/mta-sts.txt; demand more in a rule for the domain if "
              "mail "
              "must not go out unprotected");
    }

}  // TEST_SUITE("security/sts_refresh")
