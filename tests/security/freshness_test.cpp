#include "security/freshness.hpp"

#include <doctest/doctest.h>

#include "support/hop_scene.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;
using namespace std::chrono_literals;

namespace {

DnsAnswer lasting(RrType type, std::chrono::seconds ttl) {
    DnsAnswer out = found("mx.example.org", type, DnsStatus::secure, {Bytes{192, 0, 2, 1}});
    out.ttl = ttl;
    return out;
}

constexpr StsClock now{1'800'000'000'000ms};

}  // namespace

TEST_SUITE("security/freshness") {
    TEST_CASE("the record that ends first ends the whole [DANE-36 TLS-23]") {
        HostAnswers answers;
        answers.a = lasting(RrType::a, 300s);
        answers.aaaa = lasting(RrType::aaaa, 200s);
        answers.tlsa.push_back({domain("mx.example.org"), lasting(RrType::tlsa, 100s)});
        const StsState none = sts_state(Sts::none);
        CHECK(fresh_for(lasting(RrType::mx, 400s), answers, none, now) == 100s);
        CHECK(fresh_for(lasting(RrType::mx, 40s), answers, none, now) == 40s);
        answers.tlsa[0].answer.ttl = 1000s;
        CHECK(fresh_for(std::nullopt, answers, none, now) == 200s);
        answers.cname = lasting(RrType::cname, 7s);
        CHECK(fresh_for(std::nullopt, answers, none, now) == 7s);
    }

    TEST_CASE("the end of the policy ends it too and nothing lasts below zero [STS-49 TLS-23]") {
        HostAnswers answers;
        answers.a = lasting(RrType::a, 300s);
        StsState sts = sts_state(Sts::enforce);
        sts.expires = now + 20s;
        CHECK(fresh_for(std::nullopt, answers, sts, now) == 20s);
        sts.expires = now - 1h;
        CHECK(fresh_for(std::nullopt, answers, sts, now) == 0s);
    }

    TEST_CASE("a family that failed leaves nothing to rest on [DANE-36]") {
        HostAnswers answers;
        answers.a = lasting(RrType::a, 300s);
        answers.aaaa = failed("mx.example.org", RrType::aaaa);
        CHECK(fresh_for(std::nullopt, answers, sts_state(Sts::none), now) == 0s);
    }

}  // TEST_SUITE("security/freshness")
