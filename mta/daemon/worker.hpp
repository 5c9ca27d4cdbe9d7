/// \file Worker: one delivery thread with its own io_context.
///
/// Owns     the deliveries of the destinations that live on it, from load to settlement.
/// Threads  `deliver` from any thread; the rest on its own.
#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <random>
#include <thread>

#include "mta/daemon/store_thread.hpp"
#include "mta/delivery/deliverer.hpp"
#include "mta/net/task_group.hpp"
#include "queue/manager.hpp"
#include "queue/retry.hpp"

namespace sealpost {

struct WorkerContext {
    const Settings* settings = nullptr;
    Domain hostname;
    resolver::Resolver* resolver = nullptr;
    StsService* sts = nullptr;
    StoreThread* store = nullptr;
    queue::MessageIdSource* ids = nullptr;
    const RouteSettings* route = nullptr;
    std::shared_ptr<const security::RuleTable> rules;
    const security::TrustStore* trusted = nullptr;
};

class Worker {
public:
    /// Told on an arbitrary thread when the delivery is settled; `dead`: no host could be reached.
    using Finished = std::function<void(const queue::Delivery&, bool dead)>;

    [[nodiscard]] static Result<std::unique_ptr<Worker>> start(WorkerContext context);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void deliver(queue::Delivery delivery, Finished finished);
    /// For deliveries that begin from now on.
    void set_rules(std::shared_ptr<const security::RuleTable> rules);
    /// Cancels what is left and joins the thread.
    void stop();

private:
    /// What the settlement must know of how an attempt began.
    struct Attempt {
        queue::Time began;
        std::chrono::steady_clock::time_point started;
        bool last = false;  ///< no later one fits before the message is given up
        queue::DestinationTimes times{};
    };

    Worker(WorkerContext context, TlsClient tls);
    [[nodiscard]] Async<void> run(queue::Delivery delivery, Finished finished);
    [[nodiscard]] Async<bool> attempt(queue::Delivery delivery);
    [[nodiscard]] Async<void> give_back(std::vector<queue::RecipientId> ids);
    [[nodiscard]] Async<void> settle(const queue::StoredMessage& message, DeliveryReport report,
                                     Attempt attempt);

    WorkerContext context_;
    TlsClient tls_;
    TlsSessionCache sessions_;
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    TaskGroup tasks_;
    std::mt19937 random_;
    std::thread thread_;
};

}  // namespace sealpost
