#include "queue/sts_cache.hpp"

#include <algorithm>
#include <array>

#include "queue/rows.hpp"

namespace sealpost::queue {

namespace {

constexpr std::size_t max_error_size = 500;

// Stored numbers, in the order of eviction.
std::int64_t mode_to_row(security::StsMode mode) {
    switch (mode) {
        case security::StsMode::none:
            return 0;
        case security::StsMode::testing:
            return 1;
        case security::StsMode::enforce:
            break;
    }
    return 2;
}

constexpr std::string_view columns =
    "SELECT domain, id, body, fetched_at, expires_at, last_failure, last_error, failures, failing_since, "
    "refresh_at"
    " FROM sts_policy ";

Result<CachedStsPolicy> from_row(const Rows& row) {
    auto domain = Domain::parse(row.text(0));
    if (!domain) return fail("a damaged row in sts_policy", domain.error());
    auto policy = security::parse_sts_policy(row.text(2));
    if (!policy) return fail(fmt::format("the stored MTA-STS policy of {}", *domain), policy.error());
    const auto fetched_at = time_from_row(row.integer(3));
    const auto expires_at = time_from_row(row.integer(4));
    if (!fetched_at || !expires_at)
        return fail(Errc::invalid,
                    fmt::format("the stored MTA-STS policy of {} has a damaged date", *domain));
    CachedStsPolicy cached{.domain = std::move(*domain),
                           .id = std::string{row.text(1)},
                           .body = std::string{row.text(2)},
                           .policy = std::move(*policy),
                           .fetched_at = *fetched_at,
                           .expires_at = *expires_at,
                           .last_failure = std::nullopt,
                           .last_error = std::string{row.text(6)},
                           .failures = unsigned_from_row<unsigned>(row.integer(7)).value_or(0),
                           .failing_since = std::nullopt,
                           .refresh_at = time_from_row(row.integer(9)).value_or(Time{})};
    // The body is the promise; a column that says it holds for longer is wrong.
    cached.expires_at = std::min(cached.expires_at, cached.fetched_at + cached.policy.max_age);
    if (const auto failure = row.optional_integer(5)) cached.last_failure = time_from_row(*failure);
    if (const auto since = row.optional_integer(8)) cached.failing_since = time_from_row(*since);
    return cached;
}

Result<StsPage> page_from(Result<Rows> rows, std::size_t limit, Time now) {
    if (!rows) return tl::unexpected(rows.error());
    StsPage page;
    std::string last;
    for (std::size_t seen = 0;; ++seen) {
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) {
            if (seen == limit) page.next = last;
            return page;
        }
        last = std::string{rows->text(0)};
        auto cached = from_row(*rows);
        if (!cached)
            page.damaged.push_back(last);
        else if (now < cached->expires_at)
            page.policies.push_back(std::move(*cached));
    }
}

Result<std::optional<std::int64_t>> one_integer(Result<Rows> rows) {
    if (!rows) return tl::unexpected(rows.error());
    const Result<bool> row = rows->next();
    if (!row) return tl::unexpected(row.error());
    return *row ? rows->optional_integer(0) : std::nullopt;
}

}  // namespace

security::StsRefreshState CachedStsPolicy::refresh_state() const {
    return {.mode = policy.mode,
            .fetched_at = fetched_at,
            .expires = expires_at,
            .failures = failures,
            .failing_since = failing_since.value_or(fetched_at),
            .last_try = last_failure.value_or(fetched_at)};
}

struct StsCache::Statements {
    Database* db = nullptr;
    Statement replace, count, insert, note, get, list, due, next_due, remove, mend_clock, postpone;
    Statement count_mode, count_failing;
    Statement evict_expired, evict_weaker;
};

