/// \file StsCache: MTA-STS policies that survive a restart.
///
/// Owns     table sts_policy: the body as it was fetched; it is parsed again on every read, since a row is
/// input
///          like any other.
/// Errors   Errc::full - the cache holds nothing that may be evicted for this policy; the caller alarms.
/// Never    replaces a policy by a failure (STS-52), fetches, reads the clock.
/// Eviction expired first, then mode none, then testing; an enforce policy never makes way for another one,
/// so that
///          a flood of attackers' domains cannot wash it out (STS-57).
/// Source   RFC 8461 §3.3, §10.2; STS-48..57.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "queue/message.hpp"
#include "queue/sqlite.hpp"
#include "security/sts_policy.hpp"

namespace sealpost::queue {

struct CachedStsPolicy {
    Domain domain;
    std::string id;    ///< of the TXT record that led to it
    std::string body;  ///< as fetched
    security::StsPolicy policy;
    Time fetched_at{};
    Time expires_at{};                 ///< fetched_at + max_age
    std::optional<Time> last_failure;  ///< of a fetch since then
    std::string last_error;
};

struct StsPage {
    std::vector<CachedStsPolicy> policies;
    std::vector<std::string> damaged;  ///< domains whose row does not parse: alarm, fetch again
    std::optional<std::string> next;   ///< give it as `after` for more
};

class StsCache {
public:
    /// Policies fetched "in the future" (the clock was set back) get `now` as their fetch time, so that none
    /// is valid longer than its max_age (STS-56).
    [[nodiscard]] static Result<StsCache> open(Database& db, std::size_t max_policies, Time now);

    /// A successful fetch: replaces at once whatever was there (STS-52, STS-55), restarts expiry (STS-48).
    [[nodiscard]] Result<void> put(const Domain& domain, const std::string& id, const std::string& body,
                                   const security::StsPolicy& policy, Time now);
    /// A failed fetch, remembered beside the policy if there is one.
    [[nodiscard]] Result<void> note_failure(const Domain& domain, const std::string& error, Time now);
    /// nullopt: none, or expired (STS-49). Errc::invalid: the row is damaged; it is not "no policy".
    [[nodiscard]] Result<std::optional<CachedStsPolicy>> get(const Domain& domain, Time now);
    /// Unexpired policies in order of domain, after `after` (empty: from the start): to fill memory at start.
    [[nodiscard]] Result<StsPage> list(const std::string& after, std::size_t limit, Time now);
    /// Unexpired ones whose last fetch, failed or not, was before `before`; oldest first: due for a refresh
    /// (STS-53).
    [[nodiscard]] Result<StsPage> fetched_before(Time before, std::size_t limit, Time now);
    [[nodiscard]] Result<void> remove(const Domain& domain);

private:
    struct Statements;
    StsCache(std::shared_ptr<Statements> statements, std::size_t max_policies)
        : statements_(std::move(statements)), max_policies_(max_policies) {}
    [[nodiscard]] Result<void> make_room(security::StsMode mode, Time now);

    std::shared_ptr<Statements> statements_;
    std::size_t max_policies_;
};

}  // namespace sealpost::queue
