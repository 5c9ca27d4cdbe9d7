/// \file StsService: which MTA-STS policy is in force for a domain now.
///
/// Owns     the memory of policies in front of the database, the pool of fetches, the refresh in the
/// background. Waiting  a delivery waits for the fetch of a policy that is not cached yet, and of one whose
/// id has changed: mail
///          that went ahead could go to where the policy forbids [STS-30]. An unexpired policy with the id of
///          the record is never fetched on that way [STS-51].
/// Threads  `lookup` from any executor; the work is done on the executor given at construction, where
/// `status` and
///          `start` are called too.
/// Limits   domains remembered, fetches at once and in line. A fetch that could not be tried is not "no
/// policy":
///          mail waits where nothing is cached.
/// Source   RFC 8461 §3.3, §5.1, §10.2.
#pragma once
#include <map>
#include <memory>
#include <random>
#include <string>

#include "mta/daemon/store_thread.hpp"
#include "mta/net/task_group.hpp"
#include "mta/sts/fetch_pool.hpp"
#include "mta/sts/policy_fetcher.hpp"

namespace sealpost {

struct StsStatus {
    queue::StsCounts cache;
    std::size_t fetches_running = 0;
    std::size_t fetches_waiting = 0;
};

class StsService {
public:
    StsService(asio::any_io_executor executor, TaskGroup& tasks, resolver::Resolver& resolver,
               StoreThread& store, const StsSettings& settings, PolicyFetcher fetcher);
    StsService(const StsService&) = delete;
    StsService& operator=(const StsService&) = delete;

    /// `StsUrgency::final` before the attempt after which a message is given up: a policy with a new id is
    /// fetched whatever was tried lately, and every later lookup knows it [STS-68].
    [[nodiscard]] Async<security::StsState> lookup(
        Domain domain, security::StsUrgency urgency = security::StsUrgency::normal);
    /// Keeps cached policies fresh until the task group stops [STS-53].
    void start();
    [[nodiscard]] Async<Result<StsStatus>> status();

private:
    /// A policy that is not on disk (yet, or because the disk refused it) exists here alone and is never
    /// forgotten.
    struct Remembered {
        security::StsMemory memory;
        bool on_disk = true;
        security::StsClock tried_at{};  ///< the last fetch, however it ended
    };
    using Answer = std::shared_ptr<Completion<security::StsState>>;

    [[nodiscard]] Async<void> answer(Domain domain, security::StsUrgency urgency, Answer done);
    [[nodiscard]] Async<security::StsState> lookup_here(Domain domain, security::StsUrgency urgency);
    [[nodiscard]] Async<security::StsState> fetch_first(Domain domain, security::StsStep step,
                                                        security::StsMemory memory);
    [[nodiscard]] Async<security::StsState> without_memory(Domain domain, security::DnsAnswer txt,
                                                           std::string why);
    [[nodiscard]] Async<Result<security::StsMemory>> recall(Domain domain);
    void remember(const Domain& domain, Remembered entry);
    bool make_room();

    [[nodiscard]] Async<LandingPtr> fly(Domain domain, std::string id);
    [[nodiscard]] Async<FetchOutcome> fetch_safely(Domain domain);
    [[nodiscard]] Async<void> note_failure(Domain domain, LandingPtr landing);
    [[nodiscard]] Async<void> keep_policy(Domain domain, LandingPtr landing);
    [[nodiscard]] Async<void> keep_failure(Domain domain, LandingPtr landing);

    [[nodiscard]] Async<void> refresh();
    [[nodiscard]] Async<void> refresh_due();
    [[nodiscard]] bool tried_lately(const Domain& domain, security::StsClock now) const;
    [[nodiscard]] Async<void> refresh_one(Domain domain, std::string id);
    [[nodiscard]] Async<void> repair(std::string name);

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    resolver::Resolver& resolver_;
    StoreThread& store_;
    StsSettings settings_;
    security::StsPacing pacing_;
    security::StsRefreshPacing refresh_pacing_;
    PolicyFetcher fetcher_;
    FetchPool pool_;
    std::mt19937 random_;
    std::map<Domain, Remembered> memory_;
    std::string hand_;  ///< where the search for an entry to forget goes on
    security::StsClock last_round_{};
};

}  // namespace sealpost
