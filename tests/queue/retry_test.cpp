#include "queue/retry.hpp"

#include <doctest/doctest.h>

#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using namespace std::chrono_literals;
using test::noon;

TEST_SUITE("queue/retry") {
    const QueueSettings defaults;

    TEST_CASE("the delay starts at 30 minutes and doubles up to its cap [SMTP-22]") {
        const struct {
            unsigned attempts;
            Millis delay;
        } rows[] = {{0, 30min},
                    {1, 30min},
                    {2, 60min},
                    {3, 120min},
                    {4, 240min},
                    {5, 240min},
                    {4'000'000'000U, 240min}};
        for (const auto& row : rows) CHECK(retry_delay(defaults, row.attempts, 0.5) == row.delay);
    }

    TEST_CASE("jitter moves the delay by at most its part in both directions") {
        CHECK(retry_delay(defaults, 1, 0.0) == Millis{25min + 30s});
        CHECK(retry_delay(defaults, 1, 0.999999) <= Millis{34min + 30s});
        CHECK(retry_delay(defaults, 1, 0.999999) > Millis{34min});
    }

    TEST_CASE("odd settings never make a delay of zero or less") {
        QueueSettings odd;
        odd.retry_first = Millis{0};
        odd.retry_max = Millis{0};
        odd.retry_jitter = 5;
        odd.retry_factor = -2;
        CHECK(retry_delay(odd, 3, 0.0) >= Millis{1});
    }

    TEST_CASE("the last attempt falls on the deadline and not after it") {
        CHECK(next_attempt(defaults, 1, noon, noon + 10min, 0.5) == noon + 10min);
        CHECK(next_attempt(defaults, 1, noon, noon + 10h, 0.5) == noon + 30min);
    }

    TEST_CASE("mail is given up after five days and mail from the null sender sooner [SMTP-22 SMTP-23]") {
        CHECK(expiry(defaults, false, noon) == noon + 120h);
        CHECK(expiry(defaults, true, noon) == noon + 24h);
        Envelope e = test::message(1, {"a@example.net"}).envelope;
        CHECK_FALSE(give_up(e, Held::no, 120h, noon + 120h - 1ms));
        CHECK(give_up(e, Held::no, 120h, noon + 120h));
    }

    TEST_CASE("mail that a policy holds waits for its whole age even from the null sender") {
        Envelope e = test::message(1, {"a@example.net"}).envelope;
        e.sender.clear();
        e.expires_at = expiry(defaults, true, noon);
        CHECK(give_up(e, Held::no, 120h, noon + 25h));
        CHECK_FALSE(give_up(e, Held::by_policy, 120h, noon + 25h));
        CHECK_FALSE(give_up(e, Held::by_policy, 1h, noon + 23h));
        CHECK(give_up(e, Held::by_policy, 120h, noon + 120h));
    }

    TEST_CASE("a clock set back gives nothing up") {
        const Envelope e = test::message(1, {"a@example.net"}).envelope;
        CHECK_FALSE(give_up(e, Held::no, 120h, noon - 10000h));
    }
}

}  // namespace sealpost::queue
