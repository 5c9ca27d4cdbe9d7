#include "mta/admin/server.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstring>

#include "mta/admin/view.hpp"
#include "tests/mta/support/admin_scene.hpp"

using namespace sealpost;
using namespace std::chrono_literals;

namespace json = boost::json;
namespace test = sealpost::queue::test;

namespace {

const std::string first = test::id_of(1).str();

}  // namespace

TEST_SUITE("mta/admin/server") {
    TEST_CASE("a trace is told in words and an unknown one with a remedy") {
        AdminScene daemon;
        test::enqueue(daemon.store(), test::message(1, {"a@one.example"}));
        const auto none = daemon.run({"trace", first});
        CHECK(none.code == 66);
        auto settled = test::settlement(1, {test::outcome({test::id_of(1), 0}, queue::Outcome::deferred)});
        settled.trace =
            R"({"schema":1,"domain":"one.example","outcome":"deferred","summary":"held","hops":[]})";
        REQUIRE(test::committed(daemon.store(), [&] { return daemon.store().settle(settled); }));
        const auto told = daemon.run({"trace", first});
        CHECK(told.code == 0);
        CHECK(told.out.find("one.example: deferred - held\n") != std::string::npos);
        CHECK(json::parse(daemon.run({"trace", first, "--json"}).out).at("schema") == 1);
    }

    TEST_CASE("a day's reports are printed one a line and one domain's alone [RPT-17 RPT-28]") {
        AdminScene daemon;
        for (const char* domain : {"one.example", "two.example"}) {
            security::TlsResult result;
            result.policy_domain_of_recipient = domain;
            result.policy.domain = domain;
            result.session_success = true;
            REQUIRE(test::committed(daemon.store(), [&] {
                return daemon.store().results().count(queue::day_of(test::noon), result);
            }));
        }
        const std::string day = admin::format_day(queue::day_of(test::noon));
        const auto both = daemon.run({"report", "build", "--day", day, "--json"});
        CHECK(both.code == 0);
        CHECK(std::count(both.out.begin(), both.out.end(), '\n') == 2);
        const auto one = daemon.run({"report", "build", "--day", day, "--domain", "two.example", "--json"});
        CHECK(both.out.ends_with(one.out));
        const auto report = json::parse(one.out);
        CHECK(report.at("organization-name").as_string() == "mail.sender.example");
        CHECK(report.at("contact-info").as_string() == "postmaster@mail.sender.example");
        CHECK(report.at("date-range").at("start-datetime").as_string() == (day + "T00:00:00Z").c_str());
        const auto indented = daemon.run({"report", "build", "--day", day, "--domain", "two.example"});
        CHECK(json::parse(indented.out) == report);
        CHECK(daemon.run({"report", "build", "--day", day, "--domain", "three.example"}).code == 66);
        const auto empty = daemon.run({"report", "build", "--day", "2020-01-01", "--json"});
        CHECK(empty.code == 0);
        CHECK(empty.out.empty());
    }

    TEST_CASE("status is passed on as lines or as JSON") {
        AdminScene daemon;
        CHECK(daemon.run({"status"}).out == "queue.messages: 2\n");
        CHECK(daemon.run({"status", "--json"}).out == "{\"schema\":1,\"queue\":{\"messages\":2}}\n");
    }

    TEST_CASE("an explanation is asked for a domain and a kind of message and is handed on") {
        AdminScene daemon;
        CHECK(daemon.run({"explain", "Example.ORG", "--json"}).out ==
              "{\"schema\":1,\"domain\":\"example.org\",\"message_tls\":\"by-policy\"}\n");
        CHECK(daemon.run({"explain", "example.org", "--requiretls"}).out.find("REQUIRETLS") !=
              std::string::npos);
        CHECK(daemon.run({"explain", "example.org", "--tls-optional"}).out.find("TLS-Required: No") !=
              std::string::npos);
        CHECK(daemon.run({"explain", "example.org", "--requiretls", "--tls-optional"}).code == 64);
        for (const char* const bad : {"GET /v1/explain", "GET /v1/explain?domain=a..b",
                                      "GET /v1/explain?domain=a.example&message=by-policy",
                                      "GET /v1/explain?domain=a.example&message=no"}) {
            CAPTURE(bad);
            CHECK(has_status(daemon.ask(bad), 400));
        }
        CHECK(has_status(daemon.ask("DELETE /v1/explain"), 405));
    }

    TEST_CASE("metrics are passed on as they are and are no JSON") {
        AdminScene daemon;
        CHECK(daemon.run({"metrics"}).out == "sealpost_queue_messages 2\n");
        const std::string response = daemon.ask("GET /v1/metrics");
        CHECK(has_status(response, 200));
        CHECK(response.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n") !=
              std::string::npos);
    }

    TEST_CASE("errors have the right status and say what to do") {
        AdminScene daemon;
        CHECK(has_status(daemon.ask("GET /v1/nothing"), 404));
        CHECK(has_status(daemon.ask("GET /v1/queue?limit=0"), 400));
        const std::string wrong_method = daemon.ask("PUT /v1/status");
        CHECK(has_status(wrong_method, 405));
        CHECK(wrong_method.find("Allow: GET\r\n") != std::string::npos);
        const std::string head = daemon.ask("HEAD /v1/status");
        CHECK(has_status(head, 405));
        CHECK(head.ends_with("\r\n\r\n"));
        const std::string gone = daemon.ask("GET /v1/queue/" + first);
        CHECK(has_status(gone, 404));
        CHECK(gone.find("\"remedy\":") != std::string::npos);
    }

    TEST_CASE("what is too large or no HTTP is refused and the connection closed") {
        AdminScene daemon;
        CHECK(has_status(daemon.ask("POST /v1/queue/retry", std::string((64U << 10) + 1, 'x')), 413));
        {
            const Wire wire(daemon.socket_path());
            wire.send("GET /v1/status HTTP/1.1\r\nX: " + std::string(17U << 10, 'x') + "\r\n\r\n");
            CHECK(has_status(wire.receive(), 431));
        }
        const Wire wire(daemon.socket_path());
        wire.send("EHLO client.example\r\n\r\n");
        CHECK(has_status(wire.receive(), 400));
    }

    TEST_CASE("one connection answers several requests") {
        AdminScene daemon;
        const Wire wire(daemon.socket_path());
        for (int i = 0; i < 3; ++i) {
            wire.send("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n");
            CHECK(has_status(wire.receive("}}"), 200));
        }
    }

    TEST_CASE("a client that says nothing is let go and one too many is told so") {
        AdminLimits limits;
        limits.timeout = 300ms;
        limits.connections = 2;
        AdminScene daemon(limits);
        const Wire one(daemon.socket_path());
        const Wire two(daemon.socket_path());
        const Wire three(daemon.socket_path());
        CHECK(has_status(three.receive(), 503));
        CHECK(one.receive().empty());
        CHECK(two.receive().empty());
        CHECK(has_status(daemon.ask("GET /v1/status"), 200));
    }

    TEST_CASE("the socket is for its owner and group and goes away with the server") {
        AdminScene daemon;
        struct ::stat entry{};
        REQUIRE(::lstat(daemon.socket_path().c_str(), &entry) == 0);
        CHECK((entry.st_mode & 07777U) == 0660U);
        const Wire idle(daemon.socket_path());
        daemon.server().stop();
        CHECK(idle.receive().empty());
        CHECK(::lstat(daemon.socket_path().c_str(), &entry) != 0);
        const auto alone = daemon.run({"status"});
        CHECK(alone.code == 75);
        CHECK(alone.err.find("sealpost serve") != std::string::npos);
    }

    TEST_CASE("a socket that is answered is left alone and a stale one replaced") {
        AdminScene daemon;
        AdminServer second(daemon.socket_path(),
                           {.open_reader = {},
                            .change = {},
                            .explain = {},
                            .status_json = [] { return std::string("{}"); },
                            .hostname = Domain::parse("x.example").value(),
                            .reports = {}},
                           [](std::string_view) {});
        const auto busy = second.start();
        REQUIRE_FALSE(busy);
        CHECK(busy.error().code == Errc::unavailable);
        CHECK(has_status(daemon.ask("GET /v1/status"), 200));

        daemon.server().stop();
        const int stale = ::socket(AF_UNIX, SOCK_STREAM, 0);
        ::sockaddr_un where{};
        where.sun_family = AF_UNIX;
        const std::string path = daemon.socket_path();
        std::memcpy(where.sun_path, path.data(), path.size());
        REQUIRE(::bind(stale, reinterpret_cast<const ::sockaddr*>(&where), sizeof(where)) == 0);
        ::close(stale);
        const auto started = second.start();
        if (!started) FAIL(started.error().text);
        CHECK(has_status(daemon.ask("GET /v1/status"), 200));
    }

    TEST_CASE("a file that is no socket and a folder that is missing are errors with a remedy") {
        const test::TempDirectory directory;
        const auto start = [](const std::filesystem::path& path) {
            AdminServer server(path,
                               {.open_reader = {},
                                .change = {},
                                .explain = {},
                                .status_json = {},
                                .hostname = Domain::parse("x.example").value(),
                                .reports = {}},
                               [](std::string_view) {});
            return server.open();
        };
        const auto file = directory.path() / "file";
        std::fclose(std::fopen(file.c_str(), "w"));
        const auto on_file = start(file);
        REQUIRE_FALSE(on_file);
        CHECK(std::filesystem::is_regular_file(file));
        const auto deep = start(directory.path() / "a" / "b" / "s");
        REQUIRE_FALSE(deep);
        CHECK(deep.error().code == Errc::configuration);
        CHECK(deep.error().text.find("daemon.admin_socket") != std::string::npos);
        CHECK_FALSE(start(directory.path() / std::string(200, 'x')));
        CHECK(start(directory.path() / "made" / "s"));
    }

    TEST_CASE("policy test names the rule that applies and those that have ended [TLS-10]") {
        const test::TempDirectory directory;
        const std::string file = directory.path() / "sealpost.toml";
        std::FILE* const out = std::fopen(file.c_str(), "w");
        std::fputs(
            "[domain.\".example.org\"]\ntls = \"dane-only\"\n[domain.\"old.example.org\"]\ntls = \"may\"\n"
            "reason = \"x\"\nuntil = 2020-01-31\n",
            out);
        std::fclose(out);
        const auto answer = [&](const char* domain) {
            return AdminScene::run_alone({"-c", file, "policy", "test", domain}).out;
        };
        CHECK(answer("a.example.org") ==
              fmt::format("a.example.org: rule '.example.org' ({}:1)\ntls = \"dane-only\"\n", file));
        CHECK(answer("old.example.org") ==
              fmt::format("old.example.org: rule '.example.org' ({0}:1)\ntls = \"dane-only\"\n# rule "
                          "'old.example.org' ({0}:3) ended on 2020-01-31 and is passed over\n",
                          file));
        CHECK(answer("example.org") == "example.org: the built-in default rule\ntls = \"auto\"\n");
        CHECK(AdminScene::run_alone({"-c", file, "policy", "test", "a..b"}).code == 64);
        CHECK(AdminScene::run_alone({"-c", file, "policy", "test", "a.example.org", "--json"})
                  .out.starts_with(R"({"schema":1,"domain":"a.example.org","rule":"rule '.example.org')"));
    }

    TEST_CASE("local commands read the configuration and say what is wrong with it") {
        const test::TempDirectory directory;
        const std::string file = directory.path() / "sealpost.toml";
        const auto write = [&file](std::string_view text) {
            std::FILE* const out = std::fopen(file.c_str(), "w");
            std::fwrite(text.data(), 1, text.size(), out);
            std::fclose(out);
        };
        CHECK(AdminScene::run_alone({"-c", file, "config", "check"}).code == 78);
        write("[daemon]\nhostname = \"mail.example.org\"\n");
        CHECK(AdminScene::run_alone({"-c", file, "config", "check"}).out == "ok: 1 files, 0 rules\n");
        CHECK(AdminScene::run_alone({"-c", file, "serve"}).code == 99);
        CHECK(AdminScene::run_alone({"-c", file, "serve", "--check"}).code == 0);
        CHECK(AdminScene::run_alone({"-c", file, "config", "show"}).out.find("mail.example.org") !=
              std::string::npos);
        CHECK(json::parse(AdminScene::run_alone({"-c", file, "config", "show", "--json"}).out).is_object());
        write("[daemon]\nhostnam = \"mail.example.org\"\n");
        const auto bad = AdminScene::run_alone({"-c", file, "config", "check"});
        CHECK(bad.code == 78);
        CHECK(bad.out.empty());
        CHECK(bad.err.find("sealpost.toml:2:1:") != std::string::npos);
        CHECK(json::parse(AdminScene::run_alone({"-c", file, "config", "check", "--json"}).out).at("ok") ==
              false);
        CHECK(AdminScene::run_alone({"-c", file, "serve"}).code == 78);
        CHECK(AdminScene::run_alone({"-c", file, "queue", "list"}).code == 78);
    }
}
