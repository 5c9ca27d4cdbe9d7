#include "mta/daemon/worker.hpp"

#include <spdlog/spdlog.h>

#include "mta/daemon/clock.hpp"
#include "mta/daemon/log.hpp"
#include "mta/daemon/settlement.hpp"
#include "queue/retry.hpp"

namespace sealpost {
namespace {

constexpr Millis settle_retry = std::chrono::seconds(5);

using Loaded = std::variant<queue::StoredMessage, queue::Frozen>;

std::vector<queue::RecipientId> ids_of(const queue::Delivery& delivery) {
    std::vector<queue::RecipientId> ids;
    ids.reserve(delivery.recipients.size());
    for (const queue::DueRecipient& due : delivery.recipients) ids.push_back(due.id);
    return ids;
}

/// Without notice, trace and results: who has the message, and who does not.
void keep_bare_outcome(queue::Settlement& settlement, queue::Time later) {
    settlement.notices.clear();
    settlement.trace.clear();
    settlement.tls_results.clear();
    for (queue::RecipientOutcome& recipient : settlement.recipients) {
        recipient.notified = false;
        if (recipient.outcome != queue::Outcome::failed) continue;
        recipient.outcome = queue::Outcome::deferred;
        recipient.next_attempt = later;
    }
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::start(WorkerContext context) {
    Result<TlsClient> tls = TlsClient::create(context.settings->tls);
    if (!tls) return tl::unexpected(tls.error());
    return std::unique_ptr<Worker>(new Worker(std::move(context), std::move(*tls)));
}

Worker::Worker(WorkerContext context, TlsClient tls)
    : context_(std::move(context)),
      tls_(std::move(tls)),
      sessions_(context_.settings->tls.session_cache),
      io_(1),
      work_(asio::make_work_guard(io_)),
      tasks_(io_.get_executor(), [](std::string_view what) { spdlog::critical("delivery: {}", what); }),
      random_(std::random_device{}()),
      thread_([this] { io_.run(); }) {}

Worker::~Worker() {
    stop();
}

void Worker::stop() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] { tasks_.stop(); });
    work_.reset();
    thread_.join();
}

void Worker::deliver(queue::Delivery delivery, Finished finished) {
    asio::post(io_, [this, delivery = std::move(delivery), finished = std::move(finished)]() mutable {
        tasks_.spawn(run(std::move(delivery), std::move(finished)));
    });
}

void Worker::set_rules(std::shared_ptr<const security::RuleTable> rules) {
    asio::post(io_, [this, rules = std::move(rules)]() mutable { context_.rules = std::move(rules); });
}

Async<void> Worker::run(queue::Delivery delivery, Finished finished) {
    bool dead = false;
    bool broken = false;
    try {
        dead = co_await attempt(delivery);
    } catch (const boost::system::system_error& e) {
        if (tasks_.stopping()) throw;  // the leases go back at the next start
        spdlog::critical("{}: delivery to {} broke off: {}", delivery.message.str(), delivery.domain,
                         e.what());
        broken = true;
    } catch (const std::exception& e) {
        spdlog::critical("{}: delivery to {} broke off: {}", delivery.message.str(), delivery.domain,
                         e.what());
        broken = true;
    }
    if (broken) {  // a bug; the message must not wait for a restart because of it
        std::vector<queue::RecipientId> ids = ids_of(delivery);
        co_await give_back(std::move(ids));
    }
    finished(delivery, dead);
}

