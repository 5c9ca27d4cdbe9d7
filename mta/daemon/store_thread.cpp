#include "mta/daemon/store_thread.hpp"

#include <spdlog/spdlog.h>

#include "mta/daemon/clock.hpp"

namespace sealpost {

StoreThread::StoreThread(queue::Store store, queue::StoreOptions options)
    : options_(std::move(options)), store_(std::move(store)) {
    messages_ = store_->counters().messages;
    recipients_ = store_->counters().recipients;
    thread_ = std::thread([this] { loop(); });
}

StoreThread::~StoreThread() {
    stop();
}

bool StoreThread::submit(Job job) {
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || waiting_.size() >= max_jobs) return false;
        waiting_.push_back(std::move(job));
        if (!idle_) return true;
    }
    wake_.notify_one();
    return true;
}

void StoreThread::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void StoreThread::loop() {
    auto ended = std::chrono::steady_clock::now() - gather;
    for (;;) {
        std::vector<Job> group;
        {
            std::unique_lock lock(mutex_);
            const auto due = [this] { return stopping_ || !waiting_.empty(); };
            idle_ = true;
            if (store_ && store_->has_leftovers())
                wake_.wait_until(lock, next_sweep_, due);
            else
                wake_.wait(lock, due);
            idle_ = false;
            if (waiting_.empty() && stopping_) return;
            // Under load a moment's wait puts more into one sync; a lone job never waits.
            if (!stopping_ && !waiting_.empty() && waiting_.size() < enough &&
                std::chrono::steady_clock::now() - ended < gather) {
                lock.unlock();
                std::this_thread::sleep_for(gather);
                lock.lock();
            }
            if (waiting_.size() <= max_group) {
                group.swap(waiting_);
            } else {
                const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(max_group);
                group.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
                waiting_.erase(waiting_.begin(), end);
            }
        }
        if (!group.empty()) {
            run_group(group);
            ended = std::chrono::steady_clock::now();
        }
        sweep();
    }
}

/// One step: mail that waits for the disk goes before it.
void StoreThread::sweep() {
    const auto now = std::chrono::steady_clock::now();
    if (!store_ || !store_->has_leftovers() || now < next_sweep_) return;
    next_sweep_ = now + sweep_pause;
    Result<void> done = store_->begin();
    if (done) done = store_->in_savepoint([this] { return store_->sweep(sweep_rows); });
    if (done)
        done = store_->commit();
    else
        store_->rollback();
    if (done) return;
    spdlog::warn("storage: bodies that belong to no message are not deleted yet: {}", done.error().text);
    next_sweep_ = now + sweep_retry;
    if (store_->broken())
        store_.reset();
    else if (done.error().code != Errc::full)
        store_->skip_leftover();
}

void StoreThread::run_group(std::span<Job> group) {
    if (!store_) reopen();
    Result<void> committed = store_ ? store_->begin() : fail(Errc::storage, "the database is not open");
    if (committed) {
        for (Job& job : group)
            if (!job.execute(*store_)) {
                committed = fail(Errc::storage, "the transaction was given up");
                break;
            }
        if (committed) {
            committed = store_->commit();
        } else {
            store_->rollback();
            // One job must not take the others with it: each gets a transaction of its own.
            if (group.size() > 1) {
                for (Job& job : group) run_group({&job, 1});
                return;
            }
        }
    }
    if (!committed) {
        healthy_ = false;
        spdlog::error("storage: {}; nothing of this transaction is acknowledged", committed.error().text);
        // A failed fsync is final: what the kernel still holds may differ from the disk. Open and look again.
        if (store_ && store_->broken()) store_.reset();
    } else {
        healthy_ = true;
        messages_ = store_->counters().messages;
        recipients_ = store_->counters().recipients;
    }
    for (Job& job : group) job.finish(committed);
}

void StoreThread::reopen() {
    Result<queue::Store> opened = queue::Store::open(options_, wall_clock());
    if (!opened) {
        spdlog::error("storage: cannot open the database again: {}", opened.error().text);
        return;
    }
    store_.emplace(std::move(*opened));
    spdlog::warn("storage: the database is open again");
}

}  // namespace sealpost
