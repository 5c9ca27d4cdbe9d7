/// \file MTA-STS policy: what a domain promises about its MX hosts.
///
/// Owns     the parsed body of https://mta-sts.<domain>/.well-known/mta-sts.txt, nothing else.
/// Units    max_age in seconds, 0..31557600; larger values are clamped (AMB-15).
/// Errors   Errc::invalid - not a usable policy; reported as sts-policy-invalid. The text is printable.
/// Never    fetches, caches or reads the clock: mta/sts/policy_fetcher.hpp, queue/sts_cache.hpp do.
/// Source   RFC 8461 §3.2 (body), §4.1 (MX matching); RFC 8460 §4.5 (lines in reports); AMB-15, AMB-16,
/// AMB-36.
#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/domain.hpp"
#include "config/result.hpp"

namespace sealpost::security {

inline constexpr std::size_t max_sts_diagnoses = 20;

enum class StsMode { none, testing, enforce };

struct MxPattern {
    Domain name;
    bool wildcard = false;  ///< "*.name": exactly one more label

    /// `host` as the MX record has it, not its CNAME target (STS-58).
    [[nodiscard]] bool matches(const Domain& host) const;
    [[nodiscard]] std::string str() const;
    bool operator==(const MxPattern&) const = default;
};

struct StsPolicy {
    StsMode mode = StsMode::none;
    std::vector<MxPattern> mx;
    std::chrono::seconds max_age{0};
    std::vector<std::string> lines;  ///< "key: value" as served, for reports (RPT-33)
    /// What was tolerated or passed over, for the domain's administrator: sentences, printable, at most
    /// `max_sts_diagnoses`. A policy without any is written as the RFC wants it.
    std::vector<std::string> diagnoses;

    [[nodiscard]] bool allows(const Domain& host) const;
    bool operator==(const StsPolicy&) const = default;
};

struct StsPolicyLimits {
    std::size_t max_octets = 64U << 10U;
    std::size_t max_lines = 2000;
    std::size_t max_mx = 1000;
};

[[nodiscard]] Result<StsPolicy> parse_sts_policy(std::string_view body, const StsPolicyLimits& limits = {});

/// The lines of any body, also of one that does not parse: without terminators and blank lines, at most
/// `max_lines` of at most 1024 octets each. Raw octets; the report makes them presentable.
[[nodiscard]] std::vector<std::string> sts_policy_lines(std::string_view body,
                                                        const StsPolicyLimits& limits = {});

[[nodiscard]] std::string_view to_string(StsMode mode);

}  // namespace sealpost::security
