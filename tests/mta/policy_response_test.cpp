#include <doctest/doctest.h>

#include "mta/sts/policy_fetcher.hpp"

namespace sealpost {

using security::ResultType;

namespace {

constexpr std::size_t limit = 64U << 10;

std::string policy_body() {
    return "version: STSv1\r\nmode: enforce\r\nmx: mx.example.net\r\nmax_age: 604800\r\n";
}

FetchOutcome judge_body(std::string body, std::size_t max_size = limit) {
    StsSettings settings;
    settings.max_policy_size = max_size;
    return judge_policy_response({200, "text/plain", "", std::move(body)}, settings);
}

FetchOutcome judge(unsigned status, std::string_view type = "text/plain", std::string_view encoding = {}) {
    return judge_policy_response({status, type, encoding, policy_body()}, {});
}

void check_failed(const FetchOutcome& outcome, ResultType type, std::string_view words) {
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().type == type);
    CHECK(outcome.error().reason.find(words) != std::string::npos);
}

}  // namespace

TEST_SUITE("mta/sts/policy_response") {
    TEST_CASE("a 200 with text/plain and a valid body is the policy") {
        const FetchOutcome outcome = judge(200);
        REQUIRE(outcome);
        CHECK(outcome->body == policy_body());
        CHECK(outcome->policy.mode == security::StsMode::enforce);
        CHECK(outcome->policy.mx.size() == 1);
        CHECK(outcome->policy.max_age == std::chrono::days(7));
    }

    TEST_CASE("a redirect is not followed whatever its number [STS-21]") {
        for (const unsigned status : {300U, 301U, 302U, 303U, 304U, 305U, 307U, 308U, 399U}) {
            CAPTURE(status);
            check_failed(judge(status), ResultType::sts_policy_fetch_error,
                         fmt::format("HTTP {}: a redirect is not followed", status));
        }
    }

    TEST_CASE("only 200 brings a policy however good the body is [STS-22 STS-23]") {
        for (const unsigned status : {0U, 100U, 199U, 201U, 202U, 203U, 204U, 206U, 400U, 401U, 403U, 404U,
                                      410U, 429U, 500U, 502U, 503U, 599U, 999U}) {
            CAPTURE(status);
            check_failed(judge(status), ResultType::sts_policy_fetch_error, fmt::format("HTTP {}", status));
        }
    }

    TEST_CASE("text/plain counts in any case and with any parameters [STS-24]") {
        for (const std::string_view type :
             {"text/plain", "TEXT/Plain", "text/plain; charset=utf-8", "text/plain;charset=us-ascii",
              "text/plain; charset=\"UTF-8\"", "text/plain ; charset=utf-8", "text/plain\t;x=y",
              "text/plain; format=flowed; delsp=yes", "text/plain;", "text/plain; ;;"}) {
            CAPTURE(type);
            CHECK(judge(200, type));
        }
    }

    TEST_CASE("any other media type and none at all is refused [STS-24]") {
        for (const std::string_view type :
             {"text/html", "text/html; charset=utf-8", "application/octet-stream", "text/plainer",
              "text/plai", "text", "text/", "text/*", "*/*", "text /plain", "text/ plain",
              "text/plain, text/html", "text/html; text/plain", ";text/plain", "text/plain charset=utf-8"}) {
            CAPTURE(type);
            check_failed(judge(200, type), ResultType::sts_policy_invalid, "not text/plain");
        }
        check_failed(judge(200, ""), ResultType::sts_policy_invalid, "no Content-Type");
    }

    TEST_CASE("the setting lets a missing media type pass and no wrong one [STS-24 AMB-14]") {
        StsSettings lenient;
        lenient.require_content_type = false;
        CHECK(judge_policy_response({200, "", "", policy_body()}, lenient));
        check_failed(judge_policy_response({200, "text/html", "", policy_body()}, lenient),
                     ResultType::sts_policy_invalid, "not text/plain");
    }

    TEST_CASE("an encoded body is refused since none was asked for") {
        for (const std::string_view encoding : {"gzip", "br", "deflate", "identity, gzip", "x"}) {
            CAPTURE(encoding);
            check_failed(judge(200, "text/plain", encoding), ResultType::sts_policy_fetch_error, "encoded");
        }
        CHECK(judge(200, "text/plain", "identity"));
        CHECK(judge(200, "text/plain", "Identity"));
    }

    TEST_CASE("a body over the limit fails and one at the limit does not [STS-25]") {
        // Filled up with an unknown field, which is no reason to refuse it.
        for (const std::size_t size : {std::size_t{512}, limit}) {
            std::string body = policy_body();
            body += "pad: " + std::string(size - body.size() - 7, 'p') + "\r\n";
            REQUIRE(body.size() == size);
            CHECK(judge_body(body, size));
            check_failed(judge_body(body, size - 1), ResultType::sts_policy_fetch_error, "too large");
        }
    }

    TEST_CASE("a body that is no policy is an invalid policy and not a failed fetch [STS-46]") {
        for (const std::string_view body : {"", "version: STSv1\n", "<html>no such page</html>",
                                            "version: STSv2\nmode: enforce\nmx: mx.example.net\nmax_age: 1\n",
                                            "version: STSv1\nmode: enforce\nmax_age: 86400\n"}) {
            CAPTURE(body);
            const FetchOutcome outcome = judge_body(std::string(body));
            REQUIRE_FALSE(outcome);
            CHECK(outcome.error().type == ResultType::sts_policy_invalid);
            CHECK_FALSE(outcome.error().reason.empty());
        }
    }

    TEST_CASE("no reason repeats octets of the response that cannot be printed") {
        const std::string hostile("text/html\r\n\x1b[2J\0)", 16);
        for (const FetchOutcome& outcome :
             {judge(200, hostile), judge(200, "text/plain", hostile), judge_body("\x1b[2J: \xff\r\n")}) {
            REQUIRE_FALSE(outcome);
            for (const char c : outcome.error().reason) CHECK((c >= 0x20 && c < 0x7f));
        }
    }
}

}  // namespace sealpost
