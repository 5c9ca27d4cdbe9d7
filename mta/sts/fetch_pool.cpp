#include "mta/sts/fetch_pool.hpp"

#include <algorithm>

namespace sealpost {
namespace {

constexpr Millis slack = std::chrono::seconds(5);

}  // namespace

bool FetchPool::takes_refresh() const {
    const std::size_t places = std::max<std::size_t>(1, settings_.max_fetches / 4);
    return line_.empty() && running_ < settings_.max_fetches && refreshing_ < places;
}

Async<Result<LandingPtr>> FetchPool::fetch(Domain domain, std::string id, FetchFor purpose) {
    auto done = Completion<LandingPtr>::create(executor_);
    if (const auto flight = flights_.find(domain); flight != flights_.end()) {
        flight->second.waiting.push_back(done);
    } else {
        const Result<void> begun = begin(domain, std::move(id), purpose, done);
        if (!begun) co_return tl::unexpected(begun.error());
    }
    // As long in line as one fetch may take, then the fetch itself.
    const Millis limit = 2 * settings_.fetch_timeout + slack;
    Result<LandingPtr> landing = co_await done->wait(limit);
    if (!landing) leave(domain, done);
    co_return landing;
}

Result<void> FetchPool::begin(const Domain& domain, std::string id, FetchFor purpose, const Done& done) {
    const bool place = purpose == FetchFor::refresh ? takes_refresh() : running_ < settings_.max_fetches;
    if (!place && (purpose == FetchFor::refresh || line_.size() >= settings_.max_waiting_fetches))
        return fail(Errc::full,
                    fmt::format("{} policies are being fetched and {} wait for it (mta_sts.max_fetches, "
                                "mta_sts.max_waiting_fetches)",
                                running_, line_.size()));
    Flight& flight = flights_[domain];
    flight.id = std::move(id);
    flight.purpose = purpose;
    // Before it starts: it may land at once, as where the name is too long to be asked for.
    flight.waiting.push_back(done);
    if (place)
        take_off(domain, flight);
    else
        line_.push_back(domain);
    return {};
}

void FetchPool::take_off(const Domain& domain, Flight& flight) {
    flight.running = true;
    ++running_;
    if (flight.purpose == FetchFor::refresh) ++refreshing_;
    tasks_.spawn(run(domain, flight.id, flight.purpose));
}

Async<void> FetchPool::run(Domain domain, std::string id, FetchFor purpose) {
    Async<LandingPtr> flying = fly_(domain, std::move(id));
    const LandingPtr landing = co_await std::move(flying);
    --running_;
    if (purpose == FetchFor::refresh) --refreshing_;
    Flight landed;
    if (const auto flight = flights_.find(domain); flight != flights_.end()) {
        landed = std::move(flight->second);
        flights_.erase(flight);
    }
    for (const Done& waiting : landed.waiting) waiting->set(landing);
    while (running_ < settings_.max_fetches && !line_.empty()) {
        const Domain next = line_.front();
        line_.pop_front();
        take_off(next, flights_.find(next)->second);
    }
}

void FetchPool::leave(const Domain& domain, const Done& done) {
    const auto flight = flights_.find(domain);
    if (flight == flights_.end()) return;
    std::erase(flight->second.waiting, done);
    if (flight->second.running || !flight->second.waiting.empty()) return;
    std::erase(line_, domain);  // nobody is left for whom it would be made
    flights_.erase(flight);
}

}  // namespace sealpost
