#include "mta/cli/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <sstream>

#include "mta/cli/queue_options.hpp"
#include "mta/cli/version.hpp"
#include "mta/cli/words.hpp"
#include "security/remote_text.hpp"

namespace sealpost::cli {
namespace {

constexpr const char* footer =
    "Exit codes: 0 done, 64 wrong command line, 65 refused by the daemon or found to be invalid,\n"
    "66 no such message, report or file, 69 the daemon is of another version, 70 a bug, 74 output failed,\n"
    "75 no daemon or try later, 77 not permitted, 78 wrong configuration.\n"
    "A command's own help: sealpost COMMAND --help";
constexpr const char* command_footer =
    "Options of every command: -c FILE, --socket PATH; see `sealpost --help`";

template <class ById>
Understood<Command> by_id(const CLI::App&, const Words& words) {
    return read_id(words.id).map([](queue::MessageId id) -> Command { return ById{id}; });
}

Understood<Command> report_build(const CLI::App& app, const Words& words) {
    const queue::Day today = std::chrono::floor<std::chrono::days>(words.now);
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
    explicit Parser(std::chrono::system_clock::time_point now) {
        words_.now = now;
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
        add_filter(*list, words_);
        add_list_options(*list, words_);
        list->add_flag("--json", line_.json, "Print JSON, one recipient a line");

        CLI::App* const shape =
            add(*queue, "shape", "Count recipients by domain and by how long they wait", queue_shape);
        add_filter(*shape, words_, false);
        add_shape_options(*shape, words_);
        add_json(shape);

        CLI::App* const show = add(*queue, "show", "Show one message and its recipients", by_id<QueueShow>);
        add_id(show)->required();
        add_json(show);

        add_change<QueueChange::retry>(*queue, "Try again now what waits for a later attempt");
        add_change<QueueChange::hold>(
            *queue, "Neither try nor give up until released; what is being sent now goes on");
        add_change<QueueChange::release>(*queue, "Release what was put on hold");
        add_change<QueueChange::remove>(
            *queue, "Delete mail; senders are not told, and what is being sent now may arrive");
        add_change<QueueChange::bounce>(*queue, "Give mail up and tell its senders");
    }

    template <QueueChange change>
    void add_change(CLI::App& queue, const char* what) {
        CLI::App* const app =
            add(queue, std::string(to_string(change)).c_str(), what,
                [](const CLI::App& given, const Words& words) { return queue_alter(given, words, change); });
        add_filter(*app, words_);
        add_change_options(*app, words_, change);
        add_json(app);
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
            add(*report, "build", "Print the TLS reports of a day, one JSON document a line", report_build);
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
    CommandLine line_;
    std::string socket_;
    Words words_;
    std::function<Understood<Command>()> understand_;
};

}  // namespace

tl::unexpected<Wrong> wrong(std::string_view option, std::string_view value, std::string_view allowed) {
    return tl::unexpected<Wrong>(
        Wrong{fmt::format("{}: '{}' is not {}", option, security::printable(value), allowed)});
}

Understood<queue::MessageId> read_id(const std::string& text) {
    const auto id = queue::MessageId::parse(text);
    if (!id) return wrong("ID", text, "a queue id as `sealpost queue list` shows it");
    return *id;
}

tl::expected<CommandLine, Ended> parse_command_line(const std::vector<std::string>& arguments,
                                                    std::chrono::system_clock::time_point now) {
    return Parser(now).parse(arguments);
}

}  // namespace sealpost::cli
