#include "queue/store.hpp"

#include <algorithm>
#include <utility>

#include "queue/rows.hpp"
#include "queue/schema.hpp"
#include "queue/store_impl.hpp"

namespace sealpost::queue {

namespace {

constexpr std::uint64_t release_after = 4U << 20;

}  // namespace

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const StoreOptions& options, Time now) {
    const std::filesystem::path file = options.state_directory / "sealpost.db";
    if (auto ours = check_header(file); !ours) return tl::unexpected(ours.error());
    std::error_code error;
    if (!std::filesystem::exists(options.state_directory, error)) {
        // One level only: a mistyped path should not grow a tree.
        std::filesystem::create_directory(options.state_directory, error);
        if (!error)
            std::filesystem::permissions(options.state_directory, std::filesystem::perms::owner_all, error);
        if (error)
            return fail(
                Errc::configuration,
                fmt::format("cannot create the state directory {}: {}; create it and give it to the user "
                            "that runs sealpost",
                            options.state_directory.string(), error.message()));
    }
    auto lock = StateLock::acquire(options.state_directory);
    if (!lock) return tl::unexpected(lock.error());
    auto db = Database::open(file, Database::Mode::read_write);
    if (!db) return tl::unexpected(db.error());
    auto impl = std::make_unique<Impl>(options, std::move(*lock), std::move(*db));
    auto ready = migrate(impl->db, file);
    if (ready) ready = impl->prepare();
    if (!ready) return tl::unexpected(ready.error());
    if (auto recovered = impl->recover(); !recovered) return fail(file.string(), recovered.error());
    auto results = ResultStore::open(impl->db, options.results);
    if (!results) return tl::unexpected(results.error());
    impl->results = std::move(*results);
    auto sts = StsCache::open(impl->db, options.max_sts_policies, now);
    if (!sts) return tl::unexpected(sts.error());
    impl->sts_cache = std::move(*sts);
    return Store{std::move(impl)};
}

