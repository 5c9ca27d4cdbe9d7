#include "security/tlsrpt_report.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <limits>
#include <string>

#include "security/remote_text.hpp"

using namespace sealpost::security;
using sealpost::Address;
using sealpost::Domain;
namespace json = boost::json;

namespace {

const std::chrono::sys_days day{std::chrono::year{2016} / 4 / 1};
const Domain example_net = Domain::parse("example.net").value();
const Domain submitter = Domain::parse("mail.sender.example").value();

ReportInput input_with(std::vector<PolicyCounts> policies) {
    return {.organization_name = "Company-X",
            .contact_info = Address::parse("sts-reporting@sender.example").value(),
            .report_id = report_id(example_net, day, submitter),
            .day = day,
            .policy_domain = example_net,
            .policies = std::move(policies)};
}

json::object built(std::vector<PolicyCounts> policies) {
    return json::parse(report_json(input_with(std::move(policies)))).as_object();
}

json::object first_policy(const PolicyCounts& counts) {
    return built({counts}).at("policies").as_array().at(0).as_object();
}

PolicyCounts sts_counts() {
    return {.policy = {PolicyType::sts,
                       "example.net",
                       {"version: STSv1", "mode: testing", "mx: *.example.net", "max_age: 86400"},
                       {"*.example.net"}},
            .successes = 5326,
            .failures = 303,
            .details = {}};
}

PolicyCounts with_failure(const TlsFailure& failure, std::uint64_t count = 1) {
    PolicyCounts counts = sts_counts();
    counts.details.push_back({failure, count});
    return counts;
}

json::object detail_of(const TlsFailure& failure) {
    return first_policy(with_failure(failure)).at("failure-details").as_array().at(0).as_object();
}

}  // namespace

