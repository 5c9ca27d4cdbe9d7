/// \file Store: the one writer of the queue's database.
///
/// Owns     `<state_directory>/sealpost.db` (messages, schedule, traces, TLS results, STS memory), the lock
/// of
///          the directory, and the only connection that writes and checkpoints (sqlite.hpp says why).
/// Use      from one thread (mta/store_thread.hpp): begin(); then for each job in_savepoint(job); then
/// commit().
///          Only after commit() returned may any of the jobs be acknowledged. A job that fails undoes itself
///          alone.
/// Errors   Errc::storage - nothing of this transaction may be acknowledged. After a failed commit `broken()`
/// is
///          true for good (a failed fsync is final): destroy the Store and open it again.
///          Errc::full - the disk is full. Errc::not_found, Errc::invalid - this job only.
/// Never    reads the clock, knows SMTP or sockets.
#pragma once
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "queue/message.hpp"
#include "queue/result_store.hpp"
#include "queue/sqlite.hpp"
#include "queue/state_lock.hpp"
#include "queue/sts_cache.hpp"

namespace sealpost::queue {

struct StoreOptions {
    std::filesystem::path state_directory;
    std::size_t max_traces = 200'000;        ///< attempts kept, over all messages
    std::size_t max_trace_size = 64U << 10;  ///< a longer one is replaced by a note
    ResultLimits results;
    std::size_t max_sts_policies = 100'000;
};

/// Whether the caller takes the recipients into its active set at once, or due() finds them.
enum class Lease { no, yes };

enum class Outcome { delivered, deferred, failed };

/// How it ended for one recipient. Texts are cut to 1000 octets.
struct RecipientOutcome {
    RecipientId recipient;
    Outcome outcome = Outcome::deferred;
    std::string status;       ///< "4.7.5"
    std::string reply;        ///< the remote words or our own
    std::string host;         ///< the last host spoken to; empty: none
    Time next_attempt{};      ///< of a deferred one
    std::string held_reason;  ///< of a deferred one: the policy that holds it; empty: not held by policy
    bool notified = false;    ///< of a deferred one: a notice of the delay goes with this settlement
};

/// A notice to the sender (dsn.hpp), and whom it is about.
struct SettlementNotice {
    NewMessage message;
    std::vector<RecipientId> about;
};

/// The end of one delivery: everything that must become true together.
struct Settlement {
    MessageId message;
    Time at{};
    std::vector<RecipientOutcome> recipients;
    std::string trace;                           ///< JSON; empty: none to keep
    std::optional<std::int64_t> shared_trace{};  ///< Settled::trace of the attempt that opened the connection
    std::vector<security::TlsResult> tls_results;
    /// Each is enqueued unless all whom it is about had been removed.
    std::vector<SettlementNotice> notices;
};

struct Settled {
    bool message_removed = false;        ///< no recipient is left
    std::size_t unknown_recipients = 0;  ///< were removed meanwhile by the administrator
    std::size_t notices_enqueued = 0;
    std::optional<std::int64_t> trace{};  ///< where the trace was kept
};

/// Why a message is not delivered any more until an administrator looked at it.
struct Frozen {
    std::string reason;
};

struct DueBatch {
    std::vector<DueRecipient> recipients;
    std::set<std::string> parked;  ///< destinations of which some were parked
    std::size_t parked_rows = 0;
    std::vector<std::string> frozen;  ///< damaged rows, a sentence each: alarm
};

struct Removed {
    std::size_t recipients = 0;
    std::size_t messages = 0;  ///< that have no recipient left
};

/// A body that is being received. Its rows have the ids from `first` on, less than `end`, as long as its row
/// in the table `reception` says so.
struct Reception {
    MessageId message;
    std::int64_t first = 0;
    std::int64_t end = 0;
};

struct Counters {
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
};

class Store {
public:
    /// Takes the lock, migrates, gives back all leases of a process that died. Changes nothing on disk when
    /// the schema is newer or the file not ours.
    [[nodiscard]] static Result<Store> open(const StoreOptions& options, Time now);
    Store(Store&&) noexcept;
    Store& operator=(Store&&) noexcept;
    ~Store();

    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<void> commit();
    void rollback();
    [[nodiscard]] bool broken() const;

    /// Runs `job() -> Result<T>` inside a savepoint of the open transaction.
    template <class Job>
    [[nodiscard]] std::invoke_result_t<Job> in_savepoint(Job&& job) {
        if (auto opened = savepoint(); !opened) return tl::unexpected(opened.error());
        SavepointGuard guard{*this};
        auto result = std::forward<Job>(job)();
        if (!result) return result;
        if (auto released = guard.release(); !released) return tl::unexpected(released.error());
        return result;
    }

    /// Envelope, recipients and body; checked by validate(). A `stored_body` must be what the reception of
    /// this message has taken, whole; the reception ends with it.
    [[nodiscard]] Result<void> enqueue(const NewMessage& message, Lease lease);

