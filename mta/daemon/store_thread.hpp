/// \file StoreThread: the one thread that writes the database, in groups.
///
/// Owns     the Store. Jobs that arrive while a commit runs go into the next transaction; each is
/// acknowledged only
///          after the commit that holds it has returned.
/// Threads  `run` from any executor; a job runs on the store thread and must not touch anything else.
///          Between jobs it deletes bodies that belong to no message, a few rows at a time.
///          Stop it before the executor of a caller goes away: answers are posted there.
/// Errors   what the job returned; Errc::storage when its transaction was not committed; Errc::full when the
/// queue of
///          jobs is; Errc::timed_out when the disk did not answer in time (the job may still be committed
///          later).
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "mta/net/async.hpp"
#include "queue/store.hpp"

namespace sealpost {

class StoreThread {
public:
    StoreThread(queue::Store store, queue::StoreOptions options);
    ~StoreThread();
    StoreThread(const StoreThread&) = delete;
    StoreThread& operator=(const StoreThread&) = delete;

    /// For jobs whose effect must be known: no other work could go on while the disk does not answer.
    static constexpr std::chrono::hours until_done{24 * 365};

    template <class T>
    [[nodiscard]] Async<Result<T>> run(std::function<Result<T>(queue::Store&)> work,
                                       std::chrono::steady_clock::duration limit = answer_limit) {
        const asio::any_io_executor caller = co_await asio::this_coro::executor;
        const auto done = start<T>(std::move(work), caller);
        Result<Result<T>> result = co_await done->wait(limit);
        if (!result) co_return tl::unexpected(result.error());
        co_return std::move(*result);
    }

    /// The same, without waiting yet; jobs of one thread run in the order in which they were started. Nobody
    /// has to wait for it.
    template <class T>
    std::shared_ptr<Completion<Result<T>>> start(std::function<Result<T>(queue::Store&)> work,
                                                 const asio::any_io_executor& caller) {
        auto done = Completion<Result<T>>::create(caller);
        auto value = std::make_shared<Result<T>>(fail(Errc::storage, "the job did not run"));
        Job job;
        job.execute = [work = std::move(work), value](queue::Store& store) {
            try {
                *value = store.in_savepoint([&] { return work(store); });
            } catch (const std::exception& e) {  // a bug or no memory: this job fails, the thread goes on
                *value = fail(Errc::storage, e.what());
            }
            return value->has_value() || value->error().code != Errc::storage;
        };
        job.finish = [done, value](const Result<void>& committed) {
            done->set(committed ? std::move(*value) : Result<T>(tl::unexpected(committed.error())));
        };
        if (!submit(std::move(job))) done->set(fail(Errc::full, "too many jobs wait for the disk"));
        return done;
    }

    /// Commits what is queued and ends the thread; later jobs fail.
    void stop();

    /// For admission and status; written by the store thread after each commit.
    [[nodiscard]] std::uint64_t messages() const { return messages_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t recipients() const { return recipients_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool healthy() const { return healthy_.load(std::memory_order_relaxed); }

private:
    static constexpr std::chrono::seconds answer_limit{60};
    static constexpr std::size_t max_jobs = 20'000;
    static constexpr std::size_t max_group = 512;
    static constexpr std::chrono::microseconds gather{500};
    static constexpr std::size_t enough = 24;  ///< jobs that are worth a sync of their own
    static constexpr std::size_t sweep_rows = 32;
    static constexpr std::chrono::milliseconds sweep_pause{20};
    static constexpr std::chrono::seconds sweep_retry{5};

    struct Job {
        std::function<bool(queue::Store&)> execute;  ///< false: the whole transaction is lost
        std::function<void(const Result<void>&)> finish;
    };

    bool submit(Job job);
    void loop();
    void run_group(std::span<Job> group);
    void sweep();
    void reopen();

    queue::StoreOptions options_;
    std::optional<queue::Store> store_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Job> waiting_;
    bool stopping_ = false;
    bool idle_ = false;                                   ///< the thread waits to be woken
    std::chrono::steady_clock::time_point next_sweep_{};  ///< of the store thread alone
    std::atomic<std::uint64_t> messages_{0};
    std::atomic<std::uint64_t> recipients_{0};
    std::atomic<bool> healthy_{true};
    std::thread thread_;  // last: it uses everything above
};

}  // namespace sealpost
