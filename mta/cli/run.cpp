#include "mta/cli/run.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "mta/admin/view.hpp"
#include "mta/cli/inspection.hpp"
#include "mta/cli/policy_test.hpp"
#include "mta/cli/version.hpp"
#include "mta/daemon/rule_files.hpp"

namespace sealpost::cli {
namespace {

namespace json = boost::json;

class Runner {
public:
    Runner(const CommandLine& line, const std::function<int(const LoadedSettings&)>& serve, Streams streams)
        : line_(line), serve_(serve), streams_(streams) {}

    int operator()(const Serve& command) {
        if (command.check_only) return (*this)(ConfigCheck{});
        const auto loaded = load();
        return loaded ? serve_(*loaded) : static_cast<int>(ExitCode::configuration);
    }

    int operator()(const ConfigCheck&) {
        const auto loaded = load_settings(line_.config_file, line_.config_named);
        json::object out;
        out["schema"] = admin::schema;
        out["ok"] = loaded.has_value();
        if (loaded) {
            out["files"] = loaded->files.size();
            out["rules"] = loaded->settings.rules.size();
        } else {
            out["problems"] = json::array(loaded.error().begin(), loaded.error().end());
        }
        if (line_.json)
            fmt::print(streams_.out, "{}\n", json::serialize(out));
        else if (loaded)
            fmt::print(streams_.out, "ok: {} files, {} rules\n", loaded->files.size(),
                       loaded->settings.rules.size());
        else
            print_problems(loaded.error());
        return static_cast<int>(loaded ? ExitCode::ok : ExitCode::configuration);
    }

    int operator()(const ConfigShow& command) {
        const auto loaded = load();
        if (!loaded) return static_cast<int>(ExitCode::configuration);
        if (line_.json)
            fmt::print(streams_.out, "{}\n", render_settings_json(*loaded));
        else
            fmt::print(streams_.out, "{}", render_settings(*loaded, command.with_origin));
        return static_cast<int>(ExitCode::ok);
    }

    int operator()(const Version&) {
        json::object out;
        out["schema"] = admin::schema;
        out["version"] = json::string(version());
        if (line_.json)
            fmt::print(streams_.out, "{}\n", json::serialize(out));
        else
            fmt::print(streams_.out, "sealpost {}\n", version());
        return static_cast<int>(ExitCode::ok);
    }

    int operator()(const PolicyTest& command) {
        const auto loaded = load();
        if (!loaded) return static_cast<int>(ExitCode::configuration);
        const auto table = load_rules(loaded->settings.rules);
        if (!table) {
            complain(streams_, table.error().text);
            return static_cast<int>(ExitCode::configuration);
        }
        const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
        const PolicyAnswer answer = test_policy(*loaded, *table, command.domain, today);
        fmt::print(streams_.out, "{}", line_.json ? json::serialize(answer.json) + '\n' : answer.text);
        return static_cast<int>(ExitCode::ok);
    }

    int operator()(const StsLint& command) {
        if (!command.records.empty()) return print(lint_sts_record(command.records));
        const auto body = read_input(command.file, longest_sts_policy + 1);
        if (!body) {
            complain(streams_, body.error().text);
            return static_cast<int>(ExitCode::not_found);
        }
        return print(lint_sts_policy(*body));
    }

    int operator()(const TlsaDecode& command) { return print(decode_tlsa(command.records)); }

    template <class RemoteCommand>
    int operator()(const RemoteCommand& command) {
        std::string socket;
        if (line_.socket) {
            socket = *line_.socket;
        } else {
            const auto loaded = load();
            if (!loaded) return static_cast<int>(ExitCode::configuration);
            socket = loaded->settings.daemon.admin_socket;
        }
        const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
        return static_cast<int>(Remote(socket, line_.json, now, streams_).run(command));
    }

private:
    std::optional<LoadedSettings> load() {
        auto loaded = load_settings(line_.config_file, line_.config_named);
        if (loaded) return std::move(*loaded);
        print_problems(loaded.error());
        return std::nullopt;
    }

    int print(const Inspection& inspection) {
        fmt::print(streams_.out, "{}\n", json::serialize(inspection.answer));
        return static_cast<int>(inspection.code);
    }

    void print_problems(const ConfigProblems& problems) {
        for (const std::string& problem : problems) fmt::print(streams_.err, "{}\n", problem);
    }

    const CommandLine& line_;
    const std::function<int(const LoadedSettings&)>& serve_;
    Streams streams_;
};

}  // namespace

int run(const std::vector<std::string>& arguments, const std::function<int(const LoadedSettings&)>& serve,
        Streams streams) {
    const auto line = parse_command_line(arguments, std::chrono::system_clock::now());
    int code = 0;
    if (line) {
        code = std::visit(Runner(*line, serve, streams), line->command);
    } else {
        fmt::print(streams.out, "{}", line.error().out);
        fmt::print(streams.err, "{}", line.error().err);
        code = static_cast<int>(line.error().code);
    }
    // A full disk or a closed pipe behind standard output must not look like success.
    if (std::fflush(streams.out) != 0 || std::ferror(streams.out) != 0)
        return code == 0 ? static_cast<int>(ExitCode::io_error) : code;
    return code;
}

}  // namespace sealpost::cli
