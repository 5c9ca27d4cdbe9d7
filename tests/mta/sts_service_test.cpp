#include "mta/sts/sts_service.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "mta/daemon/clock.hpp"
#include "tests/mta/run_async.hpp"
#include "tests/mta/support/policy_server.hpp"
#include "tests/mta/support/stand_in_resolver.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using security::ResultType;
using security::StsOrigin;
using security::StsState;
using security::StsTxt;
using security::StsUrgency;
using test::certificate_for;
using test::PolicyServer;
using test::served;
namespace certs = security::test;
namespace qtest = queue::test;

namespace {

std::string body(const std::string& mode, int max_age = 864000) {
    return fmt::format("version: STSv1\nmode: {}\nmx: mx.example.net\nmax_age: {}\n", mode, max_age);
}

/// A daemon's MTA-STS from one start to its end, over a state directory that may live on.
struct Run {
    Run(const qtest::TempDirectory& directory, const test::Zone& zone, StsSettings settings,
        queue::Time opened = wall_clock())
        : resolver(io.get_executor(), tasks, zone.config()),
          tls(TlsClient::create({}).value()),
          store(qtest::open_store(directory, opened), qtest::options_for(directory.path())),
          sts(io.get_executor(), tasks, resolver, store, settings,
              PolicyFetcher(resolver, settings, tls, certs::store_of({test::authority()}))) {
        resolver.start();
    }
    ~Run() {
        tasks.stop();
        test::run_async(io, tasks.join());
    }
    StsState lookup(StsUrgency urgency = StsUrgency::normal, const std::string& name = "example.net") {
        std::optional<StsState> state = test::run_async(io, ask(Domain::parse(name).value(), urgency));
        return std::move(*state);
    }
    Async<std::optional<StsState>> ask(Domain domain, StsUrgency urgency) {
        StsState state = co_await sts.lookup(std::move(domain), urgency);
        co_return std::optional<StsState>(std::move(state));
    }
    StsStatus status() { return *test::run_async(io, ask_status()); }
    Async<std::optional<StsStatus>> ask_status() {
        const Result<StsStatus> got = co_await sts.status();
        co_return got ? std::optional<StsStatus>(*got) : std::nullopt;
    }
    /// Until it is so.
    template <class Condition>
    bool waits_for(Condition condition, Millis limit = 10s) {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            io.restart();
            io.run_for(10ms);
        }
        return true;
    }

    asio::io_context io{1};
    TaskGroup tasks{io.get_executor(), [](std::string_view what) { FAIL_CHECK(std::string(what)); }};
    resolver::Resolver resolver;
    TlsClient tls;
    StoreThread store;
    StsService sts;
};

struct Scene {
    explicit Scene(const std::vector<std::string>& ids, const std::string& mode = "enforce") {
        say(body(mode));
        settings.port = server.port();
        settings.fetch_timeout = 5s;
        zone.a("mta-sts.example.net", "127.0.0.2");
        for (const std::string& id : ids) record(id);
    }
    void record(const std::string& id) { zone.txt("_mta-sts.example.net", "v=STSv1; id=" + id + ";"); }
    void say(const std::string& text) { server.say(served(text)); }
    void fail_with(int status) {
        server.say(served("no", "Content-Type: text/plain\r\n", fmt::format("{} no", status)));
    }
    [[nodiscard]] std::size_t fetches() const { return server.requests().size(); }
    Run run() const { return Run(directory, zone, settings); }

    qtest::TempDirectory directory;
    test::Zone zone;
    StsSettings settings;
    PolicyServer server{"127.0.0.2",
                        {.certificate = certificate_for({"mta-sts.example.net"}), .response = {}}};
};

}  // namespace

