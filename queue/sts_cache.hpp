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
#include "security/sts_refresh.hpp"

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
    unsigned failures = 0;              ///< of fetches since then
    std::optional<Time> failing_since;  ///< the first of them
    Time refresh_at{};                  ///< when it is fetched again in the background

    [[nodiscard]] security::StsRefreshState refresh_state() const;
};

struct StsPage {
    std::vector<CachedStsPolicy> policies;
    std::vector<std::string> damaged;  ///< domains whose row does not parse: alarm, fetch again
    std::optional<std::string> next;   ///< give it as `after` for more
};

/// Of the policies that have not expired.
struct StsCounts {
    std::uint64_t cached = 0;
    std::uint64_t enforced = 0;
    std::uint64_t refresh_failing = 0;  ///< without those of mode none, whose end does no harm
};

class StsCache {
public:
    [[nodiscard]] static Result<StsCache> open(Database& db, std::size_t max_policies, Time now);

    /// Policies fetched "in the future" (the clock was set back) get `now` as their fetch time, so that none
    /// is valid longer than its max_age (STS-56), and are due for a refresh. `open` does this too.
    [[nodiscard]] Result<void> mend_clock(Time now);

    /// A successful fetch: replaces at once whatever was there (STS-52, STS-55), restarts expiry (STS-48).
    /// `random` in [0, 1) is for the next refresh.
    [[nodiscard]] Result<void> put(const Domain& domain, const std::string& id, const std::string& body,
                                   const security::StsPolicy& policy, Time now,
                                   const security::StsRefreshPacing& pacing, double random);
    /// A failed fetch, remembered beside the policy, which is returned as it now stands. nullopt: there is
    /// none.
    [[nodiscard]] Result<std::optional<CachedStsPolicy>> note_failure(
        const Domain& domain, const std::string& error, Time now, const security::StsRefreshPacing& pacing,
        double random);
    /// nullopt: none, or expired (STS-49). Errc::invalid: the row is damaged; it is not "no policy".
    [[nodiscard]] Result<std::optional<CachedStsPolicy>> get(const Domain& domain, Time now);
    /// Unexpired policies in order of domain, after `after` (empty: from the start): to fill memory at start.
    [[nodiscard]] Result<StsPage> list(const std::string& after, std::size_t limit, Time now);
    /// Unexpired ones that are due for a refresh, longest due first (STS-53); `next` is never set.
    [[nodiscard]] Result<StsPage> due(std::size_t limit, Time now);
    /// Not before `until`, whatever the row says: for a row that is damaged.
    [[nodiscard]] Result<void> postpone(const std::string& name, Time until);
    /// When the next one will be.
    [[nodiscard]] Result<std::optional<Time>> next_due(Time now);
    [[nodiscard]] Result<StsCounts> counts(Time now);
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
