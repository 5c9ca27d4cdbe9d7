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
    "SELECT domain, id, body, fetched_at, expires_at, last_failure, last_error FROM sts_policy ";

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
                           .last_error = std::string{row.text(6)}};
    // The body is the promise; a column that says it holds for longer is wrong.
    cached.expires_at = std::min(cached.expires_at, cached.fetched_at + cached.policy.max_age);
    if (const auto failure = row.optional_integer(5)) cached.last_failure = time_from_row(*failure);
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

}  // namespace

struct StsCache::Statements {
    Database* db = nullptr;
    Statement replace, count, insert, note, get, list, stale, remove;
    Statement evict_expired, evict_weaker;
};

Result<StsCache> StsCache::open(Database& db, std::size_t max_policies, Time now) {
    auto statements = std::make_shared<Statements>();
    Statements& s = *statements;
    s.db = &db;
    Statement mend_clock;
    const std::string get = std::string{columns} + "WHERE domain = ?";
    const std::string list = std::string{columns} + "WHERE domain > ?1 ORDER BY domain LIMIT ?2";
    const std::string stale = std::string{columns} +
                              "WHERE fetched_at < ?1 AND expires_at > ?3 AND ifnull(last_failure, 0) < ?1"
                              " ORDER BY fetched_at LIMIT ?2";
    auto ready = db.prepare_all({
        {&mend_clock,
         "UPDATE sts_policy SET expires_at = ?1 + (expires_at - fetched_at), fetched_at = ?1 WHERE "
         "fetched_at > ?1"},
        {&s.replace,
         "UPDATE sts_policy SET id = ?2, body = ?3, mode = ?4, fetched_at = ?5, expires_at = ?6,"
         " last_failure = NULL, last_error = NULL WHERE domain = ?1"},
        {&s.count, "SELECT count(*) FROM sts_policy"},
        {&s.insert,
         "INSERT INTO sts_policy (domain, id, body, mode, fetched_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)"},
        {&s.note, "UPDATE sts_policy SET last_failure = ?2, last_error = ?3 WHERE domain = ?1"},
        {&s.get, get},
        {&s.list, list},
        {&s.stale, stale},
        {&s.remove, "DELETE FROM sts_policy WHERE domain = ?"},
        {&s.evict_expired,
         "DELETE FROM sts_policy WHERE domain IN (SELECT domain FROM sts_policy"
         " WHERE mode = ?2 AND expires_at <= ?1 LIMIT 100)"},
        {&s.evict_weaker,
         "DELETE FROM sts_policy WHERE domain IN (SELECT domain FROM sts_policy"
         " WHERE mode < 2 AND mode <= ?1 ORDER BY mode, expires_at LIMIT 1)"},
    });
    if (ready) ready = mend_clock.run(to_row(now));
    if (!ready) return tl::unexpected(ready.error());
    return StsCache{std::move(statements), max_policies};
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
                           const security::StsPolicy& policy, Time now) {
    Statements& s = *statements_;
    const std::int64_t expires_at = to_row(now + policy.max_age);
    auto done =
        s.replace.run(domain.str(), id, Blob{body}, mode_to_row(policy.mode), to_row(now), expires_at);
    if (!done || s.db->changes() > 0) return done;
    if (auto room = make_room(policy.mode, now); !room) return room;
    return s.insert.run(domain.str(), id, Blob{body}, mode_to_row(policy.mode), to_row(now), expires_at);
}

Result<void> StsCache::note_failure(const Domain& domain, const std::string& error, Time now) {
    return statements_->note.run(domain.str(), to_row(now), error.substr(0, max_error_size));
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

Result<StsPage> StsCache::fetched_before(Time before, std::size_t limit, Time now) {
    auto page = page_from(statements_->stale.query(to_row(before), limit, to_row(now)), limit, now);
    if (page) page->next.reset();  // the caller refreshes these and asks again
    return page;
}

Result<void> StsCache::remove(const Domain& domain) {
    return statements_->remove.run(domain.str());
}

}  // namespace sealpost::queue
