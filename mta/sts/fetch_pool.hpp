/// \file FetchPool: one fetch of a policy at a time for each domain, so many at once, the others in line.
///
/// Owns     the flights and who waits for them. What a flight does is its owner's.
/// Limits   flights at once, flights in line. The refresh of cached policies uses a quarter of the places and
/// never
///          stands in line: mail comes first.
/// Errors   Errc::full - no place and no room in line; Errc::timed_out - the place did not come free in time.
/// Both
///          say that nothing was tried.
/// Threads  all calls on the executor given at construction.
/// Source   RFC 8461 §3.3; STS-78.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mta/net/async.hpp"
#include "mta/net/task_group.hpp"
#include "mta/sts/policy_fetcher.hpp"

namespace sealpost {

/// How a flight ended.
struct Landing {
    FetchOutcome outcome;
    std::string id;  ///< of the TXT record that it was made for
    security::StsClock at;
};
using LandingPtr = std::shared_ptr<const Landing>;

enum class FetchFor { delivery, refresh };

class FetchPool {
public:
    /// Must end, with a deadline of its own, and must not throw but for cancellation.
    using Fly = std::function<Async<LandingPtr>(Domain domain, std::string id)>;

    FetchPool(asio::any_io_executor executor, TaskGroup& tasks, const StsSettings& settings, Fly fly)
        : executor_(std::move(executor)), tasks_(tasks), settings_(settings), fly_(std::move(fly)) {}
    FetchPool(const FetchPool&) = delete;
    FetchPool& operator=(const FetchPool&) = delete;

    /// Joins the flight of the domain if there is one, whatever its id.
    [[nodiscard]] Async<Result<LandingPtr>> fetch(Domain domain, std::string id, FetchFor purpose);

    [[nodiscard]] bool takes_refresh() const;
    [[nodiscard]] bool contains(const Domain& domain) const { return flights_.contains(domain); }
    [[nodiscard]] std::size_t running() const { return running_; }
    [[nodiscard]] std::size_t waiting() const { return line_.size(); }

private:
    using Done = std::shared_ptr<Completion<LandingPtr>>;
    struct Flight {
        std::string id;
        FetchFor purpose = FetchFor::delivery;
        bool running = false;
        std::vector<Done> waiting;
    };

    [[nodiscard]] Result<void> begin(const Domain& domain, std::string id, FetchFor purpose,
                                     const Done& done);
    void take_off(const Domain& domain, Flight& flight);
    [[nodiscard]] Async<void> run(Domain domain, std::string id, FetchFor purpose);
    void leave(const Domain& domain, const Done& done);

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    StsSettings settings_;
    Fly fly_;
    std::map<Domain, Flight> flights_;
    std::deque<Domain> line_;  ///< flights that are not running, first come first served
    std::size_t running_ = 0;
    std::size_t refreshing_ = 0;  ///< of the running ones
};

}  // namespace sealpost
