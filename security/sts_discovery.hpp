/// \file MTA-STS discovery: from the TXT answer, the cache and the fetch to the policy that is in force.
///
/// Owns     the two decisions of RFC 8461 §3.3 and §5.1: whether to fetch, and what holds afterwards.
/// Never    fetches, reads a clock or forgets a cached policy because something failed [STS-29].
/// Source   RFC 8461 §3.1, §3.3, §5.1; RFC 8460 §4.3.2.2; AMB-12.
#pragma once
#include <chrono>
#include <optional>
#include <string>

#include "config/domain.hpp"
#include "security/dns_answer.hpp"
#include "security/sts_policy.hpp"
#include "security/tls_result.hpp"

namespace sealpost::security {

using StsClock = std::chrono::sys_time<std::chrono::milliseconds>;

/// What the cache knows of a domain; the policy in it has not expired.
struct StsMemory {
    std::optional<StsPolicy> policy;
    std::string id;
    StsClock expires{};
    /// The last fetch that failed: the same id is not tried again too soon [STS-27].
    std::string failed_id;
    StsClock failed_at{};
    ResultType failure = ResultType::none;
    std::string failure_reason;
};

enum class StsTxt { found, none, invalid, failed };

struct StsStep {
    StsTxt txt = StsTxt::none;
    bool fetch = false;  ///< else the memory decides
    std::string id;      ///< of the TXT record
    std::string why;     ///< of `none`, `invalid`, `failed`
};

[[nodiscard]] StsStep decide_sts_step(const DnsAnswer& txt, const StsMemory& memory, StsClock now,
                                      std::chrono::milliseconds retry_after);

struct StsFetchFailure {
    ResultType type = ResultType::sts_policy_fetch_error;
    std::string reason;
};

enum class StsOrigin { none, fetched, cached };

/// What is in force for the domain, and how we know.
struct StsState {
    StsTxt txt = StsTxt::none;
    StsOrigin origin = StsOrigin::none;
    std::optional<StsPolicy> policy;  ///< set unless origin is none
    std::string id;
    /// When the policy ends; of no meaning without one. Nothing that was learnt under the policy (a TLS
    /// session to resume, say) may be used from then on.
    StsClock expires{};
    std::string why;  ///< why there is no policy, or why the cached one serves
    /// To be reported [RPT-73 RPT-74 RPT-75]: discovery or fetch failed where there should be a policy.
    std::optional<StsFetchFailure> failure;
    /// Our own memory of policies could not be read: nobody knows whether one is in force, so every hop
    /// waits.
    bool cache_failed = false;

    [[nodiscard]] bool enforced() const { return policy && policy->mode == StsMode::enforce; }
    [[nodiscard]] bool tested() const { return policy && policy->mode == StsMode::testing; }
};

/// `step.fetch` was false.
[[nodiscard]] StsState sts_from_memory(const StsStep& step, const StsMemory& memory);
[[nodiscard]] StsState sts_from_fetch(const StsStep& step, StsPolicy fetched, StsClock now);
[[nodiscard]] StsState sts_from_failure(const StsStep& step, const StsMemory& memory,
                                        StsFetchFailure failure);

[[nodiscard]] std::string_view to_string(StsTxt txt);
[[nodiscard]] std::string_view to_string(StsOrigin origin);

}  // namespace sealpost::security
