#include "config/nearest.hpp"

#include <doctest/doctest.h>

#include <string>

using sealpost::nearest;

TEST_SUITE("config/nearest") {
    TEST_CASE("the nearest word is found for a slip and none for something else") {
        const std::vector<std::string_view> words{"retry_first", "retry_max", "max_age", "tls"};
        CHECK(nearest("retry_frist", words) == "retry_first");
        CHECK(nearest("retry-max", words) == "retry_max");
        CHECK(nearest("maxage", words) == "max_age");
        CHECK(nearest("tsl", words) == "tls");
        CHECK(nearest("tls", words) == "tls");
        CHECK_FALSE(nearest("hostname", words).has_value());
        CHECK_FALSE(nearest("", words).has_value());
        CHECK_FALSE(nearest("x", words).has_value());
        CHECK_FALSE(nearest(std::string(1'000'000, 'x'), words).has_value());
        CHECK_FALSE(nearest("tls", {}).has_value());
    }

}  // TEST_SUITE("config/nearest")