Result<StsCache> StsCache::open(Database& db, std::size_t max_policies, Time now) {
    auto statements = std::make_shared<Statements>();
    Statements& s = *statements;
    s.db = &db;
    const std::string get = std::string{columns} + "WHERE domain = ?";
    const std::string list = std::string{columns} + "WHERE domain > ?1 ORDER BY domain LIMIT ?2";
    const std::string due =
        std::string{columns} + "WHERE refresh_at <= ?1 AND expires_at > ?1 ORDER BY refresh_at LIMIT ?2";
    auto ready = db.prepare_all({
        {&s.mend_clock,
         "UPDATE sts_policy SET"
         " expires_at = CASE WHEN fetched_at > ?1 THEN ?1 + (expires_at - fetched_at) ELSE expires_at END,"
         " fetched_at = min(fetched_at, ?1), last_failure = min(last_failure, ?1),"
         " failing_since = min(failing_since, ?1), refresh_at = ?1"
         " WHERE fetched_at > ?1 OR last_failure > ?1"},
        {&s.replace,
         "UPDATE sts_policy SET id = ?2, body = ?3, mode = ?4, fetched_at = ?5, expires_at = ?6, refresh_at "
         "= ?7,"
         " last_failure = NULL, last_error = NULL, failures = 0, failing_since = NULL WHERE domain = ?1"},
        {&s.count, "SELECT count(*) FROM sts_policy"},
        {&s.insert,
         "INSERT INTO sts_policy (domain, id, body, mode, fetched_at, expires_at, refresh_at)"
         " VALUES (?, ?, ?, ?, ?, ?, ?)"},
        {&s.note,
         "UPDATE sts_policy SET last_failure = ?2, last_error = ?3, failures = ?4, failing_since = ?5,"
         " refresh_at = ?6 WHERE domain = ?1"},
        {&s.get, get},
        {&s.list, list},
        {&s.due, due},
        {&s.postpone, "UPDATE sts_policy SET refresh_at = ?2 WHERE domain = ?1"},
        {&s.next_due, "SELECT min(refresh_at) FROM sts_policy WHERE expires_at > ?"},
        {&s.count_mode, "SELECT count(*) FROM sts_policy WHERE mode = ? AND expires_at > ?"},
        {&s.count_failing,
         "SELECT count(*) FROM sts_policy WHERE failures > 0 AND mode > 0 AND expires_at > ?"},
        {&s.remove, "DELETE FROM sts_policy WHERE domain = ?"},
        {&s.evict_expired,
         "DELETE FROM sts_policy WHERE domain IN (SELECT domain FROM sts_policy"
         " WHERE mode = ?2 AND expires_at <= ?1 LIMIT 100)"},
        {&s.evict_weaker,
         "DELETE FROM sts_policy WHERE domain IN (SELECT domain FROM sts_policy"
         " WHERE mode < 2 AND mode <= ?1 ORDER BY mode, expires_at LIMIT 1)"},
    });
    if (ready) ready = s.mend_clock.run(to_row(now));
    if (!ready) return tl::unexpected(ready.error());
    return StsCache{std::move(statements), max_policies};
}

Result<void> StsCache::mend_clock(Time now) {
    return statements_->mend_clock.run(to_row(now));
}

Result<void> StsCache::make_room(security::StsMode mode, Time now) {
    Statements& s = *statements_;
    std::int64_t held = 0;
    {
        auto rows = s.count.query();
        if (!rows) return tl::unexpected(rows.error());
        if (const Result<bool> row = rows->next(); !row) return tl::unexpected(row.error());
        held = rows->integer(0);
    }
    if (held < static_cast<std::int64_t>(max_policies_)) return {};
    for (const int each : {0, 1, 2}) {
        if (auto done = s.evict_expired.run(to_row(now), each); !done) return done;
        if (s.db->changes() > 0) return {};
    }
    if (auto done = s.evict_weaker.run(mode_to_row(mode)); !done) return done;
    if (s.db->changes() > 0) return {};
    return fail(Errc::full, fmt::format("the MTA-STS cache is full ({} policies in force); raise max_cached",
                                        max_policies_));
}

