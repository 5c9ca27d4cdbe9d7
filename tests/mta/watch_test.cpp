#include "mta/resolver/watch.hpp"

#include <doctest/doctest.h>

#include <boost/asio/detached.hpp>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/mta/run_async.hpp"
#include "tests/mta/support/stand_in_resolver.hpp"
#include "tests/queue/temp_store.hpp"
#include "tests/security/support/root_keys.hpp"

namespace sealpost::resolver {
namespace {

using security::AnchorState;
using security::DnsStatus;
using security::TrustState;
using security::test::RootKey;

ProcessConfig process_of(const RootKey& key) {
    ProcessConfig out;
    out.trust_anchor = ". IN DNSKEY " + key.key.str() + "\n";
    return out;
}

WatchConfig watch_of(const ProcessConfig& process) {
    const auto config = load_watch_config({}, process);
    REQUIRE(config);
    return *config;
}

std::string read(const std::string& path) {
    std::ifstream in(path);
    std::stringstream out;
    out << in.rdbuf();
    return out.str();
}

}  // namespace

TEST_SUITE("mta/resolver/watch") {
    TEST_CASE("names of the self test are domains or the root") {
        CHECK(test_names("k", "")->empty());
        CHECK(test_names("k", "  ")->empty());
        CHECK(test_names("k", ".").value() == std::vector<std::string>{"."});
        CHECK(test_names("k", " One.Example  two.example ").value() ==
              std::vector<std::string>{"one.example", "two.example"});
        for (const char* bad : {"a..b", "-", "one.example, two.example"}) {
            const auto names = test_names("dns.self_test_bogus", bad);
            REQUIRE_FALSE(names);
            CHECK(names.error().code == Errc::configuration);
            CHECK(names.error().text.find("dns.self_test_bogus: ") == 0);
        }
        std::string many;
        for (int i = 0; i < 17; ++i) many += "a.example ";
        CHECK_FALSE(test_names("k", many));
    }

    TEST_CASE("a watch is configured from the settings") {
        const RootKey key;
        DnsSettings dns;
        const auto normal = load_watch_config(dns, process_of(key));
        REQUIRE(normal);
        CHECK(normal->secure == ".");
        CHECK(normal->bogus.size() == 2);
        CHECK(normal->follow);
        dns.self_test_secure = "a.example b.example";
        CHECK_FALSE(load_watch_config(dns, process_of(key)));
        dns.self_test_secure = dns.self_test_bogus = "";
        dns.follow_trust_anchor = false;
        const auto off = load_watch_config(dns, {});
        REQUIRE(off);
        CHECK_FALSE(off->secure);
        CHECK(off->bogus.empty());
        CHECK_FALSE(off->follow);
        dns.follow_trust_anchor = true;
        ProcessConfig wrong;
        wrong.trust_anchor = ". IN DNSKEY nonsense\n";
        CHECK(load_watch_config(dns, wrong).error().code == Errc::configuration);
        // Nothing to follow: the root is not among the anchors.
        wrong.trust_anchor = "example. IN DNSKEY 257 3 8 AwEA\n";
        CHECK_FALSE(load_watch_config(dns, wrong)->follow);
    }

    TEST_CASE("trust state survives on disk and decides what the process is given [DNS-27]") {
        const queue::test::TempDirectory directory;
        const TrustFile file(directory.path().string());
        const RootKey a;
        const RootKey b;
        ProcessConfig process = process_of(a);
        WatchConfig watch = watch_of(process);
        CHECK(file.load().error().code == Errc::not_found);
        adopt_stored_trust(file, watch, process);
        CHECK(process.trust_anchor == process_of(a).trust_anchor);
        CHECK_FALSE(watch.is_stored);

        TrustState state{.seed = watch.seed.digest, .keys = {}};
        state.keys.push_back({.key = a.key, .state = AnchorState::revoked, .since = {}, .hold_down = {}});
        state.keys.push_back({.key = b.key, .state = AnchorState::valid, .since = {}, .hold_down = {}});
        REQUIRE(file.save(state));
        REQUIRE(file.save(state));  // over the old one
        CHECK(file.load() == state);
        CHECK((std::filesystem::status(file.path()).permissions() & std::filesystem::perms::others_all) ==
              std::filesystem::perms::none);
        adopt_stored_trust(file, watch, process);
        CHECK(watch.is_stored);
        CHECK(process.trust_anchor == process_of(b).trust_anchor);
    }

    TEST_CASE("a broken state file counts as missing and the seed is used [DNS-27]") {
        const RootKey a;
        for (const std::string& text : {std::string(), std::string("{"), std::string("{\"schema\":1}"),
                                        std::string((1 << 20) + 1, ' '), std::string(100, '\0')}) {
            const queue::test::TempDirectory directory;
            const TrustFile file(directory.path().string());
            std::ofstream(file.path()) << text;
            CHECK(file.load().error().code == Errc::invalid);
            ProcessConfig process = process_of(a);
            WatchConfig watch = watch_of(process);
            adopt_stored_trust(file, watch, process);
            CHECK(process.trust_anchor == process_of(a).trust_anchor);
            CHECK_FALSE(watch.is_stored);
            CHECK(watch.trust.keys.empty());
        }
    }

    TEST_CASE("a link in the place of the state file is not followed") {
        const queue::test::TempDirectory directory;
        const TrustFile file(directory.path().string());
        const std::string target = (directory.path() / "target").string();
        std::ofstream(target) << "untouched";
        std::filesystem::create_symlink(target, file.path());
        std::filesystem::create_symlink(target, file.path() + ".new");
        CHECK(file.load().error().code == Errc::storage);
        CHECK(file.save({}).error().code == Errc::storage);
        CHECK(read(target) == "untouched");
    }

    TEST_CASE("while answers are held a question is an error and a probe is not [DNS-01]") {
        test::Zone zone;
        zone.a("mx.example", "192.0.2.1");
        asio::io_context io;
        TaskGroup tasks(io.get_executor(), [](std::string_view what) { FAIL(std::string(what)); });
        Resolver resolver(io.get_executor(), tasks, zone.config());
        resolver.start();
        const Question question{.name = "mx.example", .type = security::RrType::a};
        security::DnsAnswer before, held, probed, after;
        asio::co_spawn(
            io,
            [&]() -> Async<void> {
                before = co_await resolver.resolve(question);
                resolver.hold("self test failed: x");
                held = co_await resolver.resolve(question);
                probed = co_await resolver.probe(question);
                resolver.hold("");
                after = co_await resolver.resolve(question);
                tasks.stop();
                resolver.abandon();
                io.stop();
            },
            asio::detached);
        io.run_for(std::chrono::seconds(30));
        CHECK(before.has_data());
        CHECK(held.status == DnsStatus::error);
        CHECK(held.why == "resolver: self test failed: x");
        CHECK(probed.has_data());
        CHECK(after.has_data());
    }

    TEST_CASE("another trust anchor reaches the process without counting as its death [DNS-27]") {
        test::Zone zone;
        zone.a("mx.example", "192.0.2.1");
        test::Zone empty;
        asio::io_context io;
        TaskGroup tasks(io.get_executor(), [](std::string_view what) { FAIL(std::string(what)); });
        Resolver resolver(io.get_executor(), tasks, empty.config());
        resolver.start();
        const Question question{.name = "mx.example", .type = security::RrType::a};
        security::DnsAnswer before, after;
        asio::co_spawn(
            io,
            [&]() -> Async<void> {
                before = co_await resolver.resolve(question);
                resolver.set_trust_anchor(zone.config().trust_anchor);
                for (int tries = 0; tries < 200 && !after.has_data(); ++tries) {
                    after = co_await resolver.resolve(question);
                    asio::steady_timer pause(io, std::chrono::milliseconds(10));
                    co_await pause.async_wait(asio::use_awaitable);
                }
                tasks.stop();
                resolver.abandon();
                io.stop();
            },
            asio::detached);
        io.run_for(std::chrono::seconds(30));
        CHECK(before.denied());
        CHECK(after.has_data());
        CHECK(resolver.state().restarts == 0);
    }
}

}  // namespace sealpost::resolver
