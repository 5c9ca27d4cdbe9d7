/// \file StsService: which MTA-STS policy is in force for a domain now.
///
/// Owns     the memory of policies in front of the database, one fetch at a time for each domain, the
/// refresh. Threads  `lookup` from any executor; the work is done on the executor given at construction.
/// Limits   domains remembered, fetches at once. A fetch that cannot start is a failed fetch, never "no
/// policy". Source   RFC 8461 §3.3, §5.1, §10.2.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mta/daemon/store_thread.hpp"
#include "mta/net/task_group.hpp"
#include "mta/sts/policy_fetcher.hpp"

namespace sealpost {

class StsService {
public:
    StsService(asio::any_io_executor executor, TaskGroup& tasks, resolver::Resolver& resolver,
               StoreThread& store, const StsSettings& settings, PolicyFetcher fetcher);

    [[nodiscard]] Async<security::StsState> lookup(Domain domain);
    /// Keeps cached policies fresh until the task group stops [STS-53].
    void start();

private:
    using Outcome = std::shared_ptr<FetchOutcome>;
    /// A policy that is not on disk (yet, or because the disk refused it) exists here alone and is never
    /// forgotten.
    struct Remembered {
        security::StsMemory memory;
        bool on_disk = true;
    };
    struct Flight {
        std::vector<std::shared_ptr<Completion<Outcome>>> waiting;
    };

    [[nodiscard]] Async<void> answer(Domain domain, std::shared_ptr<Completion<security::StsState>> done);
    [[nodiscard]] Async<security::StsState> lookup_here(Domain domain);
    [[nodiscard]] Async<security::StsState> without_memory(Domain domain, security::DnsAnswer txt,
                                                           std::string why);
    [[nodiscard]] Async<Result<security::StsMemory>> recall(Domain domain);
    [[nodiscard]] Async<Outcome> fetch_once(Domain domain, std::string id);
    [[nodiscard]] Async<void> fly(Domain domain, std::string id);
    [[nodiscard]] Async<void> refresh();
    [[nodiscard]] Async<FetchOutcome> fetch_safely(Domain domain);
    void remember(const Domain& domain, Remembered entry);

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    resolver::Resolver& resolver_;
    StoreThread& store_;
    StsSettings settings_;
    PolicyFetcher fetcher_;
    std::map<Domain, Remembered> memory_;
    std::map<Domain, Flight> flights_;
};

}  // namespace sealpost
