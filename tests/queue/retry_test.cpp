#include "queue/retry.hpp"

#include <doctest/doctest.h>

#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using namespace std::chrono_literals;
using test::noon;

TEST_SUITE("queue/retry") {
    const QueueSettings defaults;
    const DestinationTimes times = destination_times(defaults, security::Rule{});

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
        CHECK_FALSE(give_up(e, Held::no, times, noon + 120h - 1ms));
        CHECK(give_up(e, Held::no, times, noon + 120h));
    }

    TEST_CASE("mail that a policy holds waits for its whole age even from the null sender") {
        Envelope e = test::message(1, {"a@example.net"}).envelope;
        e.sender.clear();
        e.expires_at = expiry(defaults, true, noon);
        CHECK(give_up(e, Held::no, times, noon + 25h));
        CHECK_FALSE(give_up(e, Held::by_policy, times, noon + 25h));
        DestinationTimes shorter = times;
        shorter.max_age = 1h;
        CHECK_FALSE(give_up(e, Held::by_policy, shorter, noon + 23h));
        CHECK(give_up(e, Held::by_policy, times, noon + 120h));
    }

    TEST_CASE("the max_age of a rule is the life of mail to its domains [SMTP-22 SMTP-23]") {
        struct Row {
            const char* what;
            std::optional<Millis> rule;
            bool null_sender;
            Held held;
            Millis life;
        };
        for (const Row& row :
             {Row{"no rule", {}, false, Held::no, 120h},
              Row{"no rule, held", {}, false, Held::by_policy, 120h},
              Row{"no rule, null sender", {}, true, Held::no, 24h},
              Row{"no rule, null sender, held", {}, true, Held::by_policy, 120h},
              Row{"longer", 240h, false, Held::no, 240h},
              Row{"longer, held", 240h, false, Held::by_policy, 240h},
              Row{"longer, null sender", 240h, true, Held::no, 24h},
              Row{"longer, null sender, held", 240h, true, Held::by_policy, 240h},
              Row{"shorter", 2h, false, Held::no, 2h}, Row{"shorter, held", 2h, false, Held::by_policy, 2h},
              Row{"shorter, null sender", 2h, true, Held::no, 2h},
              Row{"shorter, null sender, held", 2h, true, Held::by_policy, 2h}}) {
            CAPTURE(row.what);
            Envelope e = test::message(1, {"a@example.net"}).envelope;
            if (row.null_sender) e.sender.clear();
            e.expires_at = expiry(defaults, row.null_sender, noon);
            security::Rule rule;
            rule.max_age = row.rule;
            const DestinationTimes of_rule = destination_times(defaults, rule);
            CHECK(deadline(e, row.held, of_rule) == noon + row.life);
            CHECK_FALSE(give_up(e, row.held, of_rule, noon + row.life - 1ms));
            CHECK(give_up(e, row.held, of_rule, noon + row.life));
        }
    }

    TEST_CASE("a delay is told from notify_after on and where it is zero never [DSN-07]") {
        struct Row {
            Millis setting;
            std::optional<Millis> rule;
            Millis age;
            bool due;
        };
        Envelope e = test::message(1, {"a@example.net"}).envelope;
        for (const Row& row :
             {Row{4h, {}, 4h - 1ms, false}, Row{4h, {}, 4h, true}, Row{4h, 10min, 10min, true},
              Row{10min, 4h, 1h, false}, Row{0ms, {}, 1000h, false}, Row{4h, 0ms, 1000h, false},
              Row{0ms, 1h, 1h, true}}) {
            QueueSettings settings;
            settings.notify_after = row.setting;
            security::Rule rule;
            rule.notify_after = row.rule;
            CAPTURE(row.age.count());
            CHECK(delay_is_due(e, destination_times(settings, rule), noon + row.age) == row.due);
        }
        e.sender.clear();
        CHECK_FALSE(delay_is_due(e, times, noon + 1000h));
    }

    TEST_CASE("a clock set back gives nothing up") {
        const Envelope e = test::message(1, {"a@example.net"}).envelope;
        CHECK_FALSE(give_up(e, Held::no, times, noon - 10000h));
    }
}

}  // namespace sealpost::queue
