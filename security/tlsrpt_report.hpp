/// \file The daily TLS report: one domain's counts as RFC 8460 JSON.
///
/// Owns     the document, its report-id and its file name. The same input gives the same octets (RPT-22).
/// Shape    I-JSON: UTF-8 without control characters, bounded strings, counts up to 2^53-1.
/// Never    counts, compresses, signs or sends; never invents a member: what is not known is left out
/// (RPT-48). Source   RFC 8460 §4, §5.1; RFC 7493; conformance RPT-17, 18, 24..49, 78; AMB-22, 24, 35.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/address.hpp"
#include "config/domain.hpp"
#include "security/tls_result.hpp"

namespace sealpost::security {

struct FailureCount {
    TlsFailure failure;
    std::uint64_t count = 0;
    bool operator==(const FailureCount&) const = default;
};

struct PolicyCounts {
    AppliedPolicy policy;
    std::uint64_t successes = 0;
    std::uint64_t failures = 0;
    std::vector<FailureCount> details;  ///< their sum may exceed `failures` (RPT-53)
    bool operator==(const PolicyCounts&) const = default;
};

struct ReportInput {
    std::string organization_name;
    Address contact_info;
    std::string report_id;  ///< from report_id()
    std::chrono::sys_days day;
    Domain policy_domain;  ///< whose TLSRPT record asked for the report
    std::vector<PolicyCounts> policies;
};

/// The document, compact. Entries are sorted by policy, details by failure; equal ones are added up.
[[nodiscard]] std::string report_json(const ReportInput& input);

/// "20160401.example.net@mail.sender.example": the same for the same day, domain and submitter, shaped like a
/// message id so that the Subject can carry it unchanged.
[[nodiscard]] std::string report_id(const Domain& policy_domain, std::chrono::sys_days day,
                                    const Domain& submitter);

/// "sender.example!example.net!1459468800!1459555199[!unique].json". `extension` is "json" or "json.gz";
/// of `unique_id` only letters and digits are kept.
[[nodiscard]] std::string report_file_name(const ReportInput& input, std::string_view extension,
                                           std::string_view unique_id = {});

}  // namespace sealpost::security
