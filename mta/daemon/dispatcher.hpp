/// \file Dispatcher: takes what is due from the store, gives deliveries to the workers, settles what they
/// report.
///
/// Owns     the active set (queue/manager.hpp) and the rhythm of asking the store.
/// Threads  everything on the executor given at construction, but `poke`, `accepted` and `roomy`, which any
/// thread may
///          call.
/// Errors   a settlement that cannot be stored is tried again until it is or the daemon ends; the leases of a
/// process
///          that died are given back at the next start.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>

#include "mta/daemon/store_thread.hpp"
#include "mta/daemon/worker.hpp"
#include "mta/net/task_group.hpp"
#include "queue/manager.hpp"

namespace sealpost {

class Dispatcher {
public:
    Dispatcher(asio::any_io_executor executor, TaskGroup& tasks, StoreThread& store, const Settings& settings,
               std::shared_ptr<const security::RuleTable> rules, std::vector<Worker*> workers);

    void start();
    /// Something may be due: look now.
    void poke();
    /// The administrator wants destinations tried that rest.
    void end_rests();
    /// Whether a message that is accepted now should come to us at once (Lease::yes, accepted()). Otherwise
    /// it is found when its turn comes.
    [[nodiscard]] bool roomy() const;
    /// A message that was enqueued with Lease::yes.
    void accepted(std::vector<queue::DueRecipient> recipients, queue::MessageInMemory message);
    void set_rules(std::shared_ptr<const security::RuleTable> rules);
    /// No new deliveries; ends when none is in flight.
    [[nodiscard]] Async<void> drain();
    [[nodiscard]] std::size_t in_flight() const { return manager_.in_flight(); }
    [[nodiscard]] std::size_t active() const { return manager_.active(); }

private:
    using Releases = std::map<queue::Time, std::vector<queue::RecipientId>>;

    [[nodiscard]] Async<void> run();
    [[nodiscard]] Async<void> prune();
    [[nodiscard]] Async<bool> take_due();
    [[nodiscard]] Async<void> take(queue::DueBatch batch);
    void take_in(const std::vector<queue::DueRecipient>& recipients, const queue::MessageInMemory& message,
                 std::vector<queue::RecipientId>& to_park, Releases& to_release);
    [[nodiscard]] Async<void> give_back(std::vector<queue::RecipientId> to_park, Releases to_release);
    void pump();
    void finished(const queue::Run& run, RunReport report);
    [[nodiscard]] queue::DestinationLimits limits_of(const std::string& domain) const;

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    StoreThread& store_;
    const Settings& settings_;
    std::shared_ptr<const security::RuleTable> rules_;
    std::vector<Worker*> workers_;
    queue::Manager manager_;
    asio::steady_timer wake_;
    asio::steady_timer idle_;
    std::atomic<std::size_t> accepted_waiting_{0};  ///< recipients on their way to us
    std::atomic<std::size_t> active_{0};            ///< as of the last change
    bool poked_ = false;
    bool draining_ = false;
};

}  // namespace sealpost
