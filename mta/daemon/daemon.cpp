#include "mta/daemon/daemon.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <future>
#include <mutex>

#include "mta/admin/metrics.hpp"
#include "mta/admin/server.hpp"
#include "mta/daemon/checked.hpp"
#include "mta/daemon/clock.hpp"
#include "mta/daemon/dispatcher.hpp"
#include "mta/daemon/log.hpp"
#include "mta/daemon/prepare.hpp"
#include "mta/daemon/queue_admin.hpp"
#include "mta/daemon/rule_files.hpp"
#include "mta/daemon/store_thread.hpp"
#include "mta/daemon/worker.hpp"
#include "mta/delivery/explanation.hpp"
#include "mta/listener/listener.hpp"
#include "mta/resolver/watch.hpp"
#include "mta/sts/sts_service.hpp"

namespace sealpost {
namespace {

constexpr int exit_unavailable = 75;    // EX_TEMPFAIL
constexpr int exit_configuration = 78;  // EX_CONFIG

queue::StoreOptions store_options(const Settings& settings) {
    queue::StoreOptions options;
    options.state_directory = settings.daemon.state_directory;
    options.max_traces = settings.queue.max_traces;
    options.max_sts_policies = settings.mta_sts.max_cached;
    return options;
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

class Daemon {
public:
    Daemon(const LoadedSettings& loaded, Checked checked, queue::Store store, const std::vector<int>& sockets,
           TlsClient tls)
        : settings_(loaded.settings),
          loaded_(loaded),
          hostname_(checked.hostname),
          trusted_(std::move(checked.trusted)),
          tls_(std::move(tls)),
          ids_(store.high_water()),
          memory_(settings_.queue.body_cache),
          budget_(settings_.delivery.max_connections),
          rules_(std::make_shared<const security::RuleTable>(std::move(checked.rules))),
          route_{settings_.delivery, settings_.dane, settings_.tls.message_overrides_rules, {hostname_}},
          tasks_(io_.get_executor(), [](std::string_view what) { spdlog::critical("daemon: {}", what); }),
          signals_(io_, SIGTERM, SIGINT),
          reload_(io_, SIGHUP),
          store_(std::move(store), store_options(settings_)),
          resolver_(io_.get_executor(), tasks_, std::move(checked.resolver)),
          watch_(io_.get_executor(), tasks_, resolver_, std::move(checked.watch),
                 resolver::TrustFile(settings_.daemon.state_directory)),
          sts_(io_.get_executor(), tasks_, resolver_, store_, settings_.mta_sts,
               PolicyFetcher(resolver_, settings_.mta_sts, tls_, std::move(checked.sts_trusted))),
          listener_(listener_context(std::move(checked.listener_tls)), sockets),
          queue_admin_({&store_, &ids_, hostname_.str(), &settings_.queue, [this] { dispatcher_->poke(); },
                        [this] { dispatcher_->end_rests(); }}) {}

    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    /// shut_down() has done all this, unless an exception got us here: nobody may be answered whose executor
    /// is gone.
    ~Daemon() {
        if (admin_) admin_->stop();
        listener_.stop();
        for (const auto& worker : workers_) worker->stop();
        store_.stop();
    }

    Result<void> start() {
        const unsigned count = settings_.daemon.workers != 0
                                   ? settings_.daemon.workers
                                   : std::max(1U, std::thread::hardware_concurrency());
        std::vector<Worker*> workers;
        for (unsigned i = 0; i < count; ++i) {
            Result<std::unique_ptr<Worker>> worker = Worker::start(worker_context());
            if (!worker) return tl::unexpected(worker.error());
            workers.push_back(worker->get());
            workers_.push_back(std::move(*worker));
        }
        dispatcher_.emplace(io_.get_executor(), tasks_, store_, settings_, rules(), std::move(workers));
        admin_.emplace(settings_.daemon.admin_socket, backend(),
                       [](std::string_view what) { spdlog::error("admin: {}", what); });
        return admin_->start();
    }

    void run() {
        resolver_.start();
        watch_.start();
        sts_.start();
        dispatcher_->start();
        listener_.start();
        signals_.async_wait([this](const boost::system::error_code& ec, int signal) {
            if (!ec) asio::co_spawn(io_, shut_down(signal), asio::detached);
        });
        await_reload();
        std::string addresses;
        for (const Endpoint& endpoint : settings_.listener.listen)
            addresses += (addresses.empty() ? "" : ", ") + endpoint.str();
        log_line("daemon", fmt::format("ready: {} listens on {}, {} delivery workers, {} messages queued",
                                       hostname_, addresses, workers_.size(), store_.messages()));
        sd_notify(0, "READY=1");
        tasks_.spawn(feed_watchdog());
        io_.run();
    }

private:
    /// For WatchdogSec of the unit: what is told is that this thread still turns, which everything goes
    /// through.
    Async<void> feed_watchdog() {
        std::uint64_t limit = 0;
        if (sd_watchdog_enabled(0, &limit) <= 0) co_return;
        for (;;) {
            asio::steady_timer timer(io_, std::chrono::microseconds(limit / 3));
            co_await timer.async_wait(asio::use_awaitable);
            sd_notify(0, "WATCHDOG=1");
        }
    }

    void await_reload() {
        reload_.async_wait([this](const boost::system::error_code& ec, int) {
            if (ec) return;
            reload();
            await_reload();
        });
    }

    std::shared_ptr<const security::RuleTable> rules() {
        const std::lock_guard lock(rules_mutex_);
        return rules_;
    }
    void set_rules(std::shared_ptr<const security::RuleTable> table) {
        const std::lock_guard lock(rules_mutex_);
        rules_ = std::move(table);
    }

    /// The rules as they are written now, all or none of them; what else has changed waits for a restart.
    void reload() {
        sd_notify(0, "RELOADING=1");
        const auto loaded = load_settings(loaded_.main_file, loaded_.must_exist);
        Result<security::RuleTable> read =
            loaded ? load_rules(loaded->settings.rules)
                   : Result<security::RuleTable>(fail(Errc::configuration, loaded.error().front()));
        if (read) {
            const auto table = std::make_shared<const security::RuleTable>(std::move(*read));
            set_rules(table);
            for (const auto& worker : workers_) worker->set_rules(table);
            dispatcher_->set_rules(table);
            log_line("daemon", fmt::format("reloaded: {} rules", loaded->settings.rules.size()));
            warn_of_weakening(loaded->settings.rules);
            Settings others = loaded->settings;
            others.rules = settings_.rules;
            if (others != settings_)
                spdlog::warn(
                    "reload: settings outside the rules have changed; they take effect at a restart");
        } else {
            spdlog::error("reload: the rules stay as they were: {}", read.error().text);
        }
        sd_notify(0, "READY=1");
    }

    ListenerContext listener_context(std::shared_ptr<TlsServer> tls) {
        ListenerContext context{.settings = settings_.listener,
                                .queue = settings_.queue,
                                .state_directory = settings_.daemon.state_directory,
                                .hostname = hostname_,
                                .tls = std::move(tls),
                                .store = &store_,
                                .ids = &ids_,
                                .on_stored = [this] { dispatcher_->poke(); },
                                .roomy = [this] { return dispatcher_->roomy(); },
                                .accepted = {},
                                .memory = &memory_};
        context.accepted = [this](std::vector<queue::DueRecipient> recipients,
                                  queue::MessageInMemory message) {
            dispatcher_->accepted(std::move(recipients), std::move(message));
        };
        return context;
    }

    WorkerContext worker_context() {
        return {.settings = &settings_,
                .hostname = hostname_,
                .resolver = &resolver_,
                .sts = &sts_,
                .store = &store_,
                .ids = &ids_,
                .route = &route_,
                .rules = rules(),
                .trusted = &trusted_,
                .budget = &budget_};
    }

    AdminBackend backend() {
        AdminBackend backend{.open_reader = {},
                             .change = {},
                             .explain = {},
                             .status_json = {},
                             .metrics_text = {},
                             .hostname = hostname_,
                             .reports = settings_.reports};
        backend.open_reader = [this] { return queue::Reader::open(settings_.daemon.state_directory); };
        backend.change = [this](ChangeOrder order) { return queue_admin_.change(std::move(order)); };
        backend.explain = [this](Domain domain, security::MessageTls message) {
            return explain_here(std::move(domain), message);
        };
        backend.status_json = [this] { return status(); };
        backend.metrics_text = [this] { return admin::metrics_text(metrics()); };
        return backend;
    }

    /// On the admin thread: resolver and MTA-STS answer from any, and the table is taken as it is now.
    Async<std::string> explain_here(Domain domain, security::MessageTls message) {
        ExplanationContext context;
        context.resolver = &resolver_;
        context.sts = &sts_;
        context.route = &route_;
        context.rules = rules();
        const security::AttemptTrace trace = co_await explain(std::move(context), std::move(domain), message);
        co_return security::to_json(trace);
    }

    /// Called on the admin thread: reads only what is atomic or constant, or asks our own thread.
    std::string status() {
        boost::json::object out;
        out["schema"] = 1;
        out["version"] = SEALPOST_VERSION;
        out["hostname"] = hostname_.str();
        out["messages"] = store_.messages();
        out["recipients"] = store_.recipients();
        out["storage_healthy"] = store_.healthy();
        std::promise<boost::json::object> promise;
        std::future<boost::json::object> future = promise.get_future();
        asio::post(io_, [this, promise = std::move(promise)]() mutable {
            const resolver::ResolverState state = resolver_.state();
            boost::json::object r;
            r["running"] = state.running;
            r["pid"] = state.pid;
            r["questions"] = state.questions;
            r["timeouts"] = state.timeouts;
            r["restarts"] = state.restarts;
            r["pending"] = state.pending;
            const security::SelfTest& test = watch_.self_test();
            r["self_test"] = security::to_string(test.state);
            if (!test.text.empty())
                r["message"] = fmt::format("resolver: self test {}: {}", to_string(test.state), test.text);
            if (const std::string held = watch_.held(); !held.empty()) r["held"] = held;
            r["trust_anchor"] = trust_anchor();
            boost::json::object all;
            all["resolver"] = std::move(r);
            all["active"] = dispatcher_->active();
            all["in_flight"] = dispatcher_->in_flight();
            promise.set_value(std::move(all));
        });
        // Apart from the rest: it asks the disk, which may be what hangs.
        auto sts = std::make_shared<std::promise<boost::json::object>>();
        std::future<boost::json::object> sts_future = sts->get_future();
        asio::post(io_, [this, sts = std::move(sts)] { tasks_.spawn(sts_status(sts)); });
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        if (future.wait_until(limit) == std::future_status::ready)
            for (auto& member : future.get()) out[member.key()] = member.value();
        try {
            if (sts_future.wait_until(limit) == std::future_status::ready) out["mta_sts"] = sts_future.get();
        } catch (const std::future_error&) {
            out["mta_sts"] = nullptr;  // the daemon is ending
        }
        return boost::json::serialize(out);
    }

    /// "38696 valid, 20326 revoked"; empty when it is not followed.
    std::string trust_anchor() const {
        std::string out;
        for (const security::TrackedKey& tracked : watch_.trust().keys)
            out +=
                fmt::format("{}{} {}", out.empty() ? "" : ", ", tracked.key.tag(), to_string(tracked.state));
        return out;
    }

    /// As status(): called on the admin thread.
    admin::Metrics metrics() {
        admin::Metrics out{.messages = store_.messages(),
                           .recipients = store_.recipients(),
                           .storage_healthy = store_.healthy(),
                           .resolver = std::nullopt};
        std::promise<admin::ResolverMetrics> promise;
        std::future<admin::ResolverMetrics> future = promise.get_future();
        asio::post(io_, [this, promise = std::move(promise)]() mutable {
            const resolver::ResolverState state = resolver_.state();
            promise.set_value({.running = state.running,
                               .questions = state.questions,
                               .timeouts = state.timeouts,
                               .restarts = state.restarts,
                               .pending = state.pending,
                               .held = !watch_.held().empty(),
                               .self_test = watch_.self_test().state});
        });
        if (future.wait_for(std::chrono::seconds(5)) == std::future_status::ready)
            out.resolver = future.get();
        return out;
    }

    Async<void> sts_status(std::shared_ptr<std::promise<boost::json::object>> done) {
        const Result<StsStatus> status = co_await sts_.status();
        boost::json::object out;
        if (status) {
            out["cached"] = status->cache.cached;
            out["enforced"] = status->cache.enforced;
            out["refresh_failing"] = status->cache.refresh_failing;
            out["fetches_running"] = status->fetches_running;
            out["fetches_waiting"] = status->fetches_waiting;
        } else {
            out["error"] = status.error().text;
        }
        done->set_value(std::move(out));
    }

    /// The order matters: no new mail, no new deliveries, those in flight get their time, then everything
    /// ends.
    Async<void> shut_down(int signal) {
        log_line("daemon", fmt::format("signal {}: ending; deliveries in flight have {} s", signal,
                                       settings_.daemon.shutdown_timeout.count() / 1000));
        sd_notify(0, "STOPPING=1");
        listener_.stop();
        admin_->stop();
        Async<void> drained = dispatcher_->drain();
        asio::steady_timer limit(io_, settings_.daemon.shutdown_timeout);
        using asio::experimental::awaitable_operators::operator||;
        auto either = std::move(drained) || limit.async_wait(asio::use_awaitable);
        co_await std::move(either);
        if (const std::size_t left = dispatcher_->in_flight(); left > 0)
            spdlog::warn("{} deliveries are cut off; they are tried again at the next start", left);
        for (const auto& worker : workers_) worker->stop();
        resolver_.abandon();
        tasks_.stop();
        Async<void> joined = tasks_.join();
        asio::steady_timer patience(io_, std::chrono::seconds(5));
        auto all = std::move(joined) || patience.async_wait(asio::use_awaitable);
        co_await std::move(all);
        store_.stop();
        io_.stop();
    }

    const Settings& settings_;
    const LoadedSettings& loaded_;
    Domain hostname_;
    security::TrustStore trusted_;
    TlsClient tls_;
    queue::MessageIdSource ids_;
    queue::MessageMemory memory_;
    ConnectionBudget budget_;
    std::mutex rules_mutex_;  ///< of rules_ alone: the admin thread reads it
    std::shared_ptr<const security::RuleTable> rules_;
    RouteSettings route_;
    asio::io_context io_{1};
    TaskGroup tasks_;
    asio::signal_set signals_;
    asio::signal_set reload_;
    StoreThread store_;
    resolver::Resolver resolver_;
    resolver::Watch watch_;
    StsService sts_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::optional<Dispatcher> dispatcher_;
    Listener listener_;
    QueueAdmin queue_admin_;
    std::optional<AdminServer> admin_;
};

int exit_code(const Error& error) {
    std::fprintf(stderr, "sealpost: %s\n", error.text.c_str());
    return error.code == Errc::configuration || error.code == Errc::invalid ? exit_configuration
                                                                            : exit_unavailable;
}

}  // namespace

int run_daemon(const LoadedSettings& loaded) {
    const Settings& settings = loaded.settings;
    raise_descriptor_limit();
    static_cast<void>(life_clock());  // it counts from here
    Result<Checked> checked = check(settings);
    if (!checked) return exit_code(checked.error());
    const Result<std::vector<int>> sockets = bind_listeners(settings.listener.listen);
    if (!sockets) return exit_code(sockets.error());
    if (const Result<void> ready = prepare_directories(settings.daemon); !ready)
        return exit_code(ready.error());
    if (const Result<void> dropped = drop_privileges(settings.daemon); !dropped)
        return exit_code(dropped.error());
    if (const Result<void> log = open_log(settings.log, checked->hostname.str()); !log)
        return exit_code(log.error());
    resolver::adopt_stored_trust(resolver::TrustFile(settings.daemon.state_directory), checked->watch,
                                 checked->resolver);
    Result<TlsClient> tls = TlsClient::create(settings.tls);
    if (!tls) return exit_code(tls.error());
    Result<queue::Store> store = queue::Store::open(store_options(settings), wall_clock());
    if (!store) return exit_code(store.error());
    warn_of_weakening(settings.rules);
    Daemon daemon(loaded, std::move(*checked), std::move(*store), *sockets, std::move(*tls));
    if (const Result<void> started = daemon.start(); !started) return exit_code(started.error());
    daemon.run();
    log_line("daemon", "ended");
    return 0;
}

}  // namespace sealpost