Async<void> Worker::give_back(std::vector<queue::RecipientId> ids) {
    for (;;) {
        const queue::Time later = wall_clock() + context_.settings->queue.retry_first;
        std::function<Result<int>(queue::Store&)> work = [ids, later](queue::Store& store) -> Result<int> {
            const Result<void> released = store.release(ids, later);
            if (!released) return tl::unexpected(released.error());
            return 0;
        };
        const Result<int> done = co_await context_.store->run(std::move(work));
        if (done) co_return;
        asio::steady_timer pause(co_await asio::this_coro::executor, settle_retry);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

Async<bool> Worker::attempt(queue::Delivery delivery) {
    Attempt now{.began = wall_clock(), .started = std::chrono::steady_clock::now()};
    // The marker is on disk before we connect: a peer that crashes us is recognised afterwards.
    const std::vector<queue::RecipientId> ids = ids_of(delivery);
    const queue::MessageId id = delivery.message;
    std::function<Result<Loaded>(queue::Store&)> load = [ids, id](queue::Store& store) -> Result<Loaded> {
        if (const Result<void> marked = store.begin_attempt(ids); !marked)
            return tl::unexpected(marked.error());
        return store.load_message(id);
    };
    Result<Loaded> loaded = co_await context_.store->run(std::move(load));
    if (!loaded) {
        if (loaded.error().code == Errc::not_found)
            co_return false;  // removed by the administrator meanwhile
        spdlog::error("{}: cannot be loaded: {}", id.str(), loaded.error().text);
        co_await give_back(ids);
        co_return false;
    }
    if (const auto* frozen = std::get_if<queue::Frozen>(&*loaded)) {
        spdlog::critical("{}: frozen, it is damaged on disk: {}", id.str(), frozen->reason);
        co_return false;
    }
    const queue::StoredMessage message = std::get<queue::StoredMessage>(std::move(*loaded));
    now.times = times_of(*context_.rules, context_.settings->queue, delivery.domain, now.began);
    now.last = queue::give_up(message.envelope, queue::Held::by_policy, now.times, wall_clock());
    DelivererContext context;
    if (now.last) context.urgency = security::StsUrgency::final;
    context.resolver = context_.resolver;
    context.sts = context_.sts;
    context.route = context_.route;
    context.rules = context_.rules;
    context.session.settings = &context_.settings->delivery;
    context.session.tls = &tls_;
    context.session.trusted = context_.trusted;
    context.session.sessions = &sessions_;
    context.session.session_lifetime = context_.settings->tls.session_lifetime;
    context.session.helo_name = context_.hostname.str();
    Deliverer deliverer(std::move(context), delivery, message);
    DeliveryReport report = co_await deliverer.run(random_);
    const bool dead = report.destination_dead;
    co_await settle(message, std::move(report), now);
    co_return dead;
}

Async<void> Worker::settle(const queue::StoredMessage& message, DeliveryReport report, Attempt attempt) {
    const auto ended = std::chrono::steady_clock::now();
    const bool connected = report.connected != std::chrono::steady_clock::time_point{};
    SettlementInput input;
    input.settings = &context_.settings->queue;
    input.hostname = context_.hostname.str();
    input.message = &message;
    input.report = &report;
    input.began = attempt.began;
    input.sts_checked = attempt.last;
    input.times = attempt.times;
    input.now = wall_clock();
    input.contact =
        context_.rules->find(report.trace.domain, std::chrono::floor<std::chrono::days>(input.now)).contact;
    input.connecting =
        std::chrono::duration_cast<Millis>((connected ? report.connected : ended) - attempt.started);
    input.sending = connected ? std::chrono::duration_cast<Millis>(ended - report.connected) : Millis{};
    std::uniform_real_distribution<double> chance(0.0, 1.0);
    for (std::size_t i = 0; i < report.recipients.size(); ++i) input.random.push_back(chance(random_));
    input.ids = context_.ids;
    const std::string observed =
        report.would_hold.empty()
            ? std::string()
            : fmt::format("{}: observe: {} would have been held by {}: {}", message.id.str(),
                          report.trace.domain, report.trace.rule, report.would_hold);
    const auto plan = std::make_shared<SettlementPlan>(plan_settlement(input));
    if (!plan->alarm.empty()) spdlog::critical("{}", plan->alarm);
    std::function<Result<queue::Settled>(queue::Store&)> work = [plan](queue::Store& store) {
        return store.settle(plan->settlement);
    };
    for (bool whole = true;;) {
        const Result<queue::Settled> settled = co_await context_.store->run(work, StoreThread::until_done);
        if (settled) {
            for (const DeliveryLine& line : plan->lines) log_line("smtp", format_delivery(line));
            if (!observed.empty()) log_line("smtp", observed);
            if (settled->notices_enqueued > 0)
                for (const std::string& note : plan->notes) log_line("qmgr", note);
            if (settled->message_removed) log_line("qmgr", message.id.str() + ": removed");
            co_return;
        }
        if (whole && settled.error().code == Errc::invalid) {
            // A bug: the store refuses the notice or the details. What was delivered must be written down all
            // the same, or it is sent again; what failed waits, because its sender could not be told.
            spdlog::critical("{}: the outcome is refused: {}", message.id.str(), settled.error().text);
            whole = false;
            keep_bare_outcome(plan->settlement, input.now + context_.settings->queue.retry_max);
            continue;
        }
        // Only the disk knows what was delivered: keep the outcome until it can be written down.
        spdlog::critical("{}: the outcome cannot be stored{}: {}", message.id.str(),
                         tasks_.stopping() ? "" : ", trying again", settled.error().text);
        if (tasks_.stopping()) co_return;
        asio::steady_timer pause(co_await asio::this_coro::executor, settle_retry);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

}  // namespace sealpost
