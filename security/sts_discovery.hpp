/// \file MTA-STS discovery: from the TXT answer, the memory and the fetch to the policy that is in force.
///
/// Owns     the two decisions of RFC 8461 §3.3 and §5.1: whether to fetch, and what holds afterwards; how
/// often
///          one domain may make us fetch.
/// Never    fetches, reads a clock or forgets a cached policy because something failed [STS-29].
/// Source   RFC 8461 §3.1, §3.3, §5.1; RFC 8460 §4.3.2.2; AMB-12.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "security/dns_answer.hpp"
#include "security/sts_policy.hpp"
#include "security/tls_result.hpp"

namespace sealpost::security {

using StsClock = std::chrono::sys_time<std::chrono::milliseconds>;

/// How often the delivery path fetches for one domain.
struct StsPacing {
    std::chrono::milliseconds retry_after{std::chrono::minutes(5)};  ///< after a failed fetch of the same id
    /// A record whose id is another one at every question must neither cost a fetch for each message nor hold
    /// it up: after so many fetches within the window the cached policy serves.
    std::size_t max_id_changes = 3;
    std::chrono::milliseconds id_change_window{std::chrono::hours(1)};
};

/// What is known of a domain without asking anybody.
struct StsMemory {
    std::optional<StsPolicy> policy;
    std::string id;
    StsClock fetched_at{};
    StsClock expires{};  ///< fetched_at + max_age [STS-48]
    /// The last fetch that failed: the same id is not tried again too soon [STS-27].
    std::string failed_id;
    StsClock failed_at{};
    ResultType failure = ResultType::none;
    std::string failure_reason;
    /// Fetches that a delivery waited for, oldest first; as many as count.
    std::vector<StsClock> fetches;
};

/// What is left of a memory at `now`: no policy that has run out [STS-49], and none that holds for longer
/// than its max_age from now, which would come of a clock that was set back [STS-56].
void expire_sts_memory(StsMemory& memory, StsClock now);
/// A delivery is going to wait for a fetch.
void note_sts_fetch(StsMemory& memory, StsClock now, const StsPacing& pacing);

/// Whether this attempt is the last one before the message is given up: then nothing that merely saves effort
/// keeps a new policy from being found [STS-68].
enum class StsUrgency { normal, final };

enum class StsTxt { found, none, invalid, failed };
enum class StsFetch {
    no,         ///< the memory decides
    first,      ///< and the delivery waits for it
    background  ///< the memory decides now, the fetch is for later
};

struct StsStep {
    StsTxt txt = StsTxt::none;
    StsFetch fetch = StsFetch::no;
    std::string id;   ///< of the TXT record
    std::string why;  ///< of `none`, `invalid`, `failed`, and why a changed id is not fetched first
};

[[nodiscard]] StsStep decide_sts_step(const DnsAnswer& txt, const StsMemory& memory, StsClock now,
                                      const StsPacing& pacing, StsUrgency urgency = StsUrgency::normal);

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
    /// We cannot say whether a policy is in force, for reasons of our own (our memory cannot be read, or we
    /// could not even try to fetch): every hop waits.
    bool cache_failed = false;

    [[nodiscard]] bool enforced() const { return policy && policy->mode == StsMode::enforce; }
    [[nodiscard]] bool tested() const { return policy && policy->mode == StsMode::testing; }
};

/// The step said no fetch, or one in the background.
[[nodiscard]] StsState sts_from_memory(const StsStep& step, const StsMemory& memory);
[[nodiscard]] StsState sts_from_fetch(const StsStep& step, StsPolicy fetched, StsClock now);
[[nodiscard]] StsState sts_from_failure(const StsStep& step, const StsMemory& memory,
                                        StsFetchFailure failure);
/// The fetch could not be started, for which the domain is not to blame: what is cached serves; with nothing
/// cached the mail waits, since else a flood of other domains' fetches could switch MTA-STS off for this one.
[[nodiscard]] StsState sts_from_no_attempt(const StsStep& step, const StsMemory& memory, std::string why);

[[nodiscard]] std::string_view to_string(StsTxt txt);
[[nodiscard]] std::string_view to_string(StsOrigin origin);

}  // namespace sealpost::security
