#include "mta/daemon/worker.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "mta/daemon/clock.hpp"
#include "mta/daemon/log.hpp"
#include "queue/retry.hpp"

namespace sealpost {
namespace {

constexpr Millis settle_retry = std::chrono::seconds(5);
constexpr std::size_t max_idle = 200;  // connections of one thread

using FromStore = std::variant<queue::StoredMessage, queue::Frozen>;

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
      idle_(io_.get_executor(), tasks_, max_idle, context_.settings->delivery.reuse_idle),
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

void Worker::deliver(queue::Run run, Finished finished) {
    asio::post(io_, [this, run = std::move(run), finished = std::move(finished)]() mutable {
        tasks_.spawn(this->run(std::move(run), std::move(finished)));
    });
}

void Worker::finish_early() {
    early_.store(true, std::memory_order_relaxed);
    asio::post(io_, [this] { idle_.close(); });
}

void Worker::set_rules(std::shared_ptr<const security::RuleTable> rules) {
    asio::post(io_, [this, rules = std::move(rules)]() mutable { context_.rules = std::move(rules); });
}

Async<void> Worker::run(queue::Run run, Finished finished) {
    Course course;
    course.kept = idle_.take(run.domain);
    std::size_t made = 0;
    for (const queue::Delivery& delivery : run.deliveries) {
        const bool dead = course.report.end == queue::RunEnd::dead;
        const bool over =
            (made >= run.make && !dead) || early_.load(std::memory_order_relaxed) || tasks_.stopping();
        ++made;
        std::vector<queue::RecipientId> ids = ids_of(delivery);
        if (over) {
            course.report.undone.insert(course.report.undone.end(), ids.begin(), ids.end());
            continue;
        }
        bool broken = false;
        try {
            if (dead)
                co_await put_off(delivery, course);
            else
                co_await deliver_next(delivery, course);
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
        // A bug; the message must not wait for a restart because of it.
        if (broken) co_await give_back(std::move(ids));
    }
    co_await settle(course);
    if (course.kept) idle_.keep(std::move(course.kept));
    finished(run, std::move(course.report));
}

Async<void> Worker::give_back(std::vector<queue::RecipientId> ids) {
    for (;;) {
        const queue::Time later = wall_clock() + context_.settings->queue.retry_first;
        std::function<Result<void>(queue::Store&)> work = [ids, later](queue::Store& store) {
            return store.release(ids, later);
        };
        const Result<void> done = co_await context_.store->run(std::move(work));
        if (done || tasks_.stopping()) co_return;
        asio::steady_timer pause(co_await asio::this_coro::executor, settle_retry);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

DelivererContext Worker::deliverer_context() {
    DelivererContext context;
    context.resolver = context_.resolver;
    context.sts = context_.sts;
    context.route = context_.route;
    context.rules = context_.rules;
    context.session.settings = &context_.settings->delivery;
    context.session.tls = &tls_;
    context.session.sessions = &sessions_;
    context.session.relieve = [this] { idle_.relieve(); };
    context.session.trusted = context_.trusted;
    context.session.budget = context_.budget;
    context.session.session_lifetime = context_.settings->tls.session_lifetime;
    context.session.helo_name = context_.hostname.str();
    context.reuse.messages = context_.settings->delivery.reuse_messages;
    context.reuse.time = context_.settings->delivery.reuse_time;
    return context;
}

Async<void> Worker::deliver_next(queue::Delivery delivery, Course& course) {
    Attempt now{.began = wall_clock(), .started = std::chrono::steady_clock::now()};
    const Message message = co_await load(delivery, course);
    if (!message) co_return;
    // What the last delivery must not be cut off from has been done.
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
    now.times = times_of(*context_.rules, context_.settings->queue, delivery.domain, now.began);
    now.last = queue::give_up(message->envelope, queue::Held::by_policy, now.times, life_clock());
    DelivererContext context = deliverer_context();
    if (now.last) context.urgency = security::StsUrgency::final;
    if (message->stored_body) {
        const Result<std::shared_ptr<queue::BodyReader>> reader = bodies();
        if (!reader) {
            spdlog::error("{}: its body cannot be read: {}", message->id.str(), reader.error().text);
            co_await give_back(ids_of(delivery));
            co_return;
        }
        context.body = std::make_shared<BodySource>(*reader, message->id, *message->stored_body);
    }
    // A last attempt looks at everything again.
    std::unique_ptr<KeptSession> kept = std::move(course.kept);
    if (now.last && kept) {
        co_await kept->smtp->quit();
        kept.reset();
    }
    Deliverer deliverer(std::move(context), delivery, message);
    DeliveryReport report = co_await deliverer.run(random_, std::move(kept));
    course.kept = std::move(report.kept);
    RunReport& so_far = course.report;
    if (report.destination_dead) course.why_dead = report.recipients.front();
    if (report.connected != std::chrono::steady_clock::time_point{})
        so_far.end = queue::RunEnd::delivered;
    else if (report.destination_dead)
        so_far.end = queue::RunEnd::dead;
    else if (report.tried)
        so_far.end = queue::RunEnd::trouble;
    if (report.trace.mx) so_far.mx = security::name_of_mx_set(*report.trace.mx);
    if (report.body_error) {
        Error error = *report.body_error;
        co_await note_body_error(message->id, std::move(error));
    }
    course.ended = end_of(message, report, now);
}

/// The destination is dead, as the delivery before has found: this one ends in the same words, without a
/// connection.
Async<void> Worker::put_off(queue::Delivery delivery, Course& course) {
    Attempt now{.began = wall_clock(), .started = std::chrono::steady_clock::now(), .times = {}};
    const Message message = co_await load(delivery, course);
    if (!message) co_return;
    now.times = times_of(*context_.rules, context_.settings->queue, delivery.domain, now.began);
    const Result<Domain> domain = Domain::parse(delivery.domain);
    if (!domain) {
        co_await give_back(ids_of(delivery));
        co_return;
    }
    DeliveryReport report(*domain);
    for (const queue::DueRecipient& due : delivery.recipients) {
        DeliveredRecipient recipient = *course.why_dead;
        recipient.recipient = due;
        report.recipients.push_back(std::move(recipient));
    }
    report.trace.message = message->id.str();
    report.trace.outcome = "deferred";
    report.trace.summary = course.why_dead->outcome.text;
    course.ended = end_of(message, report, now);
}

/// Null: there is nothing to deliver. What ended before is on disk then, and so is the marker that this
/// attempt begins: a peer that crashes us is recognised afterwards.
Async<Worker::Message> Worker::load(queue::Delivery& delivery, Course& course) {
    struct Loaded {
        std::optional<queue::Settled> settled;
        std::vector<queue::RecipientId> leased;
        std::optional<FromStore> message;
    };
    const std::vector<queue::RecipientId> ids = ids_of(delivery);
    const queue::MessageId id = delivery.message;
    const bool in_memory = delivery.in_memory != nullptr;
    std::shared_ptr<SettlementPlan> before;
    if (course.ended) before = course.ended->plan;
    std::function<Result<Loaded>(queue::Store&)> work = [ids, id, in_memory,
                                                         before](queue::Store& store) -> Result<Loaded> {
        Loaded out;
        if (before) {
            Result<queue::Settled> settled = store.settle(before->settlement);
            if (!settled) return tl::unexpected(settled.error());
            out.settled = *settled;
        }
        auto leased = store.begin_attempt(ids);
        if (!leased) return tl::unexpected(leased.error());
        out.leased = std::move(*leased);
        if (in_memory || out.leased.empty()) return out;
        Result<FromStore> loaded = store.load_message(id);
        // Removed by the administrator meanwhile: no reason to lose what ended before.
        if (!loaded && loaded.error().code != Errc::not_found) return tl::unexpected(loaded.error());
        if (loaded) out.message = std::move(*loaded);
        return out;
    };
    Result<Loaded> loaded = co_await context_.store->run(std::move(work), StoreThread::until_done);
    if (!loaded && before) {
        // Whose fault it is shows when each is done alone.
        co_await settle(course);
        if (!course.ended) co_return co_await load(delivery, course);
        course.report.undone.insert(course.report.undone.end(), ids.begin(), ids.end());
        co_return nullptr;  // the daemon ends before the disk has come back
    }
    if (!loaded) {
        spdlog::error("{}: cannot be loaded: {}", id.str(), loaded.error().text);
        co_await give_back(ids);
        co_return nullptr;
    }
    if (loaded->settled) settled(course, *loaded->settled);
    // Put on hold or removed since they were leased.
    std::erase_if(delivery.recipients, [&loaded](const queue::DueRecipient& due) {
        return std::find(loaded->leased.begin(), loaded->leased.end(), due.id) == loaded->leased.end();
    });
    if (delivery.recipients.empty()) co_return nullptr;
    if (in_memory) co_return delivery.in_memory;
    if (!loaded->message) co_return nullptr;
    if (const auto* frozen = std::get_if<queue::Frozen>(&*loaded->message)) {
        spdlog::critical("{}: frozen, it is damaged on disk: {}", id.str(), frozen->reason);
        co_return nullptr;
    }
    co_return std::make_shared<const queue::StoredMessage>(
        std::get<queue::StoredMessage>(std::move(*loaded->message)));
}

Result<std::shared_ptr<queue::BodyReader>> Worker::bodies() {
    if (bodies_) return bodies_;
    Result<queue::BodyReader> opened = queue::BodyReader::open(context_.settings->daemon.state_directory);
    if (!opened) return tl::unexpected(opened.error());
    bodies_ = std::make_shared<queue::BodyReader>(std::move(*opened));
    return bodies_;
}

/// What is damaged is not tried again until an administrator looked at it.
Async<void> Worker::note_body_error(queue::MessageId id, Error error) {
    if (error.code == Errc::not_found) co_return;  // removed meanwhile
    if (error.code != Errc::invalid) {
        spdlog::error("{}: its body cannot be read: {}", id.str(), error.text);
        bodies_.reset();
        co_return;
    }
    spdlog::critical("{}: frozen, it is damaged on disk: {}", id.str(), error.text);
    std::function<Result<void>(queue::Store&)> work = [id, error](queue::Store& store) {
        return store.freeze(id, fmt::format("message {} is frozen: {}", id, error.text));
    };
    const Result<void> frozen = co_await context_.store->run(std::move(work));
    if (!frozen) spdlog::error("{}: cannot be frozen: {}", id.str(), frozen.error().text);
}

/// What a notice may return of a large message, and an octet more.
std::string Worker::beginning_of(const queue::StoredMessage& message, const DeliveryReport& report) {
    const auto quiet = [](const DeliveredRecipient& r) {
        return r.outcome.result == RecipientOutcome::Result::delivered &&
               r.recipient.recipient.notify.empty();
    };
    if (!message.stored_body || std::all_of(report.recipients.begin(), report.recipients.end(), quiet))
        return {};
    const auto reader = bodies();
    if (!reader) return {};
    return (*reader)
        ->prefix(message.id, *message.stored_body, context_.settings->queue.dsn_return_size + 1)
        .value_or(std::string());
}

/// Whatever goes wrong while its words are made, what was delivered is written down, or it would be sent
/// again.
Worker::Ended Worker::end_of(Message message, const DeliveryReport& report, Attempt attempt) {
    try {
        return whole_end_of(message, report, attempt);
    } catch (const std::exception& e) {
        spdlog::critical("{}: its outcome is kept without details: {}", message->id.str(), e.what());
    }
    Ended out;
    out.plan = std::make_shared<SettlementPlan>(message->id);
    out.plan->settlement.at = wall_clock();
    for (const DeliveredRecipient& r : report.recipients) {
        const bool delivered = r.outcome.result == RecipientOutcome::Result::delivered;
        out.plan->settlement.recipients.push_back(
            {.recipient = r.recipient.id,
             .outcome = delivered ? queue::Outcome::delivered : queue::Outcome::deferred,
             .status = delivered ? "2.0.0" : "4.3.0",
             .reply = {},
             .host = {},
             .next_attempt = wall_clock() + context_.settings->queue.retry_max,
             .held_reason = {}});
    }
    out.message = std::move(message);
    return out;
}

Worker::Ended Worker::whole_end_of(const Message& message, const DeliveryReport& report, Attempt attempt) {
    const auto ended = std::chrono::steady_clock::now();
    const bool connected = report.connected != std::chrono::steady_clock::time_point{};
    SettlementInput input;
    input.settings = &context_.settings->queue;
    input.hostname = context_.hostname.str();
    input.message = message.get();
    input.report = &report;
    const std::string beginning = beginning_of(*message, report);
    input.beginning = beginning;
    input.began = attempt.began;
    input.sts_checked = attempt.last;
    input.times = attempt.times;
    input.now = wall_clock();
    input.lived_until = life_clock();
    input.contact =
        context_.rules->find(report.trace.domain, std::chrono::floor<std::chrono::days>(input.now)).contact;
    input.connecting =
        std::chrono::duration_cast<Millis>((connected ? report.connected : ended) - attempt.started);
    input.sending = connected ? std::chrono::duration_cast<Millis>(ended - report.connected) : Millis{};
    std::uniform_real_distribution<double> chance(0.0, 1.0);
    for (std::size_t i = 0; i < report.recipients.size(); ++i) input.random.push_back(chance(random_));
    input.ids = context_.ids;
    Ended out;
    if (!report.would_hold.empty())
        out.observed = fmt::format("{}: observe: {} would have been held by {}: {}", message->id.str(),
                                   report.trace.domain, report.trace.rule, report.would_hold);
    out.plan = std::make_shared<SettlementPlan>(plan_settlement(input));
    if (!out.plan->alarm.empty()) spdlog::critical("{}", out.plan->alarm);
    out.message = message;
    return out;
}

/// After the commit.
void Worker::settled(Course& course, const queue::Settled& settled) {
    const Ended ended = *std::exchange(course.ended, std::nullopt);
    for (const DeliveryLine& line : ended.plan->lines) log_line("smtp", format_delivery(line));
    if (!ended.observed.empty()) log_line("smtp", ended.observed);
    if (settled.notices_enqueued > 0)
        for (const std::string& note : ended.plan->notes) log_line("qmgr", note);
    if (settled.message_removed) log_line("qmgr", ended.message->id.str() + ": removed");
    if (course.kept && !course.kept->trace) course.kept->trace = settled.trace;
}

Async<void> Worker::settle(Course& course) {
    if (!course.ended) co_return;
    const std::shared_ptr<SettlementPlan> plan = course.ended->plan;
    const std::string id = course.ended->message->id.str();
    std::function<Result<queue::Settled>(queue::Store&)> work = [plan](queue::Store& store) {
        return store.settle(plan->settlement);
    };
    for (bool whole = true;;) {
        const Result<queue::Settled> done = co_await context_.store->run(work, StoreThread::until_done);
        if (done) {
            settled(course, *done);
            co_return;
        }
        if (whole && done.error().code == Errc::invalid) {
            // A bug: the store refuses the notice or the details. What was delivered must be written down all
            // the same, or it is sent again; what failed waits, because its sender could not be told.
            spdlog::critical("{}: the outcome is refused: {}", id, done.error().text);
            whole = false;
            keep_bare_outcome(plan->settlement, wall_clock() + context_.settings->queue.retry_max);
            continue;
        }
        // Only the disk knows what was delivered: keep the outcome until it can be written down.
        spdlog::critical("{}: the outcome cannot be stored{}: {}", id,
                         tasks_.stopping() ? "" : ", trying again", done.error().text);
        if (tasks_.stopping()) co_return;
        asio::steady_timer pause(co_await asio::this_coro::executor, settle_retry);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

}  // namespace sealpost
