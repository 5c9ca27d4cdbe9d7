#include "mta/cli/command_line.hpp"

#include <doctest/doctest.h>

using namespace sealpost;
using namespace sealpost::cli;

namespace {

using Arguments = std::vector<std::string>;

const auto noon = std::chrono::sys_days(std::chrono::year(2026) / 10 / 14) + std::chrono::hours(12);
const std::string id = "00000000001";

CommandLine parsed(const Arguments& arguments) {
    auto line = parse_command_line(arguments, noon);
    if (!line) FAIL(line.error().err);
    return *line;
}

template <class T>
T command(const Arguments& arguments) {
    const CommandLine line = parsed(arguments);
    REQUIRE(std::holds_alternative<T>(line.command));
    return std::get<T>(line.command);
}

void check_refused(const Arguments& arguments) {
    const auto line = parse_command_line(arguments, noon);
    CAPTURE(arguments.size() > 1 ? arguments[1] : "");
    REQUIRE_FALSE(line);
    CHECK(line.error().code == ExitCode::usage);
    CHECK(line.error().out.empty());
    CHECK(line.error().err.starts_with("sealpost: "));
    CHECK(line.error().err.find('\n') == line.error().err.size() - 1);
}

}  // namespace

TEST_SUITE("mta/cli/command_line") {
    TEST_CASE("each command is read with its options") {
        CHECK_FALSE(command<Serve>({"serve"}).check_only);
        CHECK(command<Serve>({"serve", "--check"}).check_only);
        command<ConfigCheck>({"config", "check"});
        CHECK(command<ConfigShow>({"config", "show", "--origin"}).with_origin);
        CHECK(command<QueueShow>({"queue", "show", id}).id.str() == id);
        CHECK(command<Trace>({"trace", id}).id.str() == id);
        CHECK(command<StsLint>({"sts", "lint", "policy.txt"}).file == "policy.txt");
        CHECK(command<StsLint>({"sts", "lint", "-"}).file == "-");
        CHECK(command<StsLint>({"sts", "lint", "--record", "a b", "--record", "[c, d]"}).records ==
              std::vector<std::string>{"a b", "[c, d]"});
        CHECK(command<TlsaDecode>({"tlsa", "decode", "3 1 1 ab", "\\# 0"}).records ==
              std::vector<std::string>{"3 1 1 ab", "\\# 0"});
        command<Status>({"status", "--json"});
        command<Metrics>({"metrics"});
        command<Version>({"version"});

        const auto list = command<QueueList>({"queue",   "list", "--domain",      "Example.ORG", "--from",
                                              "a@*",     "--to", "b@example.org", "--state",     "parked",
                                              "--age",   ">2h",  "--reason",      "4.7.",        "--held",
                                              "--limit", "5",    "--after",       id + ".3",     id});
        CHECK(list.filter.domain == "example.org");
        CHECK(list.filter.from == "a@*");
        CHECK(list.filter.to == "b@example.org");
        CHECK(list.filter.state == queue::RecipientState::parked);
        CHECK(list.filter.before == noon - std::chrono::hours(2));
        CHECK(list.filter.reason == "4.7.");
        CHECK(list.filter.policy == "*");
        REQUIRE(list.filter.ids.size() == 1);
        CHECK(list.limit == 5);
        CHECK(list.after->number == 3);
        CHECK(command<QueueList>({"queue", "list", "--from", "<>"}).filter.from == "");
        CHECK(command<QueueList>({"queue", "list"}).filter.all());
        CHECK(command<QueueList>({"queue", "list"}).limit == 1000);

        const auto shape = command<QueueShape>({"queue", "shape", "--sender", "--limit", "7"}).request;
        CHECK(shape.by == admin::ShapeBy::sender);
        CHECK(shape.limit == 7);
        CHECK(command<QueueShape>({"queue", "shape"}).request.by == admin::ShapeBy::recipient);
    }

    TEST_CASE("the global options stand before or after the command") {
        for (const Arguments& arguments : {Arguments{"-c", "/tmp/x.toml", "queue", "list", "--json"},
                                           Arguments{"queue", "list", "--json", "--config", "/tmp/x.toml"}}) {
            const CommandLine line = parsed(arguments);
            CHECK(line.config_file == "/tmp/x.toml");
            CHECK(line.config_named);
            CHECK(line.json);
        }
        const CommandLine plain = parsed({"--socket", "/tmp/s", "status"});
        CHECK(plain.config_file == "/etc/sealpost/sealpost.toml");
        CHECK_FALSE(plain.config_named);
        CHECK_FALSE(plain.json);
        CHECK(plain.socket == "/tmp/s");
    }

    TEST_CASE("a change of the queue names ids or filters or all and what it does is the word") {
        for (const QueueChange change : queue_changes) {
            const std::string verb(to_string(change));
            CAPTURE(verb);
            const auto both =
                command<QueueAlter>({"queue", verb, id, "00000000002", "--domain", "a.example"});
            CHECK(both.request.change == change);
            CHECK(both.request.filter.ids.size() == 2);
            CHECK(both.request.filter.domain == "a.example");
            CHECK_FALSE(both.yes);
            const auto all = command<QueueAlter>({"queue", verb, "--all", "--yes", "--dry-run"});
            CHECK(all.request.filter.all());
            CHECK(all.yes);
            CHECK(all.dry_run);
            check_refused({"queue", verb});
            check_refused({"queue", verb, id, "--all"});
            check_refused({"queue", verb, "--domain", "a.example", "--all"});
            if (change != QueueChange::bounce) check_refused({"queue", verb, id, "--text", "x"});
        }
        CHECK(command<QueueAlter>({"queue", "bounce", id, "--text", "no longer wanted"}).request.text ==
              "no longer wanted");
        check_refused({"queue", "bounce", id, "--text", "two\nlines"});
        check_refused({"queue", "bounce", id, "--text", std::string(501, 'x')});
    }

    TEST_CASE("a report's day is a date or a word that means one in UTC [RPT-17]") {
        const auto day = [](const char* text) {
            return admin::format_day(command<ReportBuild>({"report", "build", "--day", text, "--json"}).day);
        };
        CHECK(day("2026-02-28") == "2026-02-28");
        CHECK(day("today") == "2026-10-14");
        CHECK(day("yesterday") == "2026-10-13");
        CHECK(command<ReportBuild>({"report", "build", "--day", "today", "--domain", "A.example"})
                  .domain->str() == "a.example");
        check_refused({"report", "build"});
        check_refused({"report", "build", "--day", "tomorrow"});
        check_refused({"report", "build", "--day", "today", "--domain", "not a domain"});
    }

    TEST_CASE("what cannot be meant is refused in one line") {
        check_refused({});
        check_refused({"sreve"});
        check_refused({"queue"});
        check_refused({"queue", "list", "--limit", "0"});
        check_refused({"queue", "list", "--limit", "many"});
        check_refused({"queue", "list", "--limit", "100001"});
        check_refused({"queue", "list", "--state", "sleepy"});
        check_refused({"queue", "list", "--domain", "a..b"});
        check_refused({"queue", "list", "--age", "2"});
        check_refused({"queue", "list", "--age", "2h", "--age", "3h"});
        check_refused({"queue", "shape", id});
        check_refused({"queue", "show"});
        check_refused({"queue", "show", "not-an-id"});
        check_refused({"queue", "show", id, id});
        check_refused({"trace", "\x1b[31m\n"});
        check_refused({"serve", "--frobnicate"});
        check_refused({"sts"});
        check_refused({"sts", "lint"});
        check_refused({"sts", "lint", "a", "b"});
        check_refused({"sts", "lint", "policy.txt", "--record", "v=STSv1; id=1;"});
        check_refused({"sts", "lint", "--record"});
        check_refused({"tlsa", "decode"});
        check_refused({"-c"});
    }

    TEST_CASE("help and version are no error and go to standard output") {
        for (const Arguments& arguments :
             {Arguments{"--help"}, Arguments{"queue", "--help"}, Arguments{"queue", "list", "--help"},
              Arguments{"report", "build", "--help"}, Arguments{"--version"}}) {
            const auto line = parse_command_line(arguments, noon);
            REQUIRE_FALSE(line);
            CHECK(line.error().code == ExitCode::ok);
            CHECK_FALSE(line.error().out.empty());
            CHECK(line.error().err.empty());
        }
    }
}
