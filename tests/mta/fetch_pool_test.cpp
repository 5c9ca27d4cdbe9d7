#include "mta/sts/fetch_pool.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "tests/mta/run_async.hpp"

namespace sealpost {

using namespace std::chrono_literals;

namespace {

Domain domain(const std::string& name) {
    return Domain::parse(name).value();
}

/// Flights that land when they are told to.
struct Scene {
    explicit Scene(unsigned max_fetches, unsigned max_waiting = 10, Millis timeout = 5s) {
        settings.max_fetches = max_fetches;
        settings.max_waiting_fetches = max_waiting;
        settings.fetch_timeout = timeout;
        pool.emplace(io.get_executor(), tasks, settings,
                     [this](Domain who, std::string id) { return fly(std::move(who), std::move(id)); });
    }
    ~Scene() {
        tasks.stop();
        test::run_async(io, tasks.join());
    }
    Async<LandingPtr> fly(Domain who, std::string id) {
        started.push_back(who.str() + " " + id);
        most = std::max(most, ++flying);
        while (!landing.contains(who.str()) && !everybody_lands) {
            asio::steady_timer tick(io, 1ms);
            co_await tick.async_wait(asio::use_awaitable);
        }
        --flying;
        FetchOutcome none = tl::unexpected(security::StsFetchFailure{});
        Landing landed{std::move(none), std::move(id), {}};
        LandingPtr shared = std::make_shared<const Landing>(std::move(landed));
        co_return shared;
    }
    void ask(const std::string& who, FetchFor purpose = FetchFor::delivery, const std::string& id = "1") {
        tasks.spawn(wait_for(who, purpose, id));
        io.restart();
        io.poll();  // until it waits
    }
    Async<void> wait_for(std::string who, FetchFor purpose, std::string id) {
        Domain name = domain(who);
        const Result<LandingPtr> landed = co_await pool->fetch(std::move(name), std::move(id), purpose);
        if (landed)
            answers[who].push_back((*landed)->id);
        else
            errors[who] = landed.error();
    }
    void pass(Millis time) {
        io.restart();
        io.run_for(time);
    }

    asio::io_context io{1};
    TaskGroup tasks{io.get_executor(), [](std::string_view what) { FAIL_CHECK(std::string(what)); }};
    StsSettings settings;
    std::optional<FetchPool> pool;
    std::vector<std::string> started;
    std::set<std::string> landing;
    bool everybody_lands = false;
    std::size_t flying = 0;
    std::size_t most = 0;
    std::map<std::string, std::vector<std::string>> answers;
    std::map<std::string, Error> errors;
};

}  // namespace

TEST_SUITE("mta/sts/fetch_pool") {
    TEST_CASE("a domain has one flight and all who ask share it [STS-78]") {
        Scene scene(10);
        scene.ask("a.example");
        scene.ask("a.example");
        scene.ask("a.example", FetchFor::refresh, "2");
        CHECK(scene.started == std::vector<std::string>{"a.example 1"});
        CHECK(scene.pool->running() == 1);
        scene.landing = {"a.example"};
        scene.pass(300ms);
        CHECK(scene.answers["a.example"] == std::vector<std::string>{"1", "1", "1"});
        CHECK(scene.pool->running() == 0);
        scene.ask("a.example", FetchFor::delivery, "2");
        scene.pass(300ms);
        CHECK(scene.started.back() == "a.example 2");
    }

    TEST_CASE("no more flights at once than there are places and the others go in turn [STS-78]") {
        Scene scene(2);
        for (const char* who : {"a.example", "b.example", "c.example", "d.example", "e.example"})
            scene.ask(who);
        CHECK(scene.pool->running() == 2);
        CHECK(scene.pool->waiting() == 3);
        CHECK(scene.started.size() == 2);
        scene.landing = {"b.example"};
        scene.pass(300ms);
        CHECK(scene.started.back() == "c.example 1");
        CHECK(scene.pool->running() == 2);
        scene.everybody_lands = true;
        scene.pass(500ms);
        CHECK(scene.started.size() == 5);
        CHECK(scene.answers.size() == 5);
        CHECK(scene.most == 2);
        CHECK(scene.pool->running() + scene.pool->waiting() == 0);
    }

    TEST_CASE("a full line takes nobody and says that nothing was tried [STS-78]") {
        Scene scene(1, 1);
        for (const char* who : {"a.example", "b.example", "c.example"}) scene.ask(who);
        REQUIRE(scene.errors.contains("c.example"));
        CHECK(scene.errors.at("c.example").code == Errc::full);
        CHECK(scene.errors.at("c.example").text.find("mta_sts.max_fetches") != std::string::npos);
        scene.ask("b.example");  // who asks for one that waits already waits along
        CHECK(scene.errors.size() == 1);
        scene.everybody_lands = true;
        scene.pass(300ms);
        CHECK(scene.answers["b.example"].size() == 2);
    }

    TEST_CASE(
        "a place that does not come free is waited for only so long and its flight never starts [STS-78]") {
        Scene scene(1, 10, 10ms);  // twice that and five seconds
        scene.ask("a.example");
        scene.ask("b.example");
        CHECK(scene.pool->waiting() == 1);
        scene.pass(5100ms);
        REQUIRE(scene.errors.contains("b.example"));
        CHECK(scene.errors.at("b.example").code == Errc::timed_out);
        CHECK(scene.pool->waiting() == 0);
        scene.everybody_lands = true;
        scene.pass(300ms);
        CHECK(scene.started.size() == 1);
    }

    TEST_CASE("the refresh uses a quarter of the places and makes no mail wait [STS-53 STS-78]") {
        Scene scene(8);
        for (const char* who : {"a.example", "b.example", "c.example"}) scene.ask(who, FetchFor::refresh);
        CHECK(scene.pool->running() == 2);
        CHECK_FALSE(scene.pool->takes_refresh());
        REQUIRE(scene.errors.contains("c.example"));
        CHECK(scene.errors.at("c.example").code == Errc::full);
        for (int i = 0; i < 6; ++i) scene.ask(fmt::format("mail{}.example", i));
        CHECK(scene.pool->running() == 8);
        scene.landing = {"a.example"};
        scene.pass(300ms);
        CHECK(scene.pool->takes_refresh());
        scene.ask("last.example");
        scene.ask("waits.example");
        scene.landing = {"b.example"};  // the place of a refresh goes to the mail that waits for it
        scene.pass(300ms);
        CHECK(scene.started.back() == "waits.example 1");
    }
}

}  // namespace sealpost
