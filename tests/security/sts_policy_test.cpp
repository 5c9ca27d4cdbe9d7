#include "security/sts_policy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace sealpost::security;
using sealpost::Domain;
using std::chrono::seconds;

namespace {

const std::string enforce = "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: mx1.example.net\n";

Domain domain(std::string_view text) {
    return Domain::parse(text).value();
}

bool valid(std::string_view body) {
    return parse_sts_policy(body).has_value();
}

/// A good policy with one more line.
bool valid_with(const std::string& line) {
    return valid(enforce + line + "\n");
}

}  // namespace

TEST_SUITE("security/sts_policy") {
    TEST_CASE("the example of the RFC parses") {
        const StsPolicy policy = parse_sts_policy(
                                     "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n"
                                     "mx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n")
                                     .value();
        CHECK(policy.mode == StsMode::enforce);
        CHECK(policy.max_age == seconds{604800});
        REQUIRE(policy.mx.size() == 3);
        CHECK(policy.mx[1].str() == "*.example.net");
        CHECK(policy.lines == std::vector<std::string>{"version: STSv1", "mode: enforce",
                                                       "mx: mail.example.com", "mx: *.example.net",
                                                       "mx: backupmx.example.com", "max_age: 604800"});
        CHECK(policy.diagnoses.empty());
    }

    TEST_CASE("lines end in LF or CRLF or both and the last one may have no end [STS-33]") {
        const StsPolicy expected = parse_sts_policy(enforce).value();
        for (const char* body :
             {"version: STSv1\r\nmode: enforce\nmax_age: 86400\r\nmx: mx1.example.net",
              "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: mx1.example.net",
              "version: STSv1\r\nmode: enforce\r\nmax_age: 86400\r\nmx: mx1.example.net\r\n"}) {
            CAPTURE(body);
            CHECK(parse_sts_policy(body).value() == expected);
        }
    }

    TEST_CASE("fields stand in any order [STS-34]") {
        CHECK(valid("mx: mx1.example.net\nmax_age: 1\nmode: testing\nversion: STSv1"));
    }

    TEST_CASE("white space may follow the colon and the value but not precede the colon [STS-35]") {
        CHECK(valid("version:STSv1\nmode:\t enforce \t\nmax_age:1 \nmx:mx1.example.net\t"));
        CHECK_FALSE(valid("version : STSv1\nmode: enforce\nmax_age: 1\nmx: mx1.example.net"));
        CHECK_FALSE(valid_with("a : b"));
    }

    TEST_CASE("keys and values are case-sensitive [STS-36]") {
        CHECK_FALSE(valid("Version: STSv1\nmode: none\nmax_age: 1"));
        CHECK_FALSE(valid("version: stsv1\nmode: none\nmax_age: 1"));
        CHECK_FALSE(valid("version: STSv1\nmode: Enforce\nmax_age: 1\nmx: mx1.example.net"));
        CHECK_FALSE(valid("version: STSv1\nMODE: none\nmax_age: 1"));
        CHECK_FALSE(valid("version: STSv1\nmode: enforce\nmax_age: 1\nMX: mx1.example.net"));
    }

    TEST_CASE("a policy needs version and mode and max_age [STS-37 STS-38 STS-39]") {
        CHECK(valid("version: STSv1\nmode: none\nmax_age: 1"));
        CHECK_FALSE(valid("mode: none\nmax_age: 1"));
        CHECK_FALSE(valid("version: STSv1\nmax_age: 1"));
        CHECK_FALSE(valid("version: STSv1\nmode: none"));
        CHECK_FALSE(valid("version: STSv2\nmode: none\nmax_age: 1"));
        CHECK_FALSE(valid("version: STSv1\nmode: report\nmax_age: 1"));
        CHECK_FALSE(valid("version:\nmode: none\nmax_age: 1"));
    }

    TEST_CASE("max_age is 1 to 10 digits [STS-39]") {
        for (const char* age :
             {"", "-1", "+1", "1.5", "1e3", "0x10", "1 2", "12345678901", "00000000001", "1s"}) {
            CAPTURE(age);
            CHECK_FALSE(valid(std::string("version: STSv1\nmode: none\nmax_age: ") + age));
        }
    }

    TEST_CASE("a longer max_age is clamped with a diagnosis [STS-40 AMB-15]") {
        for (const char* age : {"31557601", "9999999999"}) {
            const auto policy = parse_sts_policy(std::string("version: STSv1\nmode: none\nmax_age: ") + age);
            REQUIRE(policy.has_value());
            CHECK(policy->max_age == seconds{31557600});
            CHECK(policy->diagnoses.size() == 1);
        }
        const auto longest = parse_sts_policy("version: STSv1\nmode: none\nmax_age: 31557600").value();
        CHECK(longest.max_age == seconds{31557600});
        CHECK(longest.diagnoses.empty());
    }

    TEST_CASE("max_age zero is a policy [STS-41]") {
        CHECK(parse_sts_policy("version: STSv1\nmode: none\nmax_age: 0").value().max_age == seconds{0});
    }

    TEST_CASE("enforce and testing need an mx and none does not [STS-42]") {
        CHECK_FALSE(valid("version: STSv1\nmode: enforce\nmax_age: 1"));
        CHECK_FALSE(valid("version: STSv1\nmode: testing\nmax_age: 1"));
        CHECK(valid("version: STSv1\nmode: none\nmax_age: 1"));
    }

    TEST_CASE("every mx counts and of other fields the first [STS-43 AMB-36]") {
        const StsPolicy policy =
            parse_sts_policy(enforce +
                             "mx: mx2.example.net\nmode: none\nmode: nonsense\nversion: STSv9\n"
                             "max_age: x\nmax_age:\n")
                .value();
        CHECK(policy.mode == StsMode::enforce);
        CHECK(policy.max_age == seconds{86400});
        CHECK(policy.mx.size() == 2);
        CHECK(policy.diagnoses.size() == 5);
        CHECK_FALSE(valid("version: STSv1\nmode: nonsense\nmode: none\nmax_age: 1"));
    }

    TEST_CASE("unknown well-formed fields are ignored and kept for the report [STS-44 RPT-33]") {
        const auto policy = parse_sts_policy(enforce + "x-note: gr\xC3\xBC\xC3\x9F Gott: 1\n1.a_b-c: d\n");
        REQUIRE(policy.has_value());
        CHECK(policy->lines.size() == 6);
        CHECK(policy->diagnoses ==
              std::vector<std::string>{"Line 5: the key 'x-note' is unknown and ignored.",
                                       "Line 6: the key '1.a_b-c' is unknown and ignored."});
        CHECK(policy->lines[4] == "x-note: gr\xC3\xBC\xC3\x9F Gott: 1");
        for (const std::string& line :
             {std::string("a:"), std::string("a: "), std::string("a"), std::string(": b"),
              std::string("-a: b"), std::string("a b: c"), std::string("a: b\tc"), std::string("a: \x7F"),
              std::string("a: \xFF"), std::string("a: \xED\xA0\x80"), std::string("a: \xC0\xAF"),
              std::string(33, 'a') + ": b"}) {
            CAPTURE(line);
            CHECK_FALSE(valid_with(line));
        }
    }

    TEST_CASE("an mx that is not a name or one wildcard over a name makes the policy invalid [STS-45]") {
        for (const char* mx :
             {"*", "*.", "*.*.example", "mail.*.example", "m*.example", ".example", "192.0.2.1",
              "*.192.0.2.1", "[192.0.2.1]", "[IPv6:2001:db8::1]", "2001:db8::1", "mx1.example mx2.example",
              "mx1.example,mx2.example", "", "a..example", "-a.example", "\xFF.example", "mx1.example\\"}) {
            CAPTURE(mx);
            CHECK_FALSE(valid_with(std::string("mx: ") + mx));
        }
        CHECK_FALSE(valid_with("mx: " + std::string(64, 'a') + ".example"));
        CHECK(valid_with("mx: *.example"));
        CHECK(valid_with("mx: 1.example"));
    }

    TEST_CASE("a U-label is converted and a trailing dot dropped with a diagnosis [STS-45]") {
        const StsPolicy policy = parse_sts_policy(enforce +
                                                  "mx: *.b\xC3\xBC"
                                                  "cher.example\nmx: mx3.example.net.\n")
                                     .value();
        CHECK(policy.mx[1].str() == "*.xn--bcher-kva.example");
        CHECK(policy.mx[2].str() == "mx3.example.net");
        CHECK(policy.diagnoses ==
              std::vector<std::string>{
                  "Line 5: the mx is written in Unicode and taken as xn--bcher-kva.example.",
                  "Line 6: the mx mx3.example.net is written with a trailing dot, which is dropped."});
    }

    TEST_CASE("blank lines are tolerated with a diagnosis [STS-47 AMB-16]") {
        const auto policy = parse_sts_policy("\n\r\n \t\n" + enforce + "\n\n");
        REQUIRE(policy.has_value());
        CHECK(policy->diagnoses.size() == 5);
        CHECK(policy->lines.size() == 4);
    }

    TEST_CASE("an empty body and BOM and NUL and bare CR and leading space are invalid [STS-47 AMB-16]") {
        CHECK_FALSE(valid(""));
        CHECK_FALSE(valid("\n"));
        CHECK_FALSE(valid("\xEF\xBB\xBF" + enforce));
        CHECK_FALSE(valid(" " + enforce));
        CHECK_FALSE(valid_with(" a: b"));
        CHECK_FALSE(valid(enforce + std::string("a: b\0c\n", 7)));
        CHECK_FALSE(valid(enforce + std::string("\0", 1)));
        CHECK_FALSE(valid(enforce + "a: b\rc: d\n"));
        CHECK_FALSE(valid(enforce + "a: b\r"));
        CHECK_FALSE(valid(enforce + "\r"));
        CHECK_FALSE(valid(enforce + "a: b\r\r\n"));
        CHECK_FALSE(valid("<html><body>version: STSv1</body></html>"));
    }

    TEST_CASE("a known key in another case is ignored and the diagnosis says how it is written [STS-36]") {
        const StsPolicy policy = parse_sts_policy(enforce + "MX: mx2.example.net\nMode: none\n").value();
        CHECK(policy.mode == StsMode::enforce);
        CHECK(policy.mx.size() == 1);
        CHECK(policy.diagnoses ==
              std::vector<std::string>{"Line 5: the key 'MX' is ignored: it counts only as 'mx'.",
                                       "Line 6: the key 'Mode' is ignored: it counts only as 'mode'."});
    }

    TEST_CASE("there is a limit to the diagnoses and the last one says that there were more") {
        for (const std::size_t blank : {max_sts_diagnoses - 1, max_sts_diagnoses, std::size_t{500}}) {
            const StsPolicy policy = parse_sts_policy(enforce + std::string(blank, '\n')).value();
            REQUIRE(policy.diagnoses.size() == std::min(blank, max_sts_diagnoses));
            const bool more = policy.diagnoses.back() == "There are more remarks of this kind.";
            CHECK(more == (blank >= max_sts_diagnoses));
        }
    }

    TEST_CASE("a body over the limits is invalid [STS-46]") {
        const StsPolicyLimits limits{.max_octets = 200, .max_lines = 8, .max_mx = 3};
        const auto with = [&](const std::string& more) {
            return parse_sts_policy(enforce + more, limits).has_value();
        };
        CHECK(with("mx: a\nmx: b\n"));
        CHECK_FALSE(with("mx: a\nmx: b\nmx: c\n"));
        CHECK(with("a: b\na: b\na: b\na: b\n"));
        CHECK_FALSE(with("a: b\na: b\na: b\na: b\na: b\n"));
        CHECK_FALSE(with("a: " + std::string(200, 'b')));
        CHECK_FALSE(valid(enforce + "a: " + std::string(65536, 'b')));
    }

    TEST_CASE("the lines of an invalid body are there for the report [RPT-33]") {
        CHECK(sts_policy_lines("mode: x\r\n\r\nno colon\nlast\r") ==
              std::vector<std::string>{"mode: x", "no colon", "last\r"});
        CHECK(sts_policy_lines(std::string(5000, 'a'))[0].size() == 1024);
        CHECK(sts_policy_lines("a\nb\nc", {.max_lines = 2}).size() == 2);
        CHECK(sts_policy_lines("").empty());
    }

    TEST_CASE("a name pattern allows exactly that host without regard to case [STS-58]") {
        const StsPolicy policy =
            parse_sts_policy("version: STSv1\nmode: enforce\nmax_age: 1\nmx: MX1.Example.NET").value();
        CHECK(policy.allows(domain("mx1.example.net")));
        CHECK(policy.allows(domain("mX1.example.net.")));
        CHECK_FALSE(policy.allows(domain("mx2.example.net")));
        CHECK_FALSE(policy.allows(domain("a.mx1.example.net")));
        CHECK_FALSE(policy.allows(domain("example.net")));
    }

    TEST_CASE("a wildcard stands for exactly one label [STS-59]") {
        const StsPolicy policy =
            parse_sts_policy("version: STSv1\nmode: enforce\nmax_age: 1\nmx: *.example.com").value();
        CHECK(policy.allows(domain("mail.example.com")));
        CHECK_FALSE(policy.allows(domain("example.com")));
        CHECK_FALSE(policy.allows(domain("foo.bar.example.com")));
        CHECK_FALSE(policy.allows(domain("mailexample.com")));
    }

}  // TEST_SUITE("security/sts_policy")