Result<void> Store::Impl::prepare() {
    return db.prepare_all({
        {&begin, "BEGIN IMMEDIATE"},
        {&commit, "COMMIT"},
        {&rollback, "ROLLBACK"},
        {&savepoint, "SAVEPOINT job"},
        {&release_savepoint, "RELEASE job"},
        {&undo_savepoint, "ROLLBACK TO job"},
        {&set_high_water, "INSERT OR REPLACE INTO meta (name, value) VALUES ('high_water', ?)"},

        {&add_message,
         "INSERT INTO message (id, sender, flags, client_ip, client_helo, protocol, received_at, expires_at,"
         " body_first, body_size, checksum, tls, envid, ret)"
         " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
        {&add_body, "INSERT INTO body (id, message, data) VALUES (?, ?, ?)"},
        {&add_recipient,
         "INSERT INTO recipient (message, number, address, domain, orcpt, notify, checksum, state, "
         "next_attempt)"
         " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},

        // INDEXED BY turns a search that would read the whole table into an error at start.
        {&due,
         "SELECT message, number, address, domain, orcpt, notify, checksum, attempts, interrupted, notified"
         " FROM recipient INDEXED BY recipient_due WHERE state = 0 AND next_attempt <= ?1"
         " ORDER BY next_attempt LIMIT ?2"},
        {&due_parked,
         "SELECT message, number, address, domain, orcpt, notify, checksum, attempts, interrupted, notified"
         " FROM recipient INDEXED BY recipient_parked WHERE state = 2 AND domain = ?1 AND next_attempt <= ?2"
         " ORDER BY next_attempt LIMIT ?3"},
        {&next_due, "SELECT min(next_attempt) FROM recipient INDEXED BY recipient_due WHERE state = 0"},
        {&lease, "UPDATE recipient SET state = 1 WHERE message = ? AND number = ?"},
        {&park_recipient,
         "UPDATE recipient SET state = 2, attempting = 0 WHERE message = ? AND number = ? AND state < 2"},
        {&freeze_recipient, "UPDATE recipient SET state = 3 WHERE message = ? AND number = ?"},

        {&get_message,
         "SELECT sender, flags, client_ip, client_helo, protocol, received_at, expires_at, body_first, "
         "body_size,"
         " checksum, frozen, tls, envid, ret FROM message WHERE id = ?"},
        {&get_body, "SELECT data FROM body WHERE id >= ?1 AND message = ?2 AND id < ?1 + ?3 ORDER BY id"},
        {&freeze_message, "UPDATE message SET frozen = ?2 WHERE id = ?1"},
        {&freeze_recipients, "UPDATE recipient SET state = 3 WHERE message = ?"},
        {&attempting, "UPDATE recipient SET attempting = 1 WHERE message = ? AND number = ? AND state = 1"},

        {&drop_recipient, "DELETE FROM recipient WHERE message = ? AND number = ?"},
        // Neither a deferral nor a lease given back takes a recipient off the administrator's hold.
        {&defer,
         "UPDATE recipient SET state = CASE state WHEN 4 THEN 4 ELSE 0 END, attempting = 0,"
         " attempts = attempts + 1, last_attempt = ?3, next_attempt = ?4, last_host = ?5, last_status = ?6,"
         " last_reply = ?7, held = ?8, notified = max(notified, ?9)"
         " WHERE message = ?1 AND number = ?2 AND state <> 3"},
        {&any_recipient, "SELECT 1 FROM recipient WHERE message = ? LIMIT 1"},
        {&drop_recipients, "DELETE FROM recipient WHERE message = ?"},
        {&body_range, "SELECT body_first, body_size FROM message WHERE id = ?"},
        {&drop_chunk, "DELETE FROM body WHERE id = ? AND message = ?"},
        {&some_chunks,
         "SELECT id FROM body WHERE id >= ?1 AND id < ?2 AND message = ?3 ORDER BY id LIMIT ?4"},
        {&count_chunks,
         "SELECT count(*), ifnull(sum(length(data)), 0) FROM body WHERE id >= ?1 AND id < ?2 AND message = "
         "?3"},
        {&add_reception, "INSERT OR REPLACE INTO reception (message, body_first, body_end) VALUES (?, ?, ?)"},
        {&get_reception, "SELECT body_first, body_end FROM reception WHERE message = ?"},
        {&drop_reception, "DELETE FROM reception WHERE message = ?"},
        {&drop_message, "DELETE FROM message WHERE id = ?"},
        {&add_attempt, "INSERT INTO attempt (message, at, trace, shared) VALUES (?, ?, ?, ?)"},
        {&drop_attempt, "DELETE FROM attempt WHERE id = ?"},
        {&unlease,
         "UPDATE recipient SET state = CASE state WHEN 4 THEN 4 ELSE 0 END, attempting = 0, next_attempt = ?3"
         " WHERE message = ?1 AND number = ?2 AND state IN (1, 2, 4)"},

        {&retry_recipient,
         "UPDATE recipient SET next_attempt = ?3 WHERE message = ?1 AND number = ?2 AND state = 0"
         " AND next_attempt > ?3"},
        {&hold, "UPDATE recipient SET state = 4 WHERE message = ? AND number = ? AND state < 3"},
        // An attempt that still runs has its lease back; no other delivery may begin beside it.
        {&unhold, "UPDATE recipient SET state = attempting WHERE message = ? AND number = ? AND state = 4"},
        {&idle, "SELECT 1 FROM recipient WHERE message = ? AND number = ? AND attempting = 0 AND state <> 3"},
        {&thaw_message, "UPDATE message SET frozen = NULL WHERE id = ?"},
        {&thaw_recipients,
         "UPDATE recipient SET state = 0, attempting = 0, next_attempt = ?2 WHERE message = ?1 AND state = "
         "3"},

        {&oldest_attempts, "SELECT id, at FROM attempt ORDER BY id LIMIT ?"},
        {&newest_attempt, "SELECT max(id) FROM attempt"},
        {&old_result_days,
         "SELECT DISTINCT day, report_domain FROM tls_session WHERE day < ?1 ORDER BY day, report_domain "
         "LIMIT ?2"},
        {&drop_sessions, "DELETE FROM tls_session WHERE day = ? AND report_domain = ?"},
        {&drop_failures, "DELETE FROM tls_failure WHERE day = ? AND report_domain = ?"},
        {&drop_policies, "DELETE FROM tls_policy WHERE last_day < ?"},
    });
}

namespace {

/// What is due is found by the index alone: an entry that the disk altered would hide its recipient for good.
/// Reading both is quick; a difference is mended.
Result<void> check_index(Database& db) {
    struct Sum {
        std::int64_t rows = 0;
        std::int64_t times = 0;
        std::int64_t messages = 0;
        bool operator==(const Sum&) const = default;
    };
    const auto sum = [&db](const char* sql) -> Result<Sum> {
        auto statement = db.prepare(sql);
        if (!statement) return tl::unexpected(statement.error());
        auto rows = statement->query();
        if (!rows) return tl::unexpected(rows.error());
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        return Sum{rows->integer(0), rows->integer(1), rows->integer(2)};
    };
    // '+': with a plain `state` SQLite 3.40 takes the partial index in spite of NOT INDEXED.
    const Result<Sum> table =
        sum("SELECT count(*), sum(next_attempt % 1000000007), sum(message % 1000000007)"
            " FROM recipient NOT INDEXED WHERE +state = 0");
    if (!table) return tl::unexpected(table.error());
    const Result<Sum> index =
        sum("SELECT count(*), sum(next_attempt % 1000000007), sum(message % 1000000007)"
            " FROM recipient INDEXED BY recipient_due WHERE state = 0");
    if (index && *index == *table) return {};
    return db.exec("REINDEX recipient_due");
}

}  // namespace

Result<void> Store::Impl::recover() {
    // The one scan of the recipients: leases have no index, because each delivery would pay for it.
    Statement unlease_all;
    Statement count_messages;
    Statement count_recipients;
    Statement last_ids;
    Statement receptions;
    auto done = db.prepare_all({
        {&unlease_all,
         "UPDATE recipient SET state = CASE state WHEN 4 THEN 4 ELSE 0 END,"
         " interrupted = interrupted + attempting, attempting = 0"
         " WHERE state = 1 OR state = 2 OR (state = 4 AND attempting = 1)"},
        {&count_messages, "SELECT count(*) FROM message"},
        {&count_recipients, "SELECT count(*) FROM recipient"},
        {&last_ids,
         "SELECT max(ifnull((SELECT value FROM meta WHERE name = 'high_water'), 0),"
         " ifnull((SELECT max(id) FROM message), 0))"},
        {&receptions, "SELECT message, body_end FROM reception"},
    });
    if (done) done = unlease_all.run();
    if (done) done = check_index(db);
    if (!done) return done;
    const auto messages = integer(count_messages.query());
    if (!messages) return tl::unexpected(messages.error());
    const auto recipients = integer(count_recipients.query());
    if (!recipients) return tl::unexpected(recipients.error());
    const auto high_water = integer(last_ids.query());
    if (!high_water) return tl::unexpected(high_water.error());
    auto max_body = db.prepare("SELECT max(id) FROM body");
    if (!max_body) return tl::unexpected(max_body.error());
    const auto last_body = integer(max_body->query());
    if (!last_body) return tl::unexpected(last_body.error());
    if (high_water->value_or(0) < 0 || last_body->value_or(0) < 0 ||
        last_body->value_or(0) > (std::int64_t{1} << 62) ||
        (high_water->value_or(0) > 0 && !MessageId::from_value(**high_water)))
        return fail(Errc::storage, "the database is damaged: an id out of range; restore a backup");
    now.counters = {.messages = static_cast<std::uint64_t>(messages->value_or(0)),
                    .recipients = static_cast<std::uint64_t>(recipients->value_or(0))};
    now.high_water = stored_high_water = high_water->value_or(0);
    next_body = last_body->value_or(0) + 1;
    auto rows = receptions.query();
    if (!rows) return tl::unexpected(rows.error());
    for (;;) {
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return {};
        if (const auto id = MessageId::from_value(rows->integer(0))) leftovers.push_back(*id);
        // Whoever still thinks that it receives one of them must not meet the rows of another message.
        if (rows->integer(1) < (std::int64_t{1} << 62)) next_body = std::max(next_body, rows->integer(1));
    }
}

Result<std::optional<std::int64_t>> Store::Impl::integer(Result<Rows> rows) {
    if (!rows) return tl::unexpected(rows.error());
    const Result<bool> row = rows->next();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return std::nullopt;
    return rows->optional_integer(0);
}

Result<void> Store::begin() {
    if (impl_->broken) return fail(Errc::storage, "the store failed before: it must be opened again");
    if (auto begun = impl_->begin.run(); !begun) return begun;
    impl_->lost = false;
    impl_->at_begin = impl_->now;
    return {};
}

Result<void> Store::commit() {
    Impl& s = *impl_;
    Result<void> done;
    if (s.lost || !s.db.in_transaction())
        done = fail(Errc::storage, "the disk failed inside the transaction");
    if (done && s.now.high_water != s.stored_high_water) done = s.set_high_water.run(s.now.high_water);
    if (done) done = s.commit.run();
    if (done) {
        s.stored_high_water = s.now.high_water;
        // Else the pages of one large body would fill the cache, which has a use only for those of indexes.
        if (std::exchange(s.body_octets_moved, s.body_octets_moved % release_after) >= release_after)
            s.db.release_memory();
        return {};
    }
    rollback();
    // A full disk leaves the file as it was. After any other failure nobody knows what the disk holds.
    s.broken = done.error().code != Errc::full;
    return done;
}

void Store::rollback() {
    if (impl_->db.in_transaction()) static_cast<void>(impl_->rollback.run());
    impl_->now = impl_->at_begin;
    impl_->lost = false;
}

bool Store::broken() const {
    return impl_->broken;
}

Result<void> Store::savepoint() {
    if (impl_->lost || !impl_->db.in_transaction()) {
        impl_->lost = true;
        return fail(Errc::storage, "no transaction is open");
    }
    impl_->at_savepoint = impl_->now;
    return impl_->savepoint.run();
}

Result<void> Store::release_savepoint() {
    if (!impl_->db.in_transaction()) {
        impl_->lost = true;
        return fail(Errc::storage, "the disk failed inside the transaction");
    }
    return impl_->release_savepoint.run();
}

void Store::undo_savepoint() {
    Impl& s = *impl_;
    s.now = s.at_savepoint;
    // Where SQLite has given up the whole transaction, the jobs before this one are gone too: commit() says
    // so.
    if (!s.db.in_transaction() || !s.undo_savepoint.run() || !s.release_savepoint.run()) s.lost = true;
}

Result<bool> Store::prune(Time traces_before, Day results_before, std::size_t limit) {
    Impl& s = *impl_;
    const auto newest = Impl::integer(s.newest_attempt.query());
    if (!newest) return tl::unexpected(newest.error());
    const std::int64_t too_many = newest->value_or(0) - static_cast<std::int64_t>(s.options.max_traces);
    std::vector<std::int64_t> old_attempts;
    {
        auto rows = s.oldest_attempts.query(limit);
        if (!rows) return tl::unexpected(rows.error());
        for (;;) {
            const Result<bool> row = rows->next();
            if (!row) return tl::unexpected(row.error());
            if (!*row || (rows->integer(0) > too_many && rows->integer(1) >= to_row(traces_before))) break;
            old_attempts.push_back(rows->integer(0));
        }
    }
    for (const std::int64_t id : old_attempts)
        if (auto done = s.drop_attempt.run(id); !done) return tl::unexpected(done.error());

    const std::int64_t day = results_before.time_since_epoch().count();
    std::vector<std::pair<std::int64_t, std::string>> old_days;
    {
        auto rows = s.old_result_days.query(day, limit);
        if (!rows) return tl::unexpected(rows.error());
        for (;;) {
            const Result<bool> row = rows->next();
            if (!row) return tl::unexpected(row.error());
            if (!*row) break;
            old_days.emplace_back(rows->integer(0), rows->text(1));
        }
    }
    for (const auto& [old_day, domain] : old_days) {
        auto done = s.drop_sessions.run(old_day, domain);
        if (done) done = s.drop_failures.run(old_day, domain);
        if (!done) return tl::unexpected(done.error());
    }
    if (!old_days.empty() && old_days.size() < limit)
        if (auto done = s.drop_policies.run(day); !done) return tl::unexpected(done.error());
    return old_attempts.size() == limit || old_days.size() == limit;
}

Counters Store::counters() const {
    return impl_->now.counters;
}
std::int64_t Store::high_water() const {
    return impl_->now.high_water;
}
ResultStore& Store::results() {
    return *impl_->results;
}
StsCache& Store::sts_cache() {
    return *impl_->sts_cache;
}

}  // namespace sealpost::queue
