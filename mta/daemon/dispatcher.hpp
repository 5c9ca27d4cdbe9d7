/// \file Dispatcher: takes what is due from the store, gives deliveries to the workers, settles what they
/// report.
///
/// Owns     the active set (queue/manager.hpp) and the rhythm of asking the store.
/// Threads  everything on the executor given at construction, but `poke`, which any thread may call.
/// Errors   a settlement that cannot be stored is tried again until it is or the daemon ends; the leases of a
/// process
///          that died are given back at the next start.
#pragma once
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
               std::vector<Worker*> workers);

    void start();
    /// Something may be due: look now.
    void poke();
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
    [[nodiscard]] Async<void> give_back(std::vector<queue::RecipientId> to_park, Releases to_release);
    void pump();
    void finished(const queue::Delivery& delivery, bool dead);

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    StoreThread& store_;
    QueueSettings settings_;
    std::vector<Worker*> workers_;
    queue::Manager manager_;
    asio::steady_timer wake_;
    asio::steady_timer idle_;
    std::map<std::string, unsigned> dead_;  ///< destinations that did not answer, and how often in a row
    bool poked_ = false;
    bool draining_ = false;
};

}  // namespace sealpost
