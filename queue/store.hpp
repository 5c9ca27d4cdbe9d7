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
    std::string trace;  ///< JSON; empty: none to keep
    std::vector<security::TlsResult> tls_results;
    /// Each is enqueued unless all whom it is about had been removed.
    std::vector<SettlementNotice> notices;
};

struct Settled {
    bool message_removed = false;        ///< no recipient is left
    std::size_t unknown_recipients = 0;  ///< were removed meanwhile by the administrator
    std::size_t notices_enqueued = 0;
};

/// Why a message is not delivered any more until an administrator looked at it.
struct Frozen {
    std::string reason;
};

struct DueBatch {
    std::vector<DueRecipient> recipients;
    std::set<std::string> parked;     ///< destinations of which some were parked
    std::vector<std::string> frozen;  ///< damaged rows, a sentence each: alarm
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

    /// Envelope, recipients and body; checked by validate().
    [[nodiscard]] Result<void> enqueue(const NewMessage& message, Lease lease);

    /// Leases up to `limit` recipients whose time has come, oldest first; those of `saturated` destinations
    /// are parked instead, so that they cannot stand before others. Looks at `limit` rows at most.
    [[nodiscard]] Result<DueBatch> due(Time now, std::size_t limit, const std::set<std::string>& saturated);
    /// Leases parked recipients of one destination.
    [[nodiscard]] Result<DueBatch> due_parked(const std::string& domain, Time now, std::size_t limit);
    /// When the next unleased recipient is due; nullopt: none waits.
    [[nodiscard]] Result<std::optional<Time>> next_due();

    /// The checksum is verified; a damaged message is frozen in this transaction and reported as a value, so
    /// that the savepoint keeps the mark. Errc::not_found when it is gone.
    [[nodiscard]] Result<std::variant<StoredMessage, Frozen>> load_message(MessageId id);

    /// The marker that an attempt begins; committed before connecting. An attempt that neither settles nor is
    /// released counts as `interrupted` at the next open.
    [[nodiscard]] Result<void> begin_attempt(std::span<const RecipientId> recipients);
    [[nodiscard]] Result<Settled> settle(const Settlement& settlement);
    /// Gives leases back without an attempt.
    [[nodiscard]] Result<void> release(std::span<const RecipientId> recipients, Time next_attempt);
    /// Puts leased recipients behind their destination's share: due_parked() finds them again.
    [[nodiscard]] Result<void> park(std::span<const RecipientId> recipients);

    /// Administrator: those that wait become due now; returns how many. Selecting by domain or sender is a
    /// Reader's work (list), so that no search stands in the way of the writer.
    [[nodiscard]] Result<std::size_t> retry_now(std::span<const RecipientId> recipients, Time now);
    [[nodiscard]] Result<std::size_t> retry_now(MessageId message, Time now);
    /// Administrator: the message goes away unsent, without a DSN. Deliveries in flight end in `unknown`.
    [[nodiscard]] Result<void> remove(MessageId id);
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
