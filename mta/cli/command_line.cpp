#include "mta/cli/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <sstream>

#include "mta/cli/version.hpp"
#include "security/remote_text.hpp"

namespace sealpost::cli {
namespace {

constexpr std::size_t max_listed = 100'000;

constexpr const char* footer =
    "Exit codes: 0 done, 64 wrong command line, 65 refused by the daemon or found to be invalid,\n"
    "66 no such message, report or file, 69 the daemon is of another version, 70 a bug, 74 output failed,\n"
    "75 no daemon or try later, 77 not permitted, 78 wrong configuration.\n"
    "A command's own help: sealpost COMMAND --help";
constexpr const char* command_footer =
    "Options of every command: -c FILE, --socket PATH; see `sealpost --help`";

/// What was written, before it is understood.
struct Words {
    std::string id, domain, sender, state, after, day, file;
    std::vector<std::string> records;
    std::size_t limit = QueueList{}.limit;
    bool held = false, all = false, requiretls = false, tls_optional = false, origin = false, check = false;
};

struct Wrong {
    std::string why;
};
template <class T>
using Understood = tl::expected<T, Wrong>;

tl::unexpected<Wrong> wrong(std::string_view option, std::string_view value, std::string_view allowed) {
    return tl::unexpected<Wrong>(
        Wrong{fmt::format("{}: '{}' is not {}", option, security::printable(value), allowed)});
}

Understood<queue::MessageId> read_id(const std::string& text) {
    const auto id = queue::MessageId::parse(text);
    if (!id) return wrong("ID", text, "a queue id as `sealpost queue list` shows it");
    return *id;
}

template <class ById>
Understood<Command> by_id(const CLI::App&, const Words& words) {
    return read_id(words.id).map([](queue::MessageId id) -> Command { return ById{id}; });
}

Understood<Command> queue_list(const CLI::App& app, const Words& words) {
    QueueList out;
    out.limit = words.limit;
    out.filter.held_only = words.held;
    if (app.count("--domain") > 0) {
        out.filter.domain = admin::parse_destination(words.domain);
        if (!out.filter.domain) return wrong("--domain", words.domain, "a domain or an address literal");
    }
    if (app.count("--sender") > 0) out.filter.sender = words.sender == "<>" ? std::string() : words.sender;
    if (app.count("--state") > 0) {
        out.filter.state = admin::parse_state(words.state);
        if (!out.filter.state) return wrong("--state", words.state, "queued, active, parked or frozen");
    }
    if (app.count("--after") > 0) {
        out.after = admin::parse_cursor(words.after);
        if (!out.after) return wrong("--after", words.after, "the 'next' of an earlier list");
    }
    return out;
}

Understood<Command> queue_retry(const CLI::App& app, const Words& words) {
    if (app.count("ID") + app.count("--domain") + app.count("--all") != 1)
        return tl::unexpected<Wrong>(Wrong{"queue retry: give one of ID, --domain D and --all"});
    if (app.count("ID") > 0)
        return read_id(words.id).map(
            [](queue::MessageId id) -> Command { return QueueRetry{admin::RetryMessage{id}}; });
    admin::RetryMatching matching;
    if (app.count("--domain") > 0) {
        matching.domain = admin::parse_destination(words.domain);
        if (!matching.domain) return wrong("--domain", words.domain, "a domain or an address literal");
    }
    return QueueRetry{matching};
}

Understood<Command> report_build(const CLI::App& app, const Words& words,
                                 std::chrono::system_clock::time_point now) {
    const queue::Day today = std::chrono::floor<std::chrono::days>(now);
    std::optional<queue::Day> day;
    if (words.day == "today")
        day = today;
    else if (words.day == "yesterday")
        day = today - std::chrono::days(1);
    else
        day = admin::parse_day(words.day);
    if (!day) return wrong("--day", words.day, "YYYY-MM-DD, 'today' or 'yesterday' (UTC)");
    ReportBuild out{*day, std::nullopt};
    if (app.count("--domain") > 0) {
        const auto domain = Domain::parse(words.domain);
        if (!domain) return wrong("--domain", words.domain, "a domain");
        out.domain = *domain;
    }
    return out;
}

Understood<Command> explain(const CLI::App&, const Words& words) {
    const auto domain = Domain::parse(words.domain);
    if (!domain) return wrong("DOMAIN", words.domain, "a domain");
    if (words.requiretls && words.tls_optional)
        return tl::unexpected<Wrong>(Wrong{"explain: give one of --requiretls and --tls-optional"});
    Explain out{*domain};
    if (words.requiretls) out.message = security::MessageTls::required;
    if (words.tls_optional) out.message = security::MessageTls::optional;
    return out;
}

Understood<Command> policy_test(const CLI::App&, const Words& words) {
    const auto domain = Domain::parse(words.domain);
    if (!domain) return wrong("DOMAIN", words.domain, "a domain");
    return PolicyTest{*domain};
}

Understood<Command> sts_lint(const CLI::App& app, const Words& words) {
    if ((app.count("FILE") > 0) == (app.count("--record") > 0))
        return tl::unexpected<Wrong>(Wrong{"sts lint: give one of FILE and --record TEXT"});
    return StsLint{words.file, words.records};
}

/// Builds the tree of commands; `command` understands the words of the one that was given.
class Parser {
public:
    explicit Parser(std::chrono::system_clock::time_point now) : now_(now) {
        app_.fallthrough();             // the global options may stand after the command, too
        app_.require_subcommand(0, 1);  // none at all is told by us: CLI11 would not name a misspelt one
        app_.set_version_flag("--version", fmt::format("sealpost {}", version()));
        app_.footer(command_footer);  // which the commands below inherit
        app_.add_option("-c,--config", line_.config_file,
                        "Configuration file; by default " + line_.config_file +
                            ", or the built-in defaults where that is missing")
            ->type_name("FILE");
        app_.add_option("--socket", socket_,
                        "Admin socket of the daemon, instead of daemon.admin_socket of the configuration")
            ->type_name("PATH");
        add_serve();
        add_config();
        add_queue();
        add_inspection();
        add_policies();
        add_others();
        app_.footer(footer);
    }

