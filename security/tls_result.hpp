/// \file TlsResult: how TLS went in one session under one policy, in the words of TLS-RPT.
///
/// Owns     the value that the verdict makes, the queue counts and the daily report prints.
/// Shape    domains are A-labels in lower case without a trailing dot; addresses as IpAddress::str() prints
/// them.
///          An empty string means "not known" or "there was no session" and is left out of reports (RPT-48).
/// Source   RFC 8460 §4.3 (result types), §4.4 (members).
#pragma once
#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost::security {

enum class PolicyType { tlsa, sts, no_policy_found };

/// The 11 registered values; `none` is no failure.
enum class ResultType {
    none,
    starttls_not_supported,
    certificate_host_mismatch,
    certificate_expired,
    certificate_not_trusted,
    validation_failure,
    tlsa_invalid,
    dnssec_invalid,
    dane_required,
    sts_policy_fetch_error,
    sts_policy_invalid,
    sts_webpki_invalid
};

/// The policy that a session was measured against. Two that differ in any octet are two entries of a report.
struct AppliedPolicy {
    PolicyType type = PolicyType::no_policy_found;
    std::string domain;  ///< tlsa: the TLSA base domain; otherwise the recipient's policy domain (RPT-35)
    std::vector<std::string> policy_string;  ///< TlsaSet::policy_string() or StsPolicy::lines
    std::vector<std::string> mx_host;        ///< sts only: the mx patterns
    auto operator<=>(const AppliedPolicy&) const = default;
};

struct TlsFailure {
    ResultType type = ResultType::validation_failure;
    std::string sending_mta_ip;
    std::string receiving_mx_hostname;
    std::string receiving_mx_helo;
    std::string receiving_ip;
    std::string reason_code;
    auto operator<=>(const TlsFailure&) const = default;
};

/// One session under one policy; or a failure of the policy itself, before there was a session.
struct TlsResult {
    std::string policy_domain_of_recipient;  ///< the next-hop domain into whose report this goes
    AppliedPolicy policy;
    bool session_success = false;
    bool counts_session = true;  ///< false: details alone, neither of the two session totals moves
    std::vector<TlsFailure> failures;
    bool operator==(const TlsResult&) const = default;
};

/// "tlsa", "sts", "no-policy-found".
[[nodiscard]] std::string_view to_string(PolicyType type);
/// As registered, "starttls-not-supported"; "none" for none.
[[nodiscard]] std::string_view to_string(ResultType type);
[[nodiscard]] std::optional<PolicyType> policy_type_from_string(std::string_view text);
[[nodiscard]] std::optional<ResultType> result_type_from_string(std::string_view text);

}  // namespace sealpost::security
