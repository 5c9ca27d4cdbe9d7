#include "config/units.hpp"

#include <doctest/doctest.h>

using sealpost::format_duration;
using sealpost::format_size;
using sealpost::parse_duration;
using sealpost::parse_size;
using std::chrono::milliseconds;

TEST_SUITE("config/units") {
    TEST_CASE("a duration is a whole number and a unit") {
        CHECK(parse_duration("100ms").value() == milliseconds(100));
        CHECK(parse_duration("5s").value() == milliseconds(5000));
        CHECK(parse_duration("30min").value() == std::chrono::minutes(30));
        CHECK(parse_duration("4h").value() == std::chrono::hours(4));
        CHECK(parse_duration("5d").value() == std::chrono::hours(120));
        for (const char* bad :
             {"", "ms", "5", "5 s", " 5s", "5s ", "-5s", "+5s", "1.5h", "1h30min", "5m", "5M", "5S", "5sec",
              "0x5s", "5e3s", "99999999999999999999s", "9223372036854775807d"}) {
            CAPTURE(bad);
            CHECK_FALSE(parse_duration(bad).has_value());
        }
    }

    TEST_CASE("a size is a whole number and a unit") {
        CHECK(parse_size("7B").value() == 7);
        CHECK(parse_size("64KiB").value() == 65536);
        CHECK(parse_size("50MiB").value() == 52428800);
        CHECK(parse_size("10MB").value() == 10'000'000);
        CHECK(parse_size("3kB").value() == 3000);
        CHECK(parse_size("3KB").value() == 3000);
        CHECK(parse_size("2GiB").value() == 2147483648);
        CHECK(parse_size("1TB").value() == 1'000'000'000'000);
        for (const char* bad : {"", "B", "64", "64K", "64k", "64Mib", "64 MiB", "-1B", "1.5MiB", "9999999TiB",
                                "18446744073709551616B"}) {
            CAPTURE(bad);
            CHECK_FALSE(parse_size(bad).has_value());
        }
    }

    TEST_CASE("a rate is a whole number for a unit of time") {
        using sealpost::format_rate;
        using sealpost::parse_rate;
        CHECK(parse_rate("20/min").value() == sealpost::Rate{20, std::chrono::minutes(1)});
        CHECK(parse_rate("1000000/d").value() == sealpost::Rate{1'000'000, std::chrono::hours(24)});
        for (const char* good : {"1/s", "20/min", "7/h", "100/d"})
            CHECK(format_rate(parse_rate(good).value()) == good);
        for (const char* bad : {"", "/", "20", "20/", "/min", "0/min", "-1/s", "20/ms", "20 / min", "20/m",
                                "1.5/s", "1000001/s", "99999999999999999999/s", "20/min/s", "+2/s"}) {
            CAPTURE(bad);
            CHECK_FALSE(parse_rate(bad).has_value());
        }
        CHECK(parse_rate("20").error().text ==
              "'20' is not a rate; write a whole number from 1 to 1000000 and a unit (s, min, h, d), as in "
              "20/min");
    }

    TEST_CASE("the error names the units that are allowed") {
        CHECK(parse_duration("30").error().text ==
              "'30' has no unit; write one of ms, s, min, h, d, as in 30min");
        CHECK(parse_duration("30m").error().text ==
              "'30m' has an unknown unit 'm'; write one of ms, s, min, h, d, as in 30min");
        CHECK(parse_duration("soon").error().text ==
              "'soon' is not a duration; write a whole number and a unit (ms, s, min, h, d), as in 30min");
        CHECK(parse_size("50").error().text ==
              "'50' has no unit; write one of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB, as in 50MiB");
        CHECK(parse_size("99999999999999999999MiB").error().text ==
              "'99999999999999999999MiB' is too large for a size");
    }

    TEST_CASE("what is written reads back to the same value") {
        for (const std::int64_t ms :
             {0, 1, 100, 999, 1000, 1001, 60'000, 90'000, 3'600'000, 86'400'000, 432'000'000})
            CHECK(parse_duration(format_duration(milliseconds(ms))).value() == milliseconds(ms));
        for (const std::uint64_t size : {0ULL, 1ULL, 1000ULL, 1024ULL, 1500ULL, 64000ULL, 65536ULL,
                                         10'000'000ULL, 50ULL << 20, 1ULL << 40, 123456789ULL})
            CHECK(parse_size(format_size(size)).value() == size);
        CHECK(format_duration(milliseconds(90'000)) == "90s");
        CHECK(format_duration(std::chrono::hours(24)) == "1d");
        CHECK(format_duration(milliseconds(0)) == "0ms");
        CHECK(format_size(50ULL << 20) == "50MiB");
        CHECK(format_size(10'000'000) == "10MB");
        CHECK(format_size(1500) == "1500B");
    }

}  // TEST_SUITE("config/units")
