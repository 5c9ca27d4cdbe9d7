#include "mta/daemon/dispatcher.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "mta/daemon/clock.hpp"

namespace sealpost {
namespace {

constexpr std::size_t batch_size = 500;
constexpr std::size_t runs_per_connection = 4;
constexpr Millis longest_sleep = std::chrono::seconds(30);
constexpr Millis present_pause = std::chrono::seconds(1);
constexpr Millis release_retry = std::chrono::seconds(5);

queue::ManagerLimits limits_of(const Settings& settings) {
    return {.active = settings.queue.active_limit,
            // Those that only look things up have no connection yet (connection_budget.hpp).
            .connections = std::size_t{settings.delivery.max_connections} * runs_per_connection,
            .recipients = settings.delivery.max_recipients,
            .run = std::min<std::size_t>(8, settings.delivery.reuse_messages),
            .connections_per_mx = settings.delivery.max_connections_per_mx,
            .longest_rest = settings.queue.retry_max,
            .rate = settings.delivery.rate};
}

queue::Instant steady_now() {
    return std::chrono::steady_clock::now();
}

/// A steady time as the wall clock will show it.
queue::Time on_the_wall(queue::Instant when) {
    return wall_clock() + std::chrono::ceil<Millis>(when - steady_now());
}

}  // namespace

Dispatcher::Dispatcher(asio::any_io_executor executor, TaskGroup& tasks, StoreThread& store,
                       const Settings& settings, std::shared_ptr<const security::RuleTable> rules,
                       std::vector<Worker*> workers)
    : executor_(std::move(executor)),
      tasks_(tasks),
      store_(store),
      settings_(settings),
      rules_(std::move(rules)),
      workers_(std::move(workers)),
      manager_(sealpost::limits_of(settings),
               [this](const std::string& domain) { return limits_of(domain); }),
      wake_(executor_),
      idle_(executor_) {}

queue::DestinationLimits Dispatcher::limits_of(const std::string& domain) const {
    queue::DestinationLimits limits{.connections = settings_.delivery.max_connections_per_destination,
                                    .rate = settings_.delivery.rate_per_destination};
    if (const Result<Domain> name = Domain::parse(domain)) {
        const security::Rule& rule = rules_->find(*name, std::chrono::floor<std::chrono::days>(wall_clock()));
        if (rule.max_connections) limits.connections = *rule.max_connections;
        if (rule.rate) limits.rate = rule.rate;
    }
    return limits;
}

void Dispatcher::set_rules(std::shared_ptr<const security::RuleTable> rules) {
    rules_ = std::move(rules);
    manager_.renew_limits();
    poke();
}

void Dispatcher::start() {
    tasks_.spawn(run());
    tasks_.spawn(prune());
}

void Dispatcher::end_rests() {
    asio::post(executor_, [this] { manager_.end_rests(); });
    poke();
}

bool Dispatcher::roomy() const {
    return active_.load(std::memory_order_relaxed) + accepted_waiting_.load(std::memory_order_relaxed) <
           settings_.queue.active_limit / 2;
}

void Dispatcher::accepted(std::vector<queue::DueRecipient> recipients, queue::MessageInMemory message) {
    accepted_waiting_.fetch_add(recipients.size(), std::memory_order_relaxed);
    asio::post(executor_, [this, recipients = std::move(recipients), message = std::move(message)] {
        accepted_waiting_.fetch_sub(recipients.size(), std::memory_order_relaxed);
        std::vector<queue::RecipientId> to_park;
        Releases to_release;
        if (draining_)
            for (const queue::DueRecipient& due : recipients) to_release[wall_clock()].push_back(due.id);
        else
            take_in(recipients, message, to_park, to_release);
        if (!to_park.empty() || !to_release.empty())
            tasks_.spawn(give_back(std::move(to_park), std::move(to_release)));
        pump();
    });
}

void Dispatcher::poke() {
    asio::post(executor_, [this] {
        poked_ = true;
        wake_.cancel();
    });
}

Async<void> Dispatcher::run() {
    while (!draining_) {
        poked_ = false;
        const bool more = co_await take_due();
        pump();
        if (more || poked_ || draining_) continue;
        std::function<Result<std::optional<queue::Time>>(queue::Store&)> work = [](queue::Store& store) {
            return store.next_due();
        };
        const Result<std::optional<queue::Time>> next = co_await store_.run(std::move(work));
        if (poked_) continue;
        Millis pause = longest_sleep;
        // Due and yet not taken: no room, or its destination rests. finished() pokes when that changes.
        if (next && *next && manager_.room() > 0) pause = std::min(pause, **next - wall_clock());
        if (const std::optional<queue::Instant> change = manager_.next_change())
            pause = std::min(pause, std::chrono::ceil<Millis>(*change - steady_now()));
        wake_.expires_after(std::max(pause, Millis(100)));
        co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

Async<bool> Dispatcher::take_due() {
    bool more = false;
    if (const std::size_t room = std::min(manager_.room(), batch_size); room > 0) {
        const queue::Time now = wall_clock();
        const std::set<std::string> saturated = manager_.saturated();
        std::function<Result<queue::DueBatch>(queue::Store&)> work =
            [now, room, saturated](queue::Store& store) { return store.due(now, room, saturated); };
        // However long the disk takes: the leases of an answer that nobody waits for would be lost.
        Result<queue::DueBatch> batch = co_await store_.run(std::move(work), StoreThread::until_done);
        if (!batch) {
            spdlog::error("queue: what is due cannot be read: {}", batch.error().text);
            co_return false;
        }
        more = batch->recipients.size() + batch->parked_rows >= room;
        co_await take(std::move(*batch));
    }
    if (const std::optional<std::string> domain = manager_.hungry()) {
        const queue::Time now = wall_clock();
        const std::size_t room = std::min(manager_.room_for(*domain), batch_size);
        std::function<Result<queue::DueBatch>(queue::Store&)> work =
            [now, room, domain](queue::Store& store) { return store.due_parked(*domain, now, room); };
        // Before the answer: who is parked meanwhile must not be forgotten with it.
        manager_.parked_none(*domain);
        Result<queue::DueBatch> batch = co_await store_.run(std::move(work), StoreThread::until_done);
        if (!batch || batch->recipients.size() >= room) manager_.parked(*domain);
        if (batch) {
            more = more || !batch->recipients.empty();
            co_await take(std::move(*batch));
        }
    }
    co_return more;
}

Async<void> Dispatcher::take(queue::DueBatch batch) {
    for (const std::string& what : batch.frozen) spdlog::critical("queue: damaged and frozen: {}", what);
    for (const std::string& domain : batch.parked) manager_.parked(domain);
    std::vector<queue::RecipientId> to_park;
    Releases to_release;
    take_in(batch.recipients, {}, to_park, to_release);
    if (to_park.empty() && to_release.empty()) co_return;
    co_await give_back(std::move(to_park), std::move(to_release));
}

void Dispatcher::take_in(const std::vector<queue::DueRecipient>& recipients,
                         const queue::MessageInMemory& message, std::vector<queue::RecipientId>& to_park,
                         Releases& to_release) {
    const queue::Time now = wall_clock();
    const queue::Instant steady = steady_now();
    for (const queue::DueRecipient& due : recipients) {
        switch (manager_.add(due, steady, message)) {
            case queue::Manager::Add::added:
                break;
            case queue::Manager::Add::present:
                // Settled and due again, while the end of its delivery is still on the way to us: this lease
                // would belong to nobody once finished() forgets the recipient.
                to_release[now + present_pause].push_back(due.id);
                break;
            case queue::Manager::Add::saturated:
                to_park.push_back(due.id);
                manager_.parked(due.recipient.domain);
                break;
            case queue::Manager::Add::no_room:
                to_release[now].push_back(due.id);
                break;
            case queue::Manager::Add::resting:
                to_release[on_the_wall(manager_.rest_until(due.recipient.domain, steady).value_or(steady))]
                    .push_back(due.id);
                break;
        }
    }
    active_.store(manager_.active(), std::memory_order_relaxed);
}

Async<void> Dispatcher::give_back(std::vector<queue::RecipientId> to_park, Releases to_release) {
    std::function<Result<void>(queue::Store&)> work = [to_park, to_release](queue::Store& store) {
        Result<void> done = store.park(to_park);
        for (const auto& [when, ids] : to_release)
            if (done) done = store.release(ids, when);
        return done;
    };
    for (;;) {  // a lease that is not given back holds its recipient until the next start
        const Result<void> done = co_await store_.run(work, StoreThread::until_done);
        if (done) co_return;
        spdlog::error("queue: leases could not be given back, trying again: {}", done.error().text);
        asio::steady_timer pause(executor_, release_retry);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

void Dispatcher::pump() {
    const queue::Instant now = steady_now();
    while (!draining_) {
        std::optional<queue::Run> run = manager_.next(now);
        if (!run) break;
        // A destination lives on one worker: its connections are never shared between threads.
        Worker& worker = *workers_[std::hash<std::string>{}(run->domain) % workers_.size()];
        worker.deliver(std::move(*run), [this](const queue::Run& done, RunReport report) {
            asio::post(executor_, [this, done, report = std::move(report)]() mutable {
                finished(done, std::move(report));
            });
        });
    }
    // The sleep of run() may be for longer.
    if (const auto change = manager_.next_change(); change && *change < wake_.expiry()) wake_.cancel();
}

void Dispatcher::finished(const queue::Run& run, RunReport report) {
    const queue::Instant now = steady_now();
    std::vector<queue::RecipientId> back = manager_.finished(run, report.end, report.mx, now);
    back.insert(back.end(), report.undone.begin(), report.undone.end());
    active_.store(manager_.active(), std::memory_order_relaxed);
    if (!back.empty()) {
        const std::optional<queue::Instant> rest = manager_.rest_until(run.domain, now);
        Releases waiting;
        waiting.emplace(rest ? on_the_wall(*rest) : wall_clock(), std::move(back));
        tasks_.spawn(give_back({}, std::move(waiting)));
    }
    if (manager_.in_flight() == 0) idle_.cancel();
    pump();
    // Only when the store may hold something for the place that became free.
    if (store_.recipients() <= manager_.active()) return;
    poked_ = true;
    wake_.cancel();
}

Async<void> Dispatcher::prune() {
    for (;;) {
        asio::steady_timer pause(executor_, std::chrono::minutes(10));
        co_await pause.async_wait(asio::use_awaitable);
        const queue::Time before = wall_clock() - settings_.queue.trace_max_age;
        // Results are kept for as long as a report could still be asked for by hand.
        const queue::Day day = queue::day_of(before);
        std::function<Result<bool>(queue::Store&)> work = [before, day](queue::Store& store) {
            return store.prune(before, day, batch_size);
        };
        for (bool more = true; more;) {
            const Result<bool> pruned = co_await store_.run(work);
            more = pruned && *pruned;
        }
    }
}

Async<void> Dispatcher::drain() {
    draining_ = true;
    wake_.cancel();
    for (Worker* worker : workers_) worker->finish_early();
    const std::vector<queue::RecipientId> waiting = manager_.drain();
    if (!waiting.empty()) {
        const queue::Time now = wall_clock();
        std::function<Result<void>(queue::Store&)> work = [waiting, now](queue::Store& store) {
            return store.release(waiting, now);
        };
        co_await store_.run(std::move(work));
    }
    while (manager_.in_flight() > 0) {
        idle_.expires_at(asio::steady_timer::time_point::max());
        co_await idle_.async_wait(asio::as_tuple(asio::use_awaitable));
        const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) co_return;
    }
}

}  // namespace sealpost