    tl::expected<CommandLine, Ended> parse(std::vector<std::string> arguments) {
        std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants a vector
        try {
            app_.parse(std::move(arguments));
        } catch (const CLI::ParseError& error) {
            std::ostringstream out;
            std::ostringstream err;
            const bool asked_for = app_.exit(error, out, err) == 0;
            if (asked_for) return tl::unexpected<Ended>(Ended{ExitCode::ok, out.str(), {}});
            return tl::unexpected(usage(error.what()));
        }
        line_.config_named = app_.count("--config") > 0;
        if (app_.count("--socket") > 0) line_.socket = socket_;
        if (!understand_) return tl::unexpected(usage("give a command"));
        auto command = understand_();
        if (!command) return tl::unexpected(usage(command.error().why));
        line_.command = std::move(*command);
        return line_;
    }

private:
    using Understand = Understood<Command> (*)(const CLI::App&, const Words&);

    [[nodiscard]] Ended usage(std::string_view why) const {
        std::string path = "sealpost";
        for (const CLI::App* at = &app_; !at->get_subcommands().empty();) {
            at = at->get_subcommands().front();
            path += ' ' + at->get_name();
        }
        // CLI11 quotes arguments as they were given.
        return {ExitCode::usage,
                {},
                fmt::format("sealpost: {}; see `{} --help`\n", security::printable(why, 500), path)};
    }

    CLI::App* add(CLI::App& parent, const char* name, const char* what, Understand understand) {
        CLI::App* const app = parent.add_subcommand(name, what);
        app->callback([this, app, understand] {
            understand_ = [this, app, understand] { return understand(*app, words_); };
        });
        return app;
    }

    void add_json(CLI::App* app) { app->add_flag("--json", line_.json, "Print JSON, for programs"); }
    void add_json_anyway(CLI::App* app) {
        app->add_flag("--json", line_.json, "Changes nothing: JSON is printed in any case");
    }
    CLI::Option* add_id(CLI::App* app) {
        return app->add_option("ID", words_.id, "Queue id of the message")->type_name("");
    }
    CLI::Option* add_domain(CLI::App* app, const char* what) {
        return app->add_option("--domain", words_.domain, what)->type_name("DOMAIN");
    }

    void add_serve() {
        CLI::App* const serve =
            add(app_, "serve", "Run the mail server in the foreground",
                [](const CLI::App&, const Words& w) -> Understood<Command> { return Serve{w.check}; });
        serve->add_flag("--check", words_.check, "Check the configuration and end, as `config check` does");
    }

    void add_config() {
        CLI::App* const config = app_.add_subcommand("config", "Check or show the configuration");
        config->require_subcommand(0, 1);
        add_json(add(*config, "check", "Name every problem of the configuration files, with file and line",
                     [](const CLI::App&, const Words&) -> Understood<Command> { return ConfigCheck{}; }));
        CLI::App* const show =
            add(*config, "show", "Print every setting, given or default, as TOML",
                [](const CLI::App&, const Words& w) -> Understood<Command> { return ConfigShow{w.origin}; });
        show->add_flag("--origin", words_.origin, "Tell of each value in which file and line it stands");
        add_json(show);
    }

    void add_queue() {
        CLI::App* const queue = app_.add_subcommand("queue", "Look at the queue and move mail in it");
        queue->require_subcommand(0, 1);

        CLI::App* const list =
            add(*queue, "list", "List recipients that wait, oldest message first", queue_list);
        add_domain(list, "Only recipients of this domain");
        list->add_option("--sender", words_.sender, "Only mail of this sender; '<>' for bounces")
            ->type_name("ADDRESS");
        list->add_option("--state", words_.state, "Only those that are queued, active, parked or frozen")
            ->type_name("STATE");
        list->add_flag("--held", words_.held, "Only mail that a security policy holds back");
        list->add_option("--limit", words_.limit,
                         fmt::format("At most so many: 1 to {}, default {}", max_listed, words_.limit))
            ->type_name("N")
            ->check(CLI::Range(std::size_t{1}, max_listed).description(""));
        list->add_option("--after", words_.after, "Go on where an earlier list ended (its 'next')")
            ->type_name("CURSOR");
        add_json(list);

        CLI::App* const show = add(*queue, "show", "Show one message and its recipients", by_id<QueueShow>);
        add_id(show)->required();
        add_json(show);

        CLI::App* const retry =
            add(*queue, "retry", "Try again now what waits for a later attempt", queue_retry);
        add_id(retry);
        add_domain(retry, "All mail to this domain");
        retry->add_flag("--all", words_.all, "All mail");
        add_json(retry);

        CLI::App* const gone =
            add(*queue, "delete", "Delete a message; its sender is not told", by_id<QueueDelete>);
        add_id(gone)->required();
        add_json(gone);
    }