TEST_SUITE("mta/sts/sts_service") {
    TEST_CASE(
        "the TXT record is asked for at _mta-sts of this very domain and nowhere above it [STS-01 STS-02]") {
        Scene scene({"1"});
        Run run = scene.run();
        CHECK(run.lookup().enforced());
        const StsState below = run.lookup(StsUrgency::normal, "sub.example.net");
        CHECK(below.txt == StsTxt::none);
        CHECK_FALSE(below.policy);
        CHECK(below.why == "there is no MTA-STS record at _mta-sts.sub.example.net");
        CHECK(scene.fetches() == 1);
    }

    TEST_CASE("the TXT record of an internationalised domain is asked for by its A-labels [STS-01]") {
        Scene scene({"1"});
        scene.zone.txt("_mta-sts.xn--bcher-kva.example", "v=STSv1; id=a;");
        Run run = scene.run();
        const StsState state = run.lookup(StsUrgency::normal,
                                          "b\xC3\xBC"
                                          "cher.example");
        CHECK(state.txt == StsTxt::found);
        CHECK(state.id == "a");
    }

    TEST_CASE("the first fetch is waited for and the same id is not fetched again [STS-17 STS-30 STS-51]") {
        Scene scene({"1"});
        Run run = scene.run();
        const StsState first = run.lookup();
        CHECK(first.origin == StsOrigin::fetched);
        CHECK(first.enforced());
        CHECK(first.expires > wall_clock() + 863000s);
        for (int i = 0; i < 5; ++i) {
            const StsState later = run.lookup();
            CHECK(later.origin == StsOrigin::cached);
            CHECK(later.enforced());
            CHECK(later.expires == first.expires);
        }
        CHECK(scene.fetches() == 1);
    }

    TEST_CASE("a policy outlives the restart and is not fetched again for the same id [STS-50 STS-51]") {
        Scene scene({"1"});
        {
            Run run = scene.run();
            CHECK(run.lookup().enforced());
            CHECK(run.waits_for([&] { return run.status().cache.enforced == 1; }));
        }
        scene.fail_with(404);
        Run run = scene.run();
        const StsState state = run.lookup();
        CHECK(state.origin == StsOrigin::cached);
        CHECK(state.enforced());
        CHECK(scene.fetches() == 1);
    }

    TEST_CASE("a changed id is fetched first and replaces at once what was there [STS-52 STS-55 STS-75]") {
        Scene scene({"1", "2"});
        Run run = scene.run();
        CHECK(run.lookup().enforced());
        scene.say(body("none"));
        const StsState state = run.lookup();
        CHECK(state.origin == StsOrigin::fetched);
        CHECK_FALSE(state.enforced());
        CHECK(state.id == "2");
        CHECK(scene.fetches() == 2);
    }

    TEST_CASE(
        "a fetch that fails keeps the policy and is not repeated for the same id [STS-27 STS-29 STS-46 "
        "STS-52]") {
        for (const bool invalid : {true, false}) {
            Scene scene({"1", "2", "2", "3"});
            Run run = scene.run();
            CHECK(run.lookup().enforced());
            if (invalid)
                scene.say("version: STSv1\nmode: none\n");
            else
                scene.fail_with(500);
            for (int i = 0; i < 2; ++i) {
                const StsState state = run.lookup();
                CHECK(state.origin == StsOrigin::cached);
                CHECK(state.enforced());
                CHECK(state.id == "1");
                REQUIRE(state.failure);
                CHECK(state.failure->type ==
                      (invalid ? ResultType::sts_policy_invalid : ResultType::sts_policy_fetch_error));
            }
            CHECK(scene.fetches() == 2);
            CHECK(run.lookup().enforced());  // a new id may be tried at once
            CHECK(scene.fetches() == 3);
        }
    }

    TEST_CASE("a first fetch that fails lets mail go on and says why [STS-28 STS-76]") {
        Scene scene({"1"});
        scene.fail_with(404);
        Run run = scene.run();
        for (int i = 0; i < 3; ++i) {
            const StsState state = run.lookup();
            CHECK_FALSE(state.policy);
            CHECK_FALSE(state.cache_failed);
            REQUIRE(state.failure);
            CHECK(state.failure->type == ResultType::sts_policy_fetch_error);
            CHECK(state.failure->reason == "HTTP 404");
        }
        CHECK(scene.fetches() == 1);
    }

    TEST_CASE("max_age 0 serves this delivery and is fetched again for the next [STS-41]") {
        Scene scene({"1"});
        scene.say(body("enforce", 0));
        Run run = scene.run();
        for (std::size_t i = 1; i < 6; ++i) {
            CHECK(run.lookup().enforced());
            CHECK(scene.fetches() == i);
        }
        scene.fail_with(404);
        CHECK_FALSE(run.lookup().enforced());
    }

    TEST_CASE(
        "an id that changes at every question costs three fetches and then the cached policy serves [STS-51 "
        "STS-52]") {
        Scene scene({"1", "2", "3", "4", "5", "6", "7", "8", "9"});
        Run run = scene.run();
        for (int i = 1; i <= 8; ++i) {
            const StsState state = run.lookup();
            CHECK(state.enforced());
            CHECK(state.origin == (i <= 3 ? StsOrigin::fetched : StsOrigin::cached));
        }
        CHECK(scene.fetches() == 3);
        // The attempt before the bounce looks all the same [STS-68].
        scene.say(body("none"));
        const StsState last = run.lookup(StsUrgency::final);
        CHECK(last.origin == StsOrigin::fetched);
        CHECK_FALSE(last.enforced());
    }

    TEST_CASE("where the id keeps changing the policy is fetched in the background now and then [STS-52]") {
        Scene scene({"1", "2", "3", "4", "5"});
        scene.settings.retry_after = 100ms;
        Run run = scene.run();
        for (int i = 0; i < 3; ++i) CHECK(run.lookup().origin == StsOrigin::fetched);
        std::this_thread::sleep_for(150ms);
        scene.say(body("testing"));
        CHECK(run.lookup().enforced());  // served from memory, without a wait
        CHECK(run.waits_for([&] { return scene.fetches() == 4; }));
        CHECK(run.waits_for([&] { return run.lookup().tested(); }));
    }

    TEST_CASE("a cached policy is fetched again when it is due whatever the record says [STS-48 STS-53]") {
        Scene scene({"1", "2"});
        scene.settings.refresh_after = 200ms;
        scene.settings.retry_after = 100ms;
        {
            Run run = scene.run();
            CHECK(run.lookup().enforced());
            CHECK(run.waits_for([&] { return run.status().cache.enforced == 1; }));
        }
        test::Zone without_record;
        without_record.a("mta-sts.example.net", "127.0.0.2");
        scene.say(body("testing", 500000));
        Run run(scene.directory, without_record, scene.settings);
        run.sts.start();
        CHECK(run.waits_for([&] { return scene.fetches() >= 3; }));
        const StsState state = run.lookup();
        CHECK(state.txt == StsTxt::none);
        CHECK(state.origin == StsOrigin::cached);
        CHECK(state.tested());
        CHECK(state.expires > wall_clock() + 499000s);
    }

    TEST_CASE(
        "a refresh that fails keeps the policy and shows in the status unless the mode is none [STS-29 "
        "STS-54]") {
        for (const char* mode : {"enforce", "none"}) {
            CAPTURE(mode);
            Scene scene({"1"}, mode);
            scene.settings.refresh_after = 200ms;
            scene.settings.retry_after = 100ms;
            Run run = scene.run();
            CHECK(run.lookup().policy);
            CHECK(run.waits_for([&] { return run.status().cache.cached == 1; }));
            scene.fail_with(404);
            run.sts.start();
            CHECK(run.waits_for([&] { return scene.fetches() >= 3; }));
            run.waits_for([&] { return run.status().cache.refresh_failing == 1; }, 300ms);
            CHECK(run.status().cache.refresh_failing == (std::string_view(mode) == "none" ? 0 : 1));
            CHECK(run.lookup().policy);
        }
    }

    TEST_CASE("a damaged row is not the absence of a policy and is fetched anew [STS-29 STS-50]") {
        Scene scene({"1"});
        {
            Run run = scene.run();
            CHECK(run.lookup().enforced());
            CHECK(run.waits_for([&] { return run.status().cache.enforced == 1; }));
        }
        {
            queue::Database db = qtest::value(
                queue::Database::open(scene.directory.database(), queue::Database::Mode::read_write));
            REQUIRE(db.exec("UPDATE sts_policy SET body = x'00', refresh_at = 0"));
        }
        {
            scene.fail_with(500);
            Run run = scene.run();
            const StsState state = run.lookup();
            CHECK(state.cache_failed);  // every hop waits
            CHECK(state.why.find("the cache of policies cannot be read") == 0);
        }
        scene.say(body("enforce"));
        Run run = scene.run();
        run.sts.start();
        CHECK(run.waits_for([&] { return scene.fetches() == 3; }));
        CHECK(run.lookup().enforced());
    }

    TEST_CASE("where no fetch can be tried mail waits unless a policy is cached [STS-78]") {
        Scene scene({"1"});
        scene.settings.max_fetches = 1;
        scene.settings.max_waiting_fetches = 0;
        scene.settings.fetch_timeout = 3s;
        scene.zone.txt("_mta-sts.slow.example", "v=STSv1; id=1;");
        scene.zone.a("mta-sts.slow.example", "127.0.0.4");
        PolicyServer slow("127.0.0.4",
                          {.certificate = certificate_for({"mta-sts.slow.example"}), .response = {}},
                          scene.server.port());
        Run run = scene.run();
        run.tasks.spawn([](Run& r) -> Async<void> {
            Domain name = Domain::parse("slow.example").value();
            co_await r.ask(std::move(name), StsUrgency::normal);
        }(run));
        CHECK(run.waits_for([&] { return slow.requests().size() == 1; }));
        const StsState state = run.lookup();
        CHECK(state.cache_failed);
        CHECK_FALSE(state.failure);
        CHECK(state.why.find("mta_sts.max_fetches") != std::string::npos);
        CHECK(scene.fetches() == 0);
        CHECK(run.status().fetches_running == 1);
    }

    TEST_CASE("switched off it asks nobody") {
        Scene scene({"1"});
        scene.settings.enabled = false;
        Run run = scene.run();
        const StsState state = run.lookup();
        CHECK_FALSE(state.policy);
        CHECK(scene.fetches() == 0);
        CHECK(run.resolver.state().questions == 0);
    }
}

}  // namespace sealpost
