#include "security/self_test.hpp"

#include <doctest/doctest.h>

namespace sealpost::security {
namespace {

DnsAnswer answer(std::string name, DnsStatus status, DnsData data = DnsData::data) {
    DnsAnswer out;
    out.name = std::move(name);
    out.status = status;
    out.data = data;
    return out;
}

using Good = std::optional<DnsAnswer>;
using Bad = std::vector<DnsAnswer>;
constexpr auto secure = DnsStatus::secure;
constexpr auto insecure = DnsStatus::insecure;
constexpr auto bogus = DnsStatus::bogus;
constexpr auto error = DnsStatus::error;

}  // namespace

TEST_SUITE("security/self_test") {
    TEST_CASE("what the answers say of the validator [DNS-01]") {
        struct Row {
            Good good;
            Bad bad;
            SelfTestState state;
            bool believed;
        };
        using enum SelfTestState;
        const Row rows[] = {
            {{}, {}, off, true},
            {answer(".", secure), {}, passed, true},
            {answer(".", secure, DnsData::nodata), {answer("b", bogus)}, passed, true},
            {{}, {answer("b", bogus)}, passed, true},
            // Not validating: everything else would be stripped of its signatures, too.
            {answer(".", insecure), {answer("b", bogus)}, failed, false},
            {answer(".", secure), {answer("b", insecure)}, failed, false},
            {answer(".", secure), {answer("b", secure)}, failed, false},
            {answer(".", secure), {answer("b", insecure), answer("c", secure)}, failed, false},
            {answer(".", secure), {answer("b", insecure, DnsData::nodata)}, failed, false},
            {answer(".", secure), {answer("b", insecure), answer("c", error)}, failed, false},
            // One of two is refused: validation happens, and the other has changed.
            {answer(".", secure), {answer("b", insecure), answer("c", bogus)}, failed, true},
            // Bogus answers are errors by themselves: nothing is believed that should not be.
            {answer(".", bogus), {answer("b", bogus)}, failed, true},
            // Nothing can be told.
            {answer(".", error), {answer("b", error)}, unknown, true},
            {answer(".", DnsStatus::indeterminate), {}, unknown, true},
            {answer(".", secure), {answer("b", error)}, unknown, true},
            {answer(".", secure), {answer("b", insecure, DnsData::nxdomain)}, unknown, true},
            {answer(".", secure), {answer("b", error), answer("c", bogus)}, passed, true},
        };
        for (std::size_t i = 0; i < std::size(rows); ++i) {
            CAPTURE(i);
            const SelfTest got = judge_self_test({}, rows[i].good, rows[i].bad);
            CHECK(to_string(got.state) == to_string(rows[i].state));
            CHECK(got.believed() == rows[i].believed);
            CHECK(got.text.empty() == (got.state == passed || got.state == off));
        }
    }

    TEST_CASE("what was seen broken stays so until the same names tell otherwise [DNS-01]") {
        SelfTest test = judge_self_test({}, answer(".", secure), {answer("b", insecure)});
        CHECK_FALSE(test.believed());
        for (const DnsStatus status : {error, DnsStatus::indeterminate}) {
            test = judge_self_test(test, answer(".", secure), {answer("b", status)});
            CHECK_FALSE(test.believed());
            CHECK(test.state == SelfTestState::failed);
        }
        test = judge_self_test(test, answer(".", insecure), {answer("b", bogus)});
        CHECK_FALSE(test.believed());
        test = judge_self_test(test, answer(".", error), {answer("b", bogus)});
        CHECK_FALSE(test.believed());
        test = judge_self_test(test, answer(".", secure), {answer("b", bogus)});
        CHECK(test.believed());
        CHECK(test.state == SelfTestState::passed);
    }

    TEST_CASE("a failed self test names the name and what became of it") {
        DnsAnswer refused = answer("good.example", bogus);
        refused.why = "signature expired\x1b[31m";
        const SelfTest test = judge_self_test({}, refused, {answer("bad.example", insecure)});
        CHECK(test.text.find("good.example must validate and is bogus: signature expired") == 0);
        CHECK(test.text.find("bad.example must be refused and was accepted as insecure") !=
              std::string::npos);
        CHECK(test.text.find('\x1b') == std::string::npos);
    }
}

}  // namespace sealpost::security
