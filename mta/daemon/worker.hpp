/// \file Worker: one delivery thread with its own io_context.
///
/// Owns     the deliveries of the destinations that live on it, from load to settlement, and the connections
/// that they
///          go over. In a run the end of one delivery and the marker of the next are one commit, which is on
///          disk before the next one starts: a crash repeats at most the one delivery of each connection.
/// Threads  `deliver`, `set_rules` and `finish_early` from any thread; the rest on its own.
#pragma once
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <random>
#include <thread>

#include "mta/daemon/idle_sessions.hpp"
#include "mta/daemon/settlement.hpp"
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
    ConnectionBudget* budget = nullptr;
};

/// How a run ended.
struct RunReport {
    queue::RunEnd end = queue::RunEnd::nothing;
    std::string mx;                          ///< names the MX set that was tried; empty: none was
    std::vector<queue::RecipientId> undone;  ///< not attempted: still leased, to be released
};

class Worker {
public:
    /// Told on an arbitrary thread when all of a run is settled.
    using Finished = std::function<void(const queue::Run&, RunReport)>;

    [[nodiscard]] static Result<std::unique_ptr<Worker>> start(WorkerContext context);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    void deliver(queue::Run run, Finished finished);
    /// For deliveries that begin from now on.
    void set_rules(std::shared_ptr<const security::RuleTable> rules);
    /// Of each run only the delivery under way is still made, and no connection waits for another one.
    void finish_early();
    /// Cancels what is left and joins the thread.
    void stop();

private:
    using Message = std::shared_ptr<const queue::StoredMessage>;
    /// What the settlement must know of how an attempt began.
    struct Attempt {
        queue::Time began;
        std::chrono::steady_clock::time_point started;
        bool last = false;  ///< no later one fits before the message is given up
        queue::DestinationTimes times{};
    };
    /// A delivery that has ended and is not on disk yet.
    struct Ended {
        Message message;
        std::shared_ptr<SettlementPlan> plan;
        std::string observed;  ///< a line for the log; empty: none
    };
    /// A run on its way, over one connection after the other.
    struct Course {
        std::unique_ptr<KeptSession> kept;
        std::optional<Ended> ended;
        std::optional<DeliveredRecipient> why_dead;  ///< of one whose destination could not be reached
        RunReport report;
    };

    Worker(WorkerContext context, TlsClient tls);
    [[nodiscard]] Async<void> run(queue::Run run, Finished finished);
    [[nodiscard]] Async<void> deliver_next(queue::Delivery delivery, Course& course);
    [[nodiscard]] Async<void> put_off(queue::Delivery delivery, Course& course);
    [[nodiscard]] Async<Message> load(queue::Delivery& delivery, Course& course);
    [[nodiscard]] Async<void> give_back(std::vector<queue::RecipientId> ids);
    [[nodiscard]] Async<void> settle(Course& course);
    void settled(Course& course, const queue::Settled& settled);
    [[nodiscard]] Ended end_of(Message message, const DeliveryReport& report, Attempt attempt);
    [[nodiscard]] Ended whole_end_of(const Message& message, const DeliveryReport& report, Attempt attempt);
    [[nodiscard]] DelivererContext deliverer_context();
    [[nodiscard]] Result<std::shared_ptr<queue::BodyReader>> bodies();
    [[nodiscard]] Async<void> note_body_error(queue::MessageId id, Error error);
    [[nodiscard]] std::string beginning_of(const queue::StoredMessage& message, const DeliveryReport& report);

    WorkerContext context_;
    TlsClient tls_;
    TlsSessionCache sessions_;
    std::shared_ptr<queue::BodyReader> bodies_;  ///< opened for the first large message
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    TaskGroup tasks_;
    IdleSessions idle_;
    std::mt19937 random_;
    std::atomic<bool> early_{false};
    std::thread thread_;
};

}  // namespace sealpost
