#include "mta/sts/sts_service.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "mta/daemon/clock.hpp"

namespace sealpost {
namespace {

using security::StsClock;
using security::StsFetch;
using security::StsMemory;
using security::StsState;
using security::StsStep;
using security::StsUrgency;

constexpr Millis longest_round = std::chrono::minutes(1);
constexpr Millis shortest_round = std::chrono::seconds(1);
constexpr std::size_t refresh_batch = 100;
constexpr Millis lookup_slack = std::chrono::minutes(2);  // the TXT question and the disk, beside the fetch
constexpr std::size_t looked_at = 64;                     // entries of the memory, for one to forget

StsState unknown_policy(std::string why) {
    StsState unknown;  // nobody knows whether a policy is in force
    unknown.txt = security::StsTxt::failed;
    unknown.cache_failed = true;
    unknown.why = std::move(why);
    return unknown;
}

}  // namespace

StsService::StsService(asio::any_io_executor executor, TaskGroup& tasks, resolver::Resolver& resolver,
                       StoreThread& store, const StsSettings& settings, PolicyFetcher fetcher)
    : executor_(std::move(executor)),
      tasks_(tasks),
      resolver_(resolver),
      store_(store),
      settings_(settings),
      pacing_{.retry_after = settings.retry_after,
              .max_id_changes = settings.max_id_changes,
              .id_change_window = settings.id_change_window},
      refresh_pacing_{.refresh_after = settings.refresh_after, .retry_after = settings.retry_after},
      fetcher_(std::move(fetcher)),
      pool_(executor_, tasks_, settings_,
            [this](Domain domain, std::string id) { return fly(std::move(domain), std::move(id)); }),
      random_(std::random_device{}()) {}

void StsService::start() {
    if (settings_.enabled) tasks_.spawn(refresh());
}

Async<StsState> StsService::lookup(Domain domain, StsUrgency urgency) {
    if (!settings_.enabled) {
        StsState off;
        off.why = "MTA-STS is switched off (mta_sts.enabled)";
        co_return off;
    }
    // By Completion and not by co_spawn across the threads: a cancelled caller does not have to wait for our
    // thread, which waits for it when the daemon ends.
    const asio::any_io_executor caller = co_await asio::this_coro::executor;
    auto done = Completion<StsState>::create(caller);
    asio::post(executor_, [this, domain, urgency, done] { tasks_.spawn(answer(domain, urgency, done)); });
    const Millis limit = 2 * settings_.fetch_timeout + lookup_slack;  // in line, then in flight
    Result<StsState> state = co_await done->wait(limit);
    if (state) co_return std::move(*state);
    co_return unknown_policy(fmt::format("the MTA-STS lookup did not end: {}", state.error().text));
}

Async<void> StsService::answer(Domain domain, StsUrgency urgency, Answer done) {
    StsState state = co_await lookup_here(std::move(domain), urgency);
    done->set(std::move(state));
}

Async<StsState> StsService::lookup_here(Domain domain, StsUrgency urgency) {
    resolver::Question question{"_mta-sts." + domain.str(), security::RrType::txt};
    const security::DnsAnswer txt = co_await resolver_.resolve(std::move(question));
    const Result<StsMemory> memory = co_await recall(domain);
    if (!memory) co_return co_await without_memory(domain, txt, memory.error().text);
    StsStep step = security::decide_sts_step(txt, *memory, wall_clock(), pacing_, urgency);
    if (step.fetch == StsFetch::background) tasks_.spawn(refresh_one(domain, step.id));
    if (step.fetch != StsFetch::first) co_return security::sts_from_memory(step, *memory);
    // Who joins a flight costs nothing.
    if (const auto known = memory_.find(domain); known != memory_.end() && !pool_.contains(domain))
        security::note_sts_fetch(known->second.memory, wall_clock(), pacing_);
    StsMemory before = *memory;
    co_return co_await fetch_first(domain, std::move(step), std::move(before));
}

Async<StsState> StsService::fetch_first(Domain domain, StsStep step, StsMemory memory) {
    const Result<LandingPtr> landing = co_await pool_.fetch(domain, step.id, FetchFor::delivery);
    if (landing && (*landing)->outcome) {
        step.id = (*landing)->id;
        co_return security::sts_from_fetch(step, (*landing)->outcome->policy, (*landing)->at);
    }
    // The wait may have been long: what is in force is what is known now.
    const Result<StsMemory> now = co_await recall(domain);
    if (now) memory = *now;
    security::expire_sts_memory(memory, wall_clock());
    if (!landing) co_return security::sts_from_no_attempt(step, memory, landing.error().text);
    co_return security::sts_from_failure(step, memory, (*landing)->outcome.error());
}

Async<StsState> StsService::without_memory(Domain domain, security::DnsAnswer txt, std::string why) {
    // The cache is the only defence against suppressed discovery: without it we know the policy only if it
    // can be fetched now, which also replaces a damaged row; otherwise every hop waits.
    StsStep step = security::decide_sts_step(txt, StsMemory{}, wall_clock(), pacing_);
    if (step.fetch == StsFetch::first) {
        const Result<LandingPtr> landing = co_await pool_.fetch(domain, step.id, FetchFor::delivery);
        if (landing && (*landing)->outcome)
            co_return security::sts_from_fetch(step, (*landing)->outcome->policy, (*landing)->at);
    }
    co_return unknown_policy(fmt::format("the cache of policies cannot be read: {}", why));
}

Async<Result<StsMemory>> StsService::recall(Domain domain) {
    const StsClock now = wall_clock();
    if (const auto found = memory_.find(domain); found != memory_.end()) {
        security::expire_sts_memory(found->second.memory, now);
        co_return found->second.memory;
    }
    std::function<Result<std::optional<queue::CachedStsPolicy>>(queue::Store&)> work =
        [domain, now](queue::Store& store) { return store.sts_cache().get(domain, now); };
    const Result<std::optional<queue::CachedStsPolicy>> row = co_await store_.run(std::move(work));
    if (!row) co_return tl::unexpected(row.error());
    // A fetch may have ended while the disk was asked; what it left here is newer than the row.
    if (const auto found = memory_.find(domain); found != memory_.end()) co_return found->second.memory;
    StsMemory memory;
    if (*row) {
        memory.policy = (*row)->policy;
        memory.id = (*row)->id;
        memory.fetched_at = (*row)->fetched_at;
        memory.expires = (*row)->expires_at;
        security::expire_sts_memory(memory, wall_clock());
    }
    Remembered entry{.memory = memory, .on_disk = true, .tried_at = {}};
    remember(domain, std::move(entry));
    co_return memory;
}

void StsService::remember(const Domain& domain, Remembered entry) {
    if (memory_.size() >= settings_.max_cached && !memory_.contains(domain) && !make_room()) return;
    memory_.insert_or_assign(domain, std::move(entry));
}

/// This map is only in front of the database, and may forget what is there; first what says nothing.
bool StsService::make_room() {
    auto victim = memory_.end();
    auto at = memory_.begin();
    if (const Result<Domain> from = Domain::parse(hand_)) at = memory_.lower_bound(*from);
    for (std::size_t i = 0; i < std::min(looked_at, memory_.size()); ++i, ++at) {
        if (at == memory_.end()) at = memory_.begin();
        const Remembered& known = at->second;
        if (!known.on_disk) continue;
        victim = at;
        if (!known.memory.policy) break;
    }
    hand_ = at == memory_.end() ? std::string() : at->first.str();
    if (victim == memory_.end()) return false;
    memory_.erase(victim);
    return true;
}

Async<FetchOutcome> StsService::fetch_safely(Domain domain) {
    std::string why;
    try {
        co_return co_await fetcher_.fetch(std::move(domain));
    } catch (const boost::system::system_error& e) {
        if (tasks_.stopping()) throw;
        why = e.what();
    } catch (const std::exception& e) {
        why = e.what();
    }
    // A bug; it must cost this fetch and not the place of every later one.
    spdlog::critical("mta-sts: a fetch broke off: {}", why);
    security::StsFetchFailure broken{security::ResultType::sts_policy_fetch_error, why};
    co_return tl::unexpected(std::move(broken));
}

Async<LandingPtr> StsService::fly(Domain domain, std::string id) {
    FetchOutcome fetched = co_await fetch_safely(domain);
    const auto landing =
        std::make_shared<const Landing>(Landing{std::move(fetched), std::move(id), wall_clock()});
    if (landing->outcome) {
        const security::StsPolicy& policy = landing->outcome->policy;
        Remembered entry{.memory = {}, .on_disk = false, .tried_at = landing->at};
        if (const auto known = memory_.find(domain); known != memory_.end())
            entry.memory.fetches = known->second.memory.fetches;
        entry.memory.policy = policy;
        entry.memory.id = landing->id;
        entry.memory.fetched_at = landing->at;
        entry.memory.expires = landing->at + policy.max_age;
        remember(domain, std::move(entry));
        spdlog::info("mta-sts: {}: policy fetched, mode {}, id {}", domain, to_string(policy.mode),
                     landing->id);
        // Whoever waits goes on now: a slow disk must not turn a fetched policy into one that failed.
        tasks_.spawn(keep_policy(domain, landing));
    } else {
        co_await note_failure(domain, landing);
        spdlog::warn("mta-sts: {}: policy not fetched ({}): {}", domain,
                     to_string(landing->outcome.error().type), landing->outcome.error().reason);
        tasks_.spawn(keep_failure(domain, landing));
    }
    co_return landing;
}

Async<void> StsService::note_failure(Domain domain, LandingPtr landing) {
    // Beside the policy in force, which may be on disk alone (after a restart, or forgotten here): a note
    // without it would hide that policy [STS-29].
    const Result<StsMemory> known = co_await recall(domain);
    if (!known) co_return;
    Remembered entry{.memory = *known, .on_disk = true, .tried_at = landing->at};
    if (const auto before = memory_.find(domain); before != memory_.end())
        entry.on_disk = before->second.on_disk;
    // A refresh that failed says nothing of another id whose fetch failed: that one is still not due
    // [STS-27].
    const bool refreshed = known->policy && known->id == landing->id;
    if (!refreshed) {
        entry.memory.failed_id = landing->id;
        entry.memory.failed_at = landing->at;
        entry.memory.failure = landing->outcome.error().type;
        entry.memory.failure_reason = landing->outcome.error().reason;
    }
    remember(domain, std::move(entry));
}

Async<void> StsService::keep_policy(Domain domain, LandingPtr landing) {
    const double random = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
    std::function<Result<void>(queue::Store&)> work = [domain, landing, random,
                                                       pacing = refresh_pacing_](queue::Store& store) {
        const FetchedPolicy& fetched = *landing->outcome;
        return store.sts_cache().put(domain, landing->id, fetched.body, fetched.policy, landing->at, pacing,
                                     random);
    };
    const Result<void> stored = co_await store_.run(std::move(work));
    if (!stored) {
        spdlog::error("mta-sts: {}: the policy could not be stored, it holds until the daemon ends: {}",
                      domain, stored.error().text);
        co_return;
    }
    const auto known = memory_.find(domain);
    if (known != memory_.end() && known->second.memory.fetched_at == landing->at)
        known->second.on_disk = true;
}

Async<void> StsService::keep_failure(Domain domain, LandingPtr landing) {
    using Row = std::optional<queue::CachedStsPolicy>;
    const double random = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
    std::function<Result<Row>(queue::Store&)> work = [domain, landing, random,
                                                      pacing = refresh_pacing_](queue::Store& store) {
        return store.sts_cache().note_failure(domain, landing->outcome.error().reason, landing->at, pacing,
                                              random);
    };
    const Result<Row> row = co_await store_.run(std::move(work));
    if (!row) {
        spdlog::error("mta-sts: {}: the failure could not be stored: {}", domain, row.error().text);
        co_return;
    }
    if (!*row) co_return;
    const security::StsRefreshState state = (*row)->refresh_state();
    if (security::sts_refresh_alarms(state, refresh_pacing_))
        spdlog::error("mta-sts: {}",
                      describe_sts_refresh_alarm(domain, state, landing->outcome.error().reason));
}

Async<void> StsService::refresh() {
    for (;;) {
        co_await refresh_due();
        const StsClock now = wall_clock();
        std::function<Result<std::optional<queue::Time>>(queue::Store&)> work = [now](queue::Store& store) {
            return store.sts_cache().next_due(now);
        };
        const Result<std::optional<queue::Time>> next = co_await store_.run(std::move(work));
        // What is stored while we sleep is due after `retry_after` at the soonest.
        Millis wait = std::clamp(settings_.retry_after, shortest_round, longest_round);
        if (next && *next) wait = std::clamp(**next - now, shortest_round, wait);
        asio::steady_timer pause(executor_, wait);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

/// One batch: fetched irrespective of the TXT records, whose absence must not let a policy run out [STS-53].
Async<void> StsService::refresh_due() {
    const StsClock now = wall_clock();
    const bool clock_set_back = now < last_round_;
    last_round_ = now;
    std::function<Result<queue::StsPage>(queue::Store&)> work = [now, clock_set_back](queue::Store& store) {
        if (clock_set_back)
            if (const Result<void> mended = store.sts_cache().mend_clock(now); !mended)
                return Result<queue::StsPage>(tl::unexpected(mended.error()));
        return store.sts_cache().due(refresh_batch, now);
    };
    const Result<queue::StsPage> due = co_await store_.run(std::move(work));
    if (!due) {
        spdlog::error("mta-sts: policies that are due for a refresh cannot be read: {}", due.error().text);
        co_return;
    }
    for (const std::string& name : due->damaged) co_await repair(name);
    for (const queue::CachedStsPolicy& policy : due->policies) {
        while (!pool_.takes_refresh()) {
            asio::steady_timer pause(executor_, shortest_round);
            co_await pause.async_wait(asio::use_awaitable);
        }
        if (!pool_.contains(policy.domain) && !tried_lately(policy.domain, wall_clock()))
            tasks_.spawn(refresh_one(policy.domain, policy.id));
        asio::steady_timer turn(executor_, Millis(0));  // the flight takes its place before the next one asks
        co_await turn.async_wait(asio::use_awaitable);
    }
}

/// While the disk takes nothing, its rows stay due.
bool StsService::tried_lately(const Domain& domain, StsClock now) const {
    const auto known = memory_.find(domain);
    if (known == memory_.end()) return false;
    const StsClock last = known->second.tried_at;
    return last <= now && now < last + settings_.retry_after;
}

Async<void> StsService::refresh_one(Domain domain, std::string id) {
    // How it ended is remembered, stored and logged by the flight; without a place it is due again soon.
    const Result<LandingPtr> landing = co_await pool_.fetch(domain, std::move(id), FetchFor::refresh);
    if (!landing) spdlog::debug("mta-sts: {}: not refreshed: {}", domain, landing.error().text);
}

/// A row that does not parse: fetched anew where it still can be, and not asked for again at once.
Async<void> StsService::repair(std::string name) {
    spdlog::error("mta-sts: the stored policy of {} is damaged and is fetched again", name);
    const StsClock later = wall_clock() + settings_.refresh_after;
    std::function<Result<void>(queue::Store&)> work = [name, later](queue::Store& store) {
        return store.sts_cache().postpone(name, later);
    };
    const Result<void> postponed = co_await store_.run(std::move(work));
    const Result<Domain> domain = Domain::parse(name);
    if (postponed && domain) co_await lookup_here(*domain, StsUrgency::normal);
}

Async<Result<StsStatus>> StsService::status() {
    const StsClock now = wall_clock();
    std::function<Result<queue::StsCounts>(queue::Store&)> work = [now](queue::Store& store) {
        return store.sts_cache().counts(now);
    };
    const Result<queue::StsCounts> counts = co_await store_.run(std::move(work));
    if (!counts) co_return tl::unexpected(counts.error());
    StsStatus status{
        .cache = *counts, .fetches_running = pool_.running(), .fetches_waiting = pool_.waiting()};
    co_return status;
}

}  // namespace sealpost
