#include "mta/admin/server.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cstring>

#include "mta/admin/view.hpp"
#include "mta/cli/run.hpp"
#include "tests/queue/temp_store.hpp"

using namespace sealpost;
using namespace std::chrono_literals;

namespace json = boost::json;
namespace test = sealpost::queue::test;

namespace {

/// A plain connection, so that also what no client of ours sends can be sent.
class Wire {
public:
    explicit Wire(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        ::sockaddr_un where{};
        where.sun_family = AF_UNIX;
        REQUIRE(path.size() < sizeof(where.sun_path));
        std::memcpy(where.sun_path, path.data(), path.size());
        REQUIRE(::connect(fd_, reinterpret_cast<const ::sockaddr*>(&where), sizeof(where)) == 0);
    }
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;
    ~Wire() { ::close(fd_); }

    void send(std::string_view text) const {
        while (!text.empty()) {
            const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;  // the server may refuse before it has read all
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    /// Until the server closes, or `enough` is in it.
    [[nodiscard]] std::string receive(std::string_view enough = "\x01") const {
        std::string out;
        std::array<char, 4096> part{};
        while (out.find(enough) == std::string::npos) {
            const auto got = ::recv(fd_, part.data(), part.size(), 0);
            if (got <= 0) break;
            out.append(part.data(), static_cast<std::size_t>(got));
        }
        return out;
    }

private:
    int fd_;
};

/// New mail is due at once; to be moved it must be due later than `now`.
Async<Result<std::size_t>> retry(queue::Store& store, RetrySelection selection, queue::Time now) {
    const auto moved = test::committed(store, [&] {
        return std::visit([&](const auto& what) { return store.retry_now(what, now); }, selection);
    });
    co_return moved;
}

Async<Result<void>> remove(queue::Store& store, queue::MessageId id) {
    const auto removed = test::committed(store, [&] { return store.remove(id); });
    co_return removed;
}

Async<std::string> explain(Domain domain, security::MessageTls message) {
    co_return fmt::format(R"({{"schema":1,"domain":"{}","message_tls":"{}"}})", domain, to_string(message));
}

class Fixture {
public:
    explicit Fixture(AdminLimits limits = {})
        : server_(socket_path(), backend(), [](std::string_view) {}, limits) {
        const auto started = server_.start();
        if (!started) FAIL(started.error().text);
    }

    [[nodiscard]] std::string socket_path() const { return directory_.path() / "admin.sock"; }
    queue::Store& store() { return store_; }
    AdminServer& server() { return server_; }

    [[nodiscard]] std::string ask(const std::string& request_line, const std::string& body = {}) const {
        const Wire wire(socket_path());
        wire.send(fmt::format("{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                              request_line, body.size(), body));
        return wire.receive();
    }

    struct Ran {
        int code = 0;
        std::string out;
        std::string err;
    };
    [[nodiscard]] Ran run(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), {"--socket", socket_path()});
        return run_alone(arguments);
    }
    [[nodiscard]] static Ran run_alone(const std::vector<std::string>& arguments) {
        std::array<char*, 2> text{};
        std::array<std::size_t, 2> size{};
        std::FILE* const out = ::open_memstream(&text[0], &size[0]);
        std::FILE* const err = ::open_memstream(&text[1], &size[1]);
        Ran ran;
        ran.code = cli::run(arguments, [](const LoadedSettings&) { return 99; }, {out, err});
        std::fclose(out);
        std::fclose(err);
        ran.out.assign(text[0], size[0]);
        ran.err.assign(text[1], size[1]);
        std::free(text[0]);
        std::free(text[1]);
        return ran;
    }

private:
    AdminBackend backend() {
        return {.open_reader = [this] { return queue::Reader::open(directory_.path()); },
                .retry =
                    [this](RetrySelection selection) {
                        return retry(store_, std::move(selection), retry_time_ -= 1min);
                    },
                .remove = [this](queue::MessageId id) { return remove(store_, id); },
                .explain = [](Domain domain,
                              security::MessageTls message) { return explain(std::move(domain), message); },
                .status_json = [] { return std::string(R"({"schema":1,"queue":{"messages":2}})"); },
                .metrics_text = [] { return std::string("sealpost_queue_messages 2\n"); },
                .hostname = Domain::parse("mail.sender.example").value(),
                .reports = {}};
    }

    test::TempDirectory directory_;
    queue::Store store_ = test::open_store(directory_);
    queue::Time retry_time_ = test::noon;  ///< earlier with each retry
    AdminServer server_;
};

bool has_status(const std::string& response, unsigned status) {
    return response.starts_with(fmt::format("HTTP/1.1 {} ", status));
}

const std::string first = test::id_of(1).str();

}  // namespace

TEST_SUITE("mta/admin/server") {
    TEST_CASE("the queue is listed in pages and filtered") {
        Fixture daemon;
        for (int i = 1; i <= 3; ++i)
            test::enqueue(daemon.store(), test::message(i, {"a@one.example", "b@two.example"}));
        const auto all = daemon.run({"queue", "list", "--json"});
        CHECK(all.code == 0);
        CHECK(json::parse(all.out).at("rows").as_array().size() == 6);
        CHECK_FALSE(json::parse(all.out).as_object().contains("next"));

        const auto two = daemon.run({"queue", "list", "--domain", "two.example", "--limit", "2", "--json"});
        const auto page = json::parse(two.out);
        CHECK(page.at("rows").as_array().size() == 2);
        const std::string next(page.at("next").as_string().c_str());
        const auto rest = daemon.run({"queue", "list", "--domain", "two.example", "--after", next});
        CHECK(std::count(rest.out.begin(), rest.out.end(), '\n') == 2);
        CHECK(rest.out.find(test::id_of(3).str()) != std::string::npos);
        CHECK(daemon.run({"queue", "list", "--held"}).out == "nothing is queued that matches\n");
    }

    TEST_CASE("a message is shown retried and deleted and then unknown") {
        Fixture daemon;
        test::enqueue(daemon.store(), test::message(1, {"a@one.example", "b@two.example"}));
        const auto shown = daemon.run({"queue", "show", first});
        CHECK(shown.code == 0);
        CHECK(shown.out.find("b@two.example") != std::string::npos);
        CHECK(daemon.run({"queue", "retry", first}).out == "2 recipients are due now\n");
        CHECK(daemon.run({"queue", "retry", "--domain", "one.example", "--json"}).out ==
              "{\"schema\":1,\"retried\":1}\n");
        CHECK(daemon.run({"queue", "delete", first}).out == first + " is deleted\n");
        for (const char* verb : {"show", "retry", "delete"}) {
            const auto gone = daemon.run({"queue", verb, first});
            CHECK(gone.code == 66);
            CHECK(gone.out.empty());
            CHECK(gone.err.find(first) != std::string::npos);
        }
    }

    TEST_CASE("a retry of all mail goes on over pages until there is no next") {
        Fixture daemon;
        std::vector<std::string> many;
        for (int i = 0; i < 2500; ++i) many.push_back(fmt::format("u{}@one.example", i));
        test::enqueue(daemon.store(), test::message(1, many));
        CHECK(daemon.run({"queue", "retry", "--all"}).out == "2500 recipients are due now\n");
        const auto listed = daemon.run({"queue", "list", "--limit", "2200", "--json"});
        CHECK(json::parse(listed.out).at("rows").as_array().size() == 2200);
    }

    TEST_CASE("a trace is told in words and an unknown one with a remedy") {
        Fixture daemon;
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
        Fixture daemon;
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
        Fixture daemon;
        CHECK(daemon.run({"status"}).out == "queue.messages: 2\n");
        CHECK(daemon.run({"status", "--json"}).out == "{\"schema\":1,\"queue\":{\"messages\":2}}\n");
    }

    TEST_CASE("an explanation is asked for a domain and a kind of message and is handed on") {
        Fixture daemon;
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
        Fixture daemon;
        CHECK(daemon.run({"metrics"}).out == "sealpost_queue_messages 2\n");
        const std::string response = daemon.ask("GET /v1/metrics");
        CHECK(has_status(response, 200));
        CHECK(response.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n") !=
              std::string::npos);
    }

    TEST_CASE("errors have the right status and say what to do") {
        Fixture daemon;
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
        Fixture daemon;
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
        Fixture daemon;
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
        Fixture daemon(limits);
        const Wire one(daemon.socket_path());
        const Wire two(daemon.socket_path());
        const Wire three(daemon.socket_path());
        CHECK(has_status(three.receive(), 503));
        CHECK(one.receive().empty());
        CHECK(two.receive().empty());
        CHECK(has_status(daemon.ask("GET /v1/status"), 200));
    }

    TEST_CASE("the socket is for its owner and group and goes away with the server") {
        Fixture daemon;
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
        Fixture daemon;
        AdminServer second(daemon.socket_path(),
                           {.open_reader = {},
                            .retry = {},
                            .remove = {},
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
                                .retry = {},
                                .remove = {},
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
            return Fixture::run_alone({"-c", file, "policy", "test", domain}).out;
        };
        CHECK(answer("a.example.org") ==
              fmt::format("a.example.org: rule '.example.org' ({}:1)\ntls = \"dane-only\"\n", file));
        CHECK(answer("old.example.org") ==
              fmt::format("old.example.org: rule '.example.org' ({0}:1)\ntls = \"dane-only\"\n# rule "
                          "'old.example.org' ({0}:3) ended on 2020-01-31 and is passed over\n",
                          file));
        CHECK(answer("example.org") == "example.org: the built-in default rule\ntls = \"auto\"\n");
        CHECK(Fixture::run_alone({"-c", file, "policy", "test", "a..b"}).code == 64);
        CHECK(Fixture::run_alone({"-c", file, "policy", "test", "a.example.org", "--json"})
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
        CHECK(Fixture::run_alone({"-c", file, "config", "check"}).code == 78);
        write("[daemon]\nhostname = \"mail.example.org\"\n");
        CHECK(Fixture::run_alone({"-c", file, "config", "check"}).out == "ok: 1 files, 0 rules\n");
        CHECK(Fixture::run_alone({"-c", file, "serve"}).code == 99);
        CHECK(Fixture::run_alone({"-c", file, "serve", "--check"}).code == 0);
        CHECK(Fixture::run_alone({"-c", file, "config", "show"}).out.find("mail.example.org") !=
              std::string::npos);
        CHECK(json::parse(Fixture::run_alone({"-c", file, "config", "show", "--json"}).out).is_object());
        write("[daemon]\nhostnam = \"mail.example.org\"\n");
        const auto bad = Fixture::run_alone({"-c", file, "config", "check"});
        CHECK(bad.code == 78);
        CHECK(bad.out.empty());
        CHECK(bad.err.find("sealpost.toml:2:1:") != std::string::npos);
        CHECK(json::parse(Fixture::run_alone({"-c", file, "config", "check", "--json"}).out).at("ok") ==
              false);
        CHECK(Fixture::run_alone({"-c", file, "serve"}).code == 78);
        CHECK(Fixture::run_alone({"-c", file, "queue", "list"}).code == 78);
    }
}
