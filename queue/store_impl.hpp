/// \file Store::Impl: what the parts of the Store share. For queue/store*.cpp alone.
#pragma once
#include <deque>
#include <optional>

#include "queue/store.hpp"

namespace sealpost::queue {

struct Store::Impl {
    Impl(StoreOptions o, StateLock l, Database d)
        : options(std::move(o)), lock(std::move(l)), db(std::move(d)) {}

    StoreOptions options;
    StateLock lock;  // before the database: given up last
    Database db;

    Statement begin, commit, rollback, savepoint, release_savepoint, undo_savepoint;
    Statement set_high_water;
    Statement add_message, add_body, add_recipient;
    Statement due, due_parked, next_due, lease, park_recipient, freeze_recipient;
    Statement get_message, get_body, body_range, freeze_message, freeze_recipients, attempting;
    Statement drop_recipient, defer, any_recipient, drop_recipients, drop_message;
    Statement add_attempt, drop_attempt, unlease;
    Statement add_reception, get_reception, drop_reception, count_chunks, some_chunks, drop_chunk;
    Statement retry_recipient, thaw_message, thaw_recipients;
    Statement hold, unhold, idle;
    Statement oldest_attempts, newest_attempt, old_result_days, drop_sessions, drop_failures, drop_policies;

    std::optional<ResultStore> results;
    std::optional<StsCache> sts_cache;

    // What a rollback gives back.
    struct Tally {
        Counters counters;
        std::int64_t high_water = 0;
    };
    Tally now, at_begin, at_savepoint;
    std::int64_t stored_high_water = 0;
    std::int64_t next_body = 1;  ///< never reused while this runs, so the chunks of a message are consecutive
    /// Messages whose row in `reception` stands for no reception any more; the row alone decides, so that one
    /// may be named here too many.
    std::deque<MessageId> leftovers;
    std::uint64_t body_octets_moved = 0;  ///< since memory was released
    bool lost = false;                    ///< SQLite rolled the transaction back by itself
    bool broken = false;

    [[nodiscard]] Result<void> prepare();
    [[nodiscard]] Result<void> recover();
    [[nodiscard]] Result<DueBatch> lease_rows(Result<Rows> rows, const std::set<std::string>& saturated);
    [[nodiscard]] Result<void> freeze(MessageId id, const std::string& reason);
    [[nodiscard]] Result<bool> remove_message(MessageId id);
    [[nodiscard]] Result<std::optional<Reception>> reception_of(MessageId id);
    [[nodiscard]] Result<void> take_over(const NewMessage& message);
    [[nodiscard]] Result<std::vector<std::int64_t>> chunks_of(const Reception& reception, std::size_t limit);
    [[nodiscard]] Result<void> remove_body(MessageId id, std::int64_t first, std::int64_t size);
    /// false: its rows are not what `size` says.
    [[nodiscard]] Result<bool> read_body(MessageId id, std::int64_t first, std::uint64_t size,
                                         const std::function<void(std::string_view)>& take);
    /// Sets the body, or names it. false: damaged.
    [[nodiscard]] Result<bool> verify(StoredMessage& message, std::int64_t first, std::uint64_t size,
                                      std::string_view checksum);
    [[nodiscard]] Result<void> settle_one(const RecipientOutcome& outcome, Time at, Settled& settled,
                                          bool& removed);
    [[nodiscard]] Result<std::optional<std::int64_t>> keep_trace(const Settlement& settlement);
    /// The single integer of a query, nullopt without a row or when it is NULL.
    [[nodiscard]] static Result<std::optional<std::int64_t>> integer(Result<Rows> rows);
};

}  // namespace sealpost::queue
