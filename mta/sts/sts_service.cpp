#include "mta/sts/sts_service.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "mta/daemon/clock.hpp"

namespace sealpost {
namespace {

using security::StsMemory;
using security::StsState;
using security::StsStep;

constexpr Millis refresh_pause = std::chrono::minutes(10);
constexpr std::size_t refresh_batch = 100;
constexpr Millis lookup_slack = std::chrono::minutes(2);  // the TXT question and the disk, beside the fetch

}  // namespace

StsService::StsService(asio::any_io_executor executor, TaskGroup& tasks, resolver::Resolver& resolver,
                       StoreThread& store, const StsSettings& settings, PolicyFetcher fetcher)
    : executor_(std::move(executor)),
      tasks_(tasks),
      resolver_(resolver),
      store_(store),
      settings_(settings),
      fetcher_(std::move(fetcher)) {}

void StsService::start() {
    if (settings_.enabled) tasks_.spawn(refresh());
}

Async<StsState> StsService::lookup(Domain domain) {
    if (!settings_.enabled) {
        StsState off;
        off.why = "MTA-STS is switched off (mta_sts.enabled)";
        co_return off;
    }
    // By Completion and not by co_spawn across the threads: a cancelled caller does not have to wait for our
    // thread, which waits for it when the daemon ends.
    const asio::any_io_executor caller = co_await asio::this_coro::executor;
    auto done = Completion<StsState>::create(caller);
    asio::post(executor_, [this, domain, done] { tasks_.spawn(answer(domain, done)); });
    Result<StsState> state = co_await done->wait(settings_.fetch_timeout + lookup_slack);
    if (state) co_return std::move(*state);
    StsState unknown;  // nobody knows whether a policy is in force
    unknown.txt = security::StsTxt::failed;
    unknown.cache_failed = true;
    unknown.why = fmt::format("the MTA-STS lookup did not end: {}", state.error().text);
    co_return unknown;
}

Async<void> StsService::answer(Domain domain, std::shared_ptr<Completion<StsState>> done) {
    StsState state = co_await lookup_here(std::move(domain));
    done->set(std::move(state));
}

Async<StsState> StsService::lookup_here(Domain domain) {
    resolver::Question question{"_mta-sts." + domain.str(), security::RrType::txt};
    const security::DnsAnswer txt = co_await resolver_.resolve(std::move(question));
    const Result<StsMemory> memory = co_await recall(domain);
    if (!memory) co_return co_await without_memory(domain, txt, memory.error().text);
    const StsStep step = security::decide_sts_step(txt, *memory, wall_clock(), settings_.retry_after);
    if (!step.fetch) co_return security::sts_from_memory(step, *memory);
    const Outcome outcome = co_await fetch_once(domain, step.id);
    if (*outcome) co_return security::sts_from_fetch(step, (*outcome)->policy, wall_clock());
    co_return security::sts_from_failure(step, *memory, outcome->error());
}

Async<StsState> StsService::without_memory(Domain domain, security::DnsAnswer txt, std::string why) {
    // The cache is the only defence against suppressed discovery: without it we know the policy only if it
    // can be fetched now, which also replaces a damaged row; otherwise every hop waits.
    const StsStep step = security::decide_sts_step(txt, StsMemory{}, wall_clock(), settings_.retry_after);
    if (step.fetch) {
        const Outcome outcome = co_await fetch_once(domain, step.id);
        if (*outcome) co_return security::sts_from_fetch(step, (*outcome)->policy, wall_clock());
    }
    StsState unknown;
    unknown.txt = security::StsTxt::failed;
    unknown.cache_failed = true;
    unknown.why = fmt::format("the cache of policies cannot be read: {}", why);
    co_return unknown;
}

Async<Result<StsMemory>> StsService::recall(Domain domain) {
    const security::StsClock now = wall_clock();
    if (const auto found = memory_.find(domain); found != memory_.end()) {
        StsMemory& known = found->second.memory;
        if (known.policy && known.expires <= now) known.policy.reset();  // STS-49
        co_return known;
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
        memory.expires = (*row)->expires_at;
    }
    Remembered entry{.memory = memory, .on_disk = true};
    remember(domain, std::move(entry));
    co_return memory;
}

void StsService::remember(const Domain& domain, Remembered entry) {
    if (memory_.size() >= settings_.max_cached && !memory_.contains(domain)) {
        // This map is only in front of the database, and may forget what is there.
        const auto victim = std::find_if(memory_.begin(), memory_.end(),
                                         [](const auto& known) { return known.second.on_disk; });
        if (victim == memory_.end()) return;
        memory_.erase(victim);
    }
    memory_.insert_or_assign(domain, std::move(entry));
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

Async<StsService::Outcome> StsService::fetch_once(Domain domain, std::string id) {
    auto done = Completion<Outcome>::create(executor_);
    auto flight = flights_.find(domain);
    if (flight == flights_.end()) {
        if (flights_.size() >= settings_.max_fetches) {
            security::StsFetchFailure busy{security::ResultType::sts_policy_fetch_error,
                                           "too many policies are being fetched (mta_sts.max_fetches)"};
            co_return std::make_shared<FetchOutcome>(tl::unexpected(std::move(busy)));
        }
        flight = flights_.emplace(domain, Flight{}).first;
        tasks_.spawn(fly(domain, std::move(id)));
    }
    flight->second.waiting.push_back(done);
    const auto limit = settings_.fetch_timeout + std::chrono::seconds(5);
    Result<Outcome> outcome = co_await done->wait(limit);
    if (outcome) co_return std::move(*outcome);
    security::StsFetchFailure late{security::ResultType::sts_policy_fetch_error, outcome.error().text};
    co_return std::make_shared<FetchOutcome>(tl::unexpected(std::move(late)));
}

Async<void> StsService::fly(Domain domain, std::string id) {
    FetchOutcome fetched = co_await fetch_safely(domain);
    const auto outcome = std::make_shared<FetchOutcome>(std::move(fetched));
    const security::StsClock now = wall_clock();
    if (*outcome) {
        Remembered entry{.memory = {}, .on_disk = false};
        entry.memory.policy = (*outcome)->policy;
        entry.memory.id = id;
        entry.memory.expires = now + (*outcome)->policy.max_age;
        remember(domain, std::move(entry));
        spdlog::info("mta-sts: {}: policy fetched, mode {}, id {}", domain,
                     to_string((*outcome)->policy.mode), id);
    } else {
        // The failure is noted beside the policy in force, which may be on disk alone (after a restart, or
        // forgotten here): a note without it would hide that policy [STS-29].
        Result<StsMemory> known = co_await recall(domain);
        if (known) {
            known->failed_id = id;
            known->failed_at = now;
            known->failure = outcome->error().type;
            known->failure_reason = outcome->error().reason;
            const auto before = memory_.find(domain);
            Remembered entry{.memory = std::move(*known), .on_disk = true};
            if (before != memory_.end()) entry.on_disk = before->second.on_disk;
            remember(domain, std::move(entry));
        }
        spdlog::warn("mta-sts: {}: policy not fetched ({}): {}", domain, to_string(outcome->error().type),
                     outcome->error().reason);
    }
    // Whoever waits goes on now: a slow disk must not turn a fetched policy into one that failed.
    if (const auto flight = flights_.find(domain); flight != flights_.end()) {
        const Flight landed = std::move(flight->second);
        flights_.erase(flight);
        for (const auto& waiting : landed.waiting) waiting->set(outcome);
    }
    std::function<Result<int>(queue::Store&)> work = [domain, id, outcome,
                                                      now](queue::Store& store) -> Result<int> {
        const Result<void> stored =
            *outcome ? store.sts_cache().put(domain, id, (*outcome)->body, (*outcome)->policy, now)
                     : store.sts_cache().note_failure(domain, outcome->error().reason, now);
        if (!stored) return tl::unexpected(stored.error());
        return 0;
    };
    const Result<int> stored = co_await store_.run(std::move(work));
    if (!stored) {
        spdlog::error("mta-sts: {}: the policy could not be stored: {}", domain, stored.error().text);
        co_return;
    }
    if (const auto known = memory_.find(domain); *outcome && known != memory_.end())
        known->second.on_disk = true;
}

Async<void> StsService::refresh() {
    for (;;) {
        asio::steady_timer pause(executor_, refresh_pause);
        co_await pause.async_wait(asio::use_awaitable);
        const security::StsClock now = wall_clock();
        const security::StsClock before = now - settings_.refresh_after;
        std::function<Result<queue::StsPage>(queue::Store&)> work = [before, now](queue::Store& store) {
            return store.sts_cache().fetched_before(before, refresh_batch, now);
        };
        const Result<queue::StsPage> stale = co_await store_.run(std::move(work));
        if (!stale) continue;
        for (const std::string& name : stale->damaged) {
            const Result<Domain> domain = Domain::parse(name);
            if (domain) co_await lookup_here(*domain);  // fetches it anew where it still stands
        }
        for (const queue::CachedStsPolicy& policy : stale->policies) {
            // Irrespective of the TXT record: its absence must not let a policy run out [STS-53].
            const Outcome outcome = co_await fetch_once(policy.domain, policy.id);
            if (!*outcome && policy.policy.mode != security::StsMode::none)
                spdlog::warn("mta-sts: {}: refresh failed, the cached policy ends {}: {}", policy.domain,
                             policy.expires_at.time_since_epoch().count() / 1000, outcome->error().reason);
        }
    }
}

}  // namespace sealpost