Result<void> StsCache::put(const Domain& domain, const std::string& id, const std::string& body,
                           const security::StsPolicy& policy, Time now,
                           const security::StsRefreshPacing& pacing, double random) {
    Statements& s = *statements_;
    security::StsRefreshState fresh;
    fresh.fetched_at = now;
    fresh.expires = now + policy.max_age;
    const std::int64_t expires_at = to_row(fresh.expires);
    const std::int64_t refresh_at = to_row(security::next_sts_refresh(fresh, pacing, random));
    auto done = s.replace.run(domain.str(), id, Blob{body}, mode_to_row(policy.mode), to_row(now), expires_at,
                              refresh_at);
    if (!done || s.db->changes() > 0) return done;
    if (auto room = make_room(policy.mode, now); !room) return room;
    return s.insert.run(domain.str(), id, Blob{body}, mode_to_row(policy.mode), to_row(now), expires_at,
                        refresh_at);
}

Result<std::optional<CachedStsPolicy>> StsCache::note_failure(const Domain& domain, const std::string& error,
                                                              Time now,
                                                              const security::StsRefreshPacing& pacing,
                                                              double random) {
    auto cached = get(domain, now);
    if (!cached || !*cached) return cached;
    CachedStsPolicy& policy = **cached;
    policy.last_failure = now;
    policy.last_error = error.substr(0, max_error_size);
    policy.failing_since = std::min(policy.failing_since.value_or(now), now);
    ++policy.failures;
    policy.refresh_at = security::next_sts_refresh(policy.refresh_state(), pacing, random);
    auto noted = statements_->note.run(domain.str(), to_row(now), policy.last_error, policy.failures,
                                       to_row(*policy.failing_since), to_row(policy.refresh_at));
    if (!noted) return tl::unexpected(noted.error());
    return cached;
}

Result<std::optional<CachedStsPolicy>> StsCache::get(const Domain& domain, Time now) {
    auto rows = statements_->get.query(domain.str());
    if (!rows) return tl::unexpected(rows.error());
    const Result<bool> row = rows->next();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return std::nullopt;
    auto cached = from_row(*rows);
    if (!cached) return tl::unexpected(cached.error());
    if (now >= cached->expires_at) return std::nullopt;
    return std::move(*cached);
}

Result<StsPage> StsCache::list(const std::string& after, std::size_t limit, Time now) {
    return page_from(statements_->list.query(after, limit), limit, now);
}

Result<StsPage> StsCache::due(std::size_t limit, Time now) {
    auto page = page_from(statements_->due.query(to_row(now), limit), limit, now);
    if (page) page->next.reset();  // the caller refreshes these and asks again
    return page;
}

Result<void> StsCache::postpone(const std::string& name, Time until) {
    return statements_->postpone.run(name, to_row(until));
}

Result<std::optional<Time>> StsCache::next_due(Time now) {
    const auto next = one_integer(statements_->next_due.query(to_row(now)));
    if (!next) return tl::unexpected(next.error());
    return *next ? time_from_row(**next) : std::nullopt;
}

Result<StsCounts> StsCache::counts(Time now) {
    StsCounts counts;
    for (const int mode : {0, 1, 2}) {
        const auto of_mode = one_integer(statements_->count_mode.query(mode, to_row(now)));
        if (!of_mode) return tl::unexpected(of_mode.error());
        const auto number = static_cast<std::uint64_t>(of_mode->value_or(0));
        counts.cached += number;
        if (mode == 2) counts.enforced = number;
    }
    const auto failing = one_integer(statements_->count_failing.query(to_row(now)));
    if (!failing) return tl::unexpected(failing.error());
    counts.refresh_failing = static_cast<std::uint64_t>(failing->value_or(0));
    return counts;
}

Result<void> StsCache::remove(const Domain& domain) {
    return statements_->remove.run(domain.str());
}

}  // namespace sealpost::queue