    /// Commands that need neither configuration nor daemon. Their answers are for programs as they are.
    void add_inspection() {
        CLI::App* const sts = app_.add_subcommand("sts", "Look at what a domain publishes for MTA-STS");
        sts->require_subcommand(0, 1);
        CLI::App* const lint =
            add(*sts, "lint", "Judge an MTA-STS policy, or the TXT records at _mta-sts.DOMAIN; prints JSON",
                sts_lint);
        lint->add_option("FILE", words_.file,
                         "The policy as the web server gives it; '-' reads standard input")
            ->type_name("");
        lint->add_option("--record", words_.records,
                         "Instead of a policy: the text of a TXT record; once for each record at the name")
            ->type_name("TEXT")
            ->expected(1)
            ->allow_extra_args(false)  // or CLI11 would take a text in [brackets] for a list
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        add_json_anyway(lint);

        CLI::App* const tlsa = app_.add_subcommand("tlsa", "Look at TLSA records");
        tlsa->require_subcommand(0, 1);
        CLI::App* const decode =
            add(*tlsa, "decode", "Tell what a TLSA RRset means for delivery; prints JSON",
                [](const CLI::App&, const Words& w) -> Understood<Command> { return TlsaDecode{w.records}; });
        decode
            ->add_option("RDATA", words_.records,
                         "A record in quotes: '3 1 1 0123ab...', 'DANE-EE SPKI SHA2-256 0123ab...', "
                         "'\\# 35 030101...' or '030101...'; all of them are one RRset")
            ->type_name("")
            ->required();
        add_json_anyway(decode);
    }

    void add_policies() {
        CLI::App* const explained =
            add(app_, "explain", "Tell what mail to a domain would have to pass, and why; sends nothing",
                explain);
        explained->add_option("DOMAIN", words_.domain, "Recipient domain")->type_name("")->required();
        explained->add_flag("--requiretls", words_.requiretls, "As for a message with REQUIRETLS (RFC 8689)");
        explained->add_flag("--tls-optional", words_.tls_optional,
                            "As for a message that says TLS-Required: No");
        add_json(explained);

        CLI::App* const policy = app_.add_subcommand("policy", "The rules of the configuration");
        policy->require_subcommand(0, 1);
        CLI::App* const test = add(
            *policy, "test", "Print the rule that applies to a domain, and where it is written", policy_test);
        test->add_option("DOMAIN", words_.domain, "Recipient domain")->type_name("")->required();
        add_json(test);
    }

    void add_others() {
        CLI::App* const trace =
            add(app_, "trace", "Tell what each attempt to deliver a message asked, decided and achieved",
                by_id<Trace>);
        add_id(trace)->required();
        add_json(trace);

        CLI::App* const report = app_.add_subcommand("report", "TLS reports (RFC 8460)");
        report->require_subcommand(0, 1);
        CLI::App* const build =
            report->add_subcommand("build", "Print the TLS reports of a day, one JSON document a line");
        build->callback(
            [this, build] { understand_ = [this, build] { return report_build(*build, words_, now_); }; });
        build->add_option("--day", words_.day, "YYYY-MM-DD, 'today' or 'yesterday' (UTC)")
            ->type_name("DAY")
            ->required();
        add_domain(build, "Only the report to this domain; without --json it is indented");
        add_json(build);

        add_json(add(app_, "status", "Tell how the daemon is",
                     [](const CLI::App&, const Words&) -> Understood<Command> { return Status{}; }));
        add(app_, "metrics", "Print counters of the daemon as Prometheus reads them",
            [](const CLI::App&, const Words&) -> Understood<Command> { return Metrics{}; });
        add_json(add(app_, "version", "Print the version",
                     [](const CLI::App&, const Words&) -> Understood<Command> { return Version{}; }));
    }

    CLI::App app_{"Sealpost sends mail over channels whose security is decided, enforced and recorded.",
                  "sealpost"};
    std::chrono::system_clock::time_point now_;
    CommandLine line_;
    std::string socket_;
    Words words_;
    std::function<Understood<Command>()> understand_;
};

}  // namespace

tl::expected<CommandLine, Ended> parse_command_line(const std::vector<std::string>& arguments,
                                                    std::chrono::system_clock::time_point now) {
    return Parser(now).parse(arguments);
}

}  // namespace sealpost::cli