TEST_SUITE("security/tlsrpt_report") {
    TEST_CASE(
        "the document has the members of the schema in their order [RPT-25 RPT-26 RPT-27 RPT-28 RPT-29]") {
        TlsFailure failure{ResultType::certificate_expired, "2001:db8:abcd:12::1", "mx1.mail.example.net",
                           "mx1.mail.example.net",          "198.51.100.53",       ""};
        PolicyCounts counts = with_failure(failure, 100);
        CHECK(
            report_json(input_with({counts})) ==
            R"({"organization-name":"Company-X",)"
            R"("date-range":{"start-datetime":"2016-04-01T00:00:00Z","end-datetime":"2016-04-01T23:59:59Z"},)"
            R"("contact-info":"sts-reporting@sender.example",)"
            R"("report-id":"20160401.example.net@mail.sender.example",)"
            R"("policies":[{"policy":{"policy-type":"sts",)"
            R"("policy-string":["version: STSv1","mode: testing","mx: *.example.net","max_age: 86400"],)"
            R"("policy-domain":"example.net","mx-host":["*.example.net"]},)"
            R"("summary":{"total-successful-session-count":5326,"total-failure-session-count":303},)"
            R"("failure-details":[{"result-type":"certificate-expired","sending-mta-ip":"2001:db8:abcd:12::1",)"
            R"("receiving-mx-hostname":"mx1.mail.example.net","receiving-mx-helo":"mx1.mail.example.net",)"
            R"("receiving-ip":"198.51.100.53","failed-session-count":100}]}]})");
    }

    TEST_CASE("a report covers one whole UTC day [RPT-17 RPT-18 AMB-24]") {
        const json::object range = built({}).at("date-range").as_object();
        CHECK(range.at("start-datetime") == "2016-04-01T00:00:00Z");
        CHECK(range.at("end-datetime") == "2016-04-01T23:59:59Z");
    }

    TEST_CASE("policies is an array whatever its size and differing policies are separate [RPT-29 RPT-61]") {
        CHECK(built({}).at("policies").as_array().empty());
        PolicyCounts changed = sts_counts();
        changed.policy.policy_string[1] = "mode: enforce";
        PolicyCounts tlsa{.policy = {PolicyType::tlsa, "mx1.example.net", {"3 1 1 AA"}, {}}, .details = {}};
        CHECK(built({sts_counts(), changed, tlsa}).at("policies").as_array().size() == 3);
    }

    TEST_CASE(
        "the order of the input does not change the document and equal entries are added up [RPT-22 "
        "RPT-59]") {
        const TlsFailure a{
            ResultType::validation_failure, "192.0.2.1", "mx1.example.net", "", "192.0.2.2", "x"};
        const TlsFailure b{
            ResultType::starttls_not_supported, "192.0.2.1", "mx1.example.net", "", "192.0.2.2", ""};
        PolicyCounts one = sts_counts();
        one.details = {{a, 1}, {b, 2}, {a, 3}};
        PolicyCounts two = sts_counts();
        two.details = {{b, 2}, {a, 4}};
        const PolicyCounts none{.policy = {PolicyType::no_policy_found, "example.net", {}, {}},
                                .details = {}};
        CHECK(report_json(input_with({one, none, two})) == report_json(input_with({two, one, none})));
        const json::object entry = built({one, two}).at("policies").as_array().at(0).as_object();
        CHECK(entry.at("summary").at("total-successful-session-count") == 2 * 5326);
        const json::array details = entry.at("failure-details").as_array();
        REQUIRE(details.size() == 2);
        CHECK(details.at(0).at("failed-session-count") == 4);
        CHECK(details.at(1).at("failed-session-count") == 8);
    }

    TEST_CASE("a tlsa policy lists its records and has no mx-host [RPT-30 RPT-31 RPT-35 RPT-36]") {
        const json::object policy =
            first_policy(
                {.policy = {PolicyType::tlsa, "mx1.example.net", {"3 1 1 AA", "3 1 1 BB"}, {"ignored"}},
                 .details = {}})
                .at("policy")
                .as_object();
        CHECK(policy.at("policy-type") == "tlsa");
        CHECK(policy.at("policy-domain") == "mx1.example.net");
        CHECK(policy.at("policy-string") == json::array{"3 1 1 AA", "3 1 1 BB"});
        CHECK_FALSE(policy.contains("mx-host"));
    }

    TEST_CASE("no-policy-found has neither policy-string nor mx-host [RPT-34 RPT-36 AMB-22]") {
        const json::object policy =
            first_policy(
                {.policy = {PolicyType::no_policy_found, "example.net", {"x"}, {"y"}}, .details = {}})
                .at("policy")
                .as_object();
        CHECK(policy.at("policy-type") == "no-policy-found");
        CHECK(policy.size() == 2);
    }

    TEST_CASE("mx-host is an array of patterns even with one [RPT-36]") {
        CHECK(first_policy(sts_counts()).at("policy").at("mx-host") == json::array{"*.example.net"});
    }

    TEST_CASE("both totals are always there [RPT-37]") {
        PolicyCounts counts = sts_counts();
        counts.successes = counts.failures = 0;
        const json::object summary = first_policy(counts).at("summary").as_object();
        CHECK(summary.at("total-successful-session-count") == 0);
        CHECK(summary.at("total-failure-session-count") == 0);
    }

    TEST_CASE("counts stay integers that every JSON reader keeps [RPT-24 RPT-44]") {
        PolicyCounts counts = sts_counts();
        counts.successes = std::numeric_limits<std::uint64_t>::max();
        counts.details = {{TlsFailure{}, std::numeric_limits<std::uint64_t>::max()}, {TlsFailure{}, 5}};
        const json::object entry = built({counts, counts}).at("policies").as_array().at(0).as_object();
        CHECK(entry.at("summary").at("total-successful-session-count") == 9007199254740991);
        CHECK(entry.at("failure-details").as_array().at(0).at("failed-session-count") == 9007199254740991);
    }

    TEST_CASE("failure-details is left out when there is none [RPT-38 RPT-44]") {
        CHECK_FALSE(first_policy(sts_counts()).contains("failure-details"));
        CHECK_FALSE(first_policy(with_failure({}, 0)).contains("failure-details"));
    }

    TEST_CASE("the sum of the details is not made to fit the total [RPT-53]") {
        PolicyCounts counts = with_failure({ResultType::certificate_expired, "", "", "", "", ""}, 500);
        CHECK(first_policy(counts).at("summary").at("total-failure-session-count") == 303);
    }

    TEST_CASE("a cause without a registered type becomes validation-failure [RPT-39]") {
        CHECK(detail_of({ResultType::none, "", "", "", "", "odd"}).at("result-type") == "validation-failure");
    }

    TEST_CASE("addresses are canonical and what is not an address is left out [RPT-40 RPT-43 RPT-47]") {
        const json::object detail = detail_of({ResultType::validation_failure, "2001:0DB8:0:0:0:0:0:1",
                                               "mx1.example.net", "", "010.0.0.1", ""});
        CHECK(detail.at("sending-mta-ip") == "2001:db8::1");
        CHECK_FALSE(detail.contains("receiving-ip"));
    }

    TEST_CASE("an event without a session has no addresses and no host [RPT-42 RPT-45 RPT-48 AMB-23]") {
        const json::object detail =
            detail_of({ResultType::sts_policy_fetch_error, "", "", "", "", "timeout"});
        CHECK(detail.size() == 3);
        CHECK(detail.at("failure-reason-code") == "timeout");
        CHECK(detail.at("failed-session-count") == 1);
    }

    TEST_CASE("the reason code and the host names are given as they were [RPT-41 RPT-46]") {
        const json::object detail =
            detail_of({ResultType::certificate_not_trusted, "192.0.2.1", "mx1.example.net", "helo.example",
                       "192.0.2.2", "X509_V_ERR_CERT_UNTRUSTED"});
        CHECK(detail.at("receiving-mx-hostname") == "mx1.example.net");
        CHECK(detail.at("receiving-mx-helo") == "helo.example");
        CHECK(detail.at("failure-reason-code") == "X509_V_ERR_CERT_UNTRUSTED");
    }

    TEST_CASE("remote octets cannot break the document [RPT-24 RPT-49]") {
        const std::string hostile =
            std::string("a\0\"\\\x1b\xFF\xED\xA0\x80\xC2\x85\r\n", 13) + std::string(5000, 'x');
        PolicyCounts counts =
            with_failure({ResultType::validation_failure, hostile, hostile, hostile, hostile, hostile});
        counts.policy.policy_string = {hostile};
        counts.policy.mx_host = {hostile};
        counts.policy.domain = hostile;
        ReportInput input = input_with({counts});
        input.organization_name = hostile;
        input.report_id = hostile;
        const std::string text = report_json(input);
        CHECK(is_utf8(text));
        CHECK(text.find_first_of("\r\n\x1b") == std::string::npos);
        CHECK(json::parse(text).is_object());
        CHECK(json::parse(text).at("organization-name").as_string().size() <= 255);
        CHECK(json::parse(text)
                  .at("policies")
                  .as_array()
                  .at(0)
                  .at("policy")
                  .at("policy-domain")
                  .as_string()
                  .size() <= 255);
    }

    TEST_CASE("failures that print alike are one detail [RPT-59]") {
        const std::string long_name(300, 'h');
        PolicyCounts counts = sts_counts();
        counts.details = {{{ResultType::validation_failure, "", "", long_name + "1", "", ""}, 1},
                          {{ResultType::validation_failure, "", "", long_name + "2", "", ""}, 1}};
        CHECK(first_policy(counts).at("failure-details").as_array().size() == 1);
    }

    TEST_CASE(
        "the report-id is the same for the same day and domain and has the shape of a message id [RPT-28 "
        "AMB-35]") {
        const std::string id = report_id(example_net, day, submitter);
        CHECK(id == "20160401.example.net@mail.sender.example");
        CHECK(report_id(example_net, day, submitter) == id);
        CHECK(report_id(example_net, day + std::chrono::days(1), submitter) != id);
        CHECK(report_id(submitter, day, submitter) != id);
        CHECK(report_id(example_net, day, example_net) != id);
        CHECK(report_id(example_net, std::chrono::sys_days{std::chrono::year{2026} / 1 / 9}, submitter)
                  .starts_with("20260109."));
    }

    TEST_CASE("the file name names sender and domain and day [RPT-78]") {
        const ReportInput input = input_with({});
        CHECK(report_file_name(input, "json") == "sender.example!example.net!1459468800!1459555199.json");
        CHECK(report_file_name(input, "json.gz", "no/de-1") ==
              "sender.example!example.net!1459468800!1459555199!node1.json.gz");
    }

}  // TEST_SUITE("security/tlsrpt_report")
