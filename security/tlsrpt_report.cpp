#include "security/tlsrpt_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>
#include <map>
#include <string_view>

#include "config/ip.hpp"
#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

namespace json = boost::json;

constexpr std::uint64_t max_integer = (std::uint64_t{1} << 53U) - 1;  // RFC 7493 §2.2
constexpr std::size_t max_text = 255;
constexpr std::size_t max_reason = 1000;
constexpr std::size_t max_policy_line = 65536;  // a TLSA record may hold a whole certificate, in hex

constexpr std::chrono::seconds last_second = std::chrono::days(1) - std::chrono::seconds(1);  // AMB-24

/// `total` never passes max_integer, so the subtraction cannot wrap.
std::uint64_t add(std::uint64_t total, std::uint64_t more) {
    return total + std::min(more, max_integer - total);
}

std::string date_of(std::chrono::sys_days day, std::string_view format) {
    const std::chrono::year_month_day date(day);
    return fmt::format(fmt::runtime(format), static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

/// RFC 5952 form; empty for what is not an address, so that nothing is faked.
std::string address_text(const std::string& text) {
    const Result<IpAddress> address = IpAddress::parse(text);
    return address ? address->str() : std::string();
}

/// What the document will say of a failure. Failures that differ only in what is not printed become equal
/// here.
TlsFailure presentable(const TlsFailure& failure) {
    TlsFailure out;
    out.type = failure.type == ResultType::none ? ResultType::validation_failure : failure.type;
    out.sending_mta_ip = address_text(failure.sending_mta_ip);
    out.receiving_mx_hostname = i_json_text(failure.receiving_mx_hostname, max_text);
    out.receiving_mx_helo = i_json_text(failure.receiving_mx_helo, max_text);
    out.receiving_ip = address_text(failure.receiving_ip);
    out.reason_code = i_json_text(failure.reason_code, max_reason);
    return out;
}

struct Totals {
    std::uint64_t successes = 0;
    std::uint64_t failures = 0;
    std::map<TlsFailure, std::uint64_t> details;
};

std::map<AppliedPolicy, Totals> merge(const std::vector<PolicyCounts>& policies) {
    std::map<AppliedPolicy, Totals> merged;
    for (const PolicyCounts& one : policies) {
        Totals& totals = merged[one.policy];
        totals.successes = add(totals.successes, one.successes);
        totals.failures = add(totals.failures, one.failures);
        for (const FailureCount& detail : one.details) {
            if (detail.count == 0) continue;  // RPT-44: at least 1
            std::uint64_t& count = totals.details[presentable(detail.failure)];
            count = add(count, detail.count);
        }
    }
    return merged;
}

json::array array_of(const std::vector<std::string>& lines) {
    json::array out;
    for (const std::string& line : lines) out.emplace_back(i_json_text(line, max_policy_line));
    return out;
}

json::object policy_object(const AppliedPolicy& policy) {
    json::object out;
    out["policy-type"] = to_string(policy.type);
    if (policy.type != PolicyType::no_policy_found && !policy.policy_string.empty())
        out["policy-string"] = array_of(policy.policy_string);
    out["policy-domain"] = i_json_text(policy.domain, max_text);
    if (policy.type == PolicyType::sts && !policy.mx_host.empty()) out["mx-host"] = array_of(policy.mx_host);
    return out;
}

json::object detail_object(const TlsFailure& failure, std::uint64_t count) {
    json::object out;
    const auto put = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) out[name] = value;
    };
    out["result-type"] = to_string(failure.type);
    put("sending-mta-ip", failure.sending_mta_ip);
    put("receiving-mx-hostname", failure.receiving_mx_hostname);
    put("receiving-mx-helo", failure.receiving_mx_helo);
    put("receiving-ip", failure.receiving_ip);
    out["failed-session-count"] = count;
    put("failure-reason-code", failure.reason_code);
    return out;
}

json::object entry_object(const AppliedPolicy& policy, const Totals& totals) {
    json::object summary;
    summary["total-successful-session-count"] = totals.successes;
    summary["total-failure-session-count"] = totals.failures;
    json::object out;
    out["policy"] = policy_object(policy);
    out["summary"] = std::move(summary);
    if (!totals.details.empty()) {
        json::array details;
        for (const auto& [failure, count] : totals.details) details.push_back(detail_object(failure, count));
        out["failure-details"] = std::move(details);
    }
    return out;
}

}  // namespace

std::string report_json(const ReportInput& input) {
    const std::string date = date_of(input.day, "{:04}-{:02}-{:02}");
    json::object range;
    range["start-datetime"] = date + "T00:00:00Z";
    range["end-datetime"] = date + "T23:59:59Z";
    json::array policies;
    for (const auto& [policy, totals] : merge(input.policies))
        policies.push_back(entry_object(policy, totals));

    json::object report;
    report["organization-name"] = i_json_text(input.organization_name, max_text);
    report["date-range"] = std::move(range);
    report["contact-info"] = i_json_text(input.contact_info.str(), max_text);
    report["report-id"] = i_json_text(input.report_id, 2 * max_text);
    report["policies"] = std::move(policies);
    return json::serialize(report);
}

std::string report_id(const Domain& policy_domain, std::chrono::sys_days day, const Domain& submitter) {
    return fmt::format("{}.{}@{}", date_of(day, "{:04}{:02}{:02}"), policy_domain, submitter);
}

std::string report_file_name(const ReportInput& input, std::string_view extension,
                             std::string_view unique_id) {
    const std::chrono::sys_seconds begin = input.day;
    std::string name =
        fmt::format("{}!{}!{}!{}", input.contact_info.host_str(), input.policy_domain,
                    begin.time_since_epoch().count(), (begin + last_second).time_since_epoch().count());
    std::string unique;
    std::copy_if(unique_id.begin(), unique_id.end(), std::back_inserter(unique), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    });
    if (!unique.empty()) name.append("!").append(unique);
    return name.append(".").append(extension);
}

}  // namespace sealpost::security