    /// For a body that comes piece by piece, `limit` octets at most. Until enqueue() it belongs to nobody:
    /// what a process that died has left of it goes away after the next open().
    [[nodiscard]] Result<Reception> begin_reception(MessageId id, std::uint64_t limit);
    /// Piece `number` from 0: body_chunk octets, the last one less. Errc::not_found when the reception is no
    /// more: it was given up, or the store was opened anew.
    [[nodiscard]] Result<void> add_body(const Reception& reception, std::uint64_t number,
                                        std::string_view piece);
    /// Nothing of it will be enqueued. Harmless after enqueue().
    void abandon(MessageId id);

    /// Bodies that belong to no message: given up, left by a crash, or of large messages that are gone. They
    /// are deleted `limit` rows a call, so that nobody waits long for it.
    [[nodiscard]] bool has_leftovers() const;
    [[nodiscard]] Result<void> sweep(std::size_t limit);
    /// Not before the next open() again: what could not be swept.
    void skip_leftover();

    /// Leases up to `limit` recipients whose time has come, oldest first; those of `saturated` destinations
    /// are parked instead, so that they cannot stand before others. Looks at `limit` rows at most.
    [[nodiscard]] Result<DueBatch> due(Time now, std::size_t limit, const std::set<std::string>& saturated);
    /// Leases parked recipients of one destination.
    [[nodiscard]] Result<DueBatch> due_parked(const std::string& domain, Time now, std::size_t limit);
    /// When the next unleased recipient is due; nullopt: none waits.
    [[nodiscard]] Result<std::optional<Time>> next_due();

    /// The checksum is verified, but for the body of more than one row, which is only named and verified
    /// while it is read (body_reader.hpp). A damaged message is frozen in this transaction and reported as a
    /// value, so that the savepoint keeps the mark. Errc::not_found when it is gone.
    [[nodiscard]] Result<std::variant<StoredMessage, Frozen>> load_message(MessageId id);
    /// Damage was found later: not delivered any more until an administrator looked at it.
    [[nodiscard]] Result<void> freeze(MessageId id, const std::string& reason);

    /// The marker that an attempt begins; committed before connecting. An attempt that neither settles nor is
    /// released counts as `interrupted` at the next open. Returns those that may be attempted: the others
    /// were removed or put on hold since they were leased, and are not the caller's any more.
    [[nodiscard]] Result<std::vector<RecipientId>> begin_attempt(std::span<const RecipientId> recipients);
    [[nodiscard]] Result<Settled> settle(const Settlement& settlement);
    /// Gives leases back without an attempt.
    [[nodiscard]] Result<void> release(std::span<const RecipientId> recipients, Time next_attempt);
    /// Puts leased recipients behind their destination's share: due_parked() finds them again.
    [[nodiscard]] Result<void> park(std::span<const RecipientId> recipients);

    /// Administrator: those that wait become due now; returns how many. Here and below, selecting is a
    /// Reader's work (list), so that no search stands in the way of the writer, and the caller keeps the
    /// batches small.
    [[nodiscard]] Result<std::size_t> retry_now(std::span<const RecipientId> recipients, Time now);
    /// Administrator: they are neither tried nor given up until unhold(). An attempt that runs ends normally,
    /// and what it defers stays on hold. Returns how many were not on hold before; what is frozen stays
    /// frozen.
    [[nodiscard]] Result<std::size_t> hold(std::span<const RecipientId> recipients);
    /// They wait for their next attempt as before. Returns how many were on hold.
    [[nodiscard]] Result<std::size_t> unhold(std::span<const RecipientId> recipients);
    /// Administrator: they go away unsent, without a DSN; a message without recipients goes, too. Deliveries
    /// in flight end in `unknown`.
    [[nodiscard]] Result<Removed> remove(std::span<const RecipientId> recipients);
    /// Those that no attempt is about now, so that giving them up cannot contradict its end. Frozen ones are
    /// not among them.
    [[nodiscard]] Result<std::vector<RecipientId>> idle(std::span<const RecipientId> recipients);
    /// Administrator: a frozen message is due again; what is still damaged freezes again when it is read.
    [[nodiscard]] Result<void> thaw(MessageId id, Time now);

    /// Deletes old traces and TLS results, `limit` rows a call at most; true: call again.
    [[nodiscard]] Result<bool> prune(Time traces_before, Day results_before, std::size_t limit);

    [[nodiscard]] Counters counters() const;
    [[nodiscard]] std::int64_t high_water() const;
    [[nodiscard]] ResultStore& results();
    [[nodiscard]] StsCache& sts_cache();

private:
    struct Impl;
    class SavepointGuard {
    public:
        explicit SavepointGuard(Store& store) : store_(&store) {}
        SavepointGuard(const SavepointGuard&) = delete;
        SavepointGuard& operator=(const SavepointGuard&) = delete;
        ~SavepointGuard() {
            if (store_ != nullptr) store_->undo_savepoint();
        }
        [[nodiscard]] Result<void> release() { return std::exchange(store_, nullptr)->release_savepoint(); }

    private:
        Store* store_;
    };
    explicit Store(std::unique_ptr<Impl> impl);
    [[nodiscard]] Result<void> savepoint();
    [[nodiscard]] Result<void> release_savepoint();
    void undo_savepoint();

    std::unique_ptr<Impl> impl_;
};

}  // namespace sealpost::queue
