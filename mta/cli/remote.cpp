#include "mta/cli/remote.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "mta/cli/render.hpp"
#include "security/trace.hpp"

namespace sealpost::cli {
namespace {

namespace json = boost::json;

constexpr std::chrono::seconds deadline{60};

ExitCode exit_code(Errc code) {
    switch (code) {
        case Errc::configuration:
            return ExitCode::no_permission;
        case Errc::invalid:
            return ExitCode::configuration;
        case Errc::protocol:
            return ExitCode::unavailable;
        default:
            return ExitCode::temporary;
    }
}

ExitCode exit_code(unsigned http_status) {
    switch (http_status) {
        case 404:
            return ExitCode::not_found;
        case 400:
        case 405:
        case 413:
        case 431:
            return ExitCode::data;
        case 500:
        case 503:
            return ExitCode::temporary;
        default:
            return ExitCode::unavailable;
    }
}

}  // namespace

void complain(const Streams& streams, std::string_view what) {
    fmt::print(streams.err, "sealpost: {}\n", what);
}

Remote::Remote(std::string socket_path, bool json, queue::Time now, Streams streams)
    : client_(std::move(socket_path), deadline), json_(json), now_(now), streams_(streams) {}

void Remote::print(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), streams_.out);
}

void Remote::print_line(const json::object& object) {
    print(json::serialize(object) + '\n');
}

Remote::Outcome<std::string> Remote::ask(const admin::Request& request) {
    auto response = client_.call(admin::encode(request));
    if (!response) {
        complain(streams_, response.error().text);
        return tl::unexpected(exit_code(response.error().code));
    }
    if (response->status == 200) return std::move(response->body);
    complain(streams_, render_refusal(response->status, response->body));
    return tl::unexpected(exit_code(response->status));
}

Remote::Outcome<json::object> Remote::ask_object(const admin::Request& request) {
    const auto body = ask(request);
    if (!body) return tl::unexpected(body.error());
    auto object = parse_answer(*body);
    if (object) return std::move(*object);
    complain(streams_, object.error().text);
    return tl::unexpected(exit_code(object.error().code));
}

ExitCode Remote::run(const Trace& command) {
    const auto trace = ask_object(admin::ShowTrace{command.id});
    if (!trace) return trace.error();
    if (json_)
        print_line(*trace);
    else
        print(render_attempts(*trace));
    return ExitCode::ok;
}

ExitCode Remote::run(const Explain& command) {
    const auto trace = ask(admin::Explain{command.domain, command.message});
    if (!trace) return trace.error();
    if (json_) {
        print(*trace + '\n');
        return ExitCode::ok;
    }
    const auto text = security::render_trace(*trace);
    if (!text) {
        complain(streams_, text.error().text);
        return ExitCode::unavailable;  // of another version, then
    }
    print(*text);
    return ExitCode::ok;
}

ExitCode Remote::print_report(const admin::ShowReport& request, bool indented) {
    const auto report = ask(request);
    if (!report) return report.error();
    if (!indented) {
        print(*report + '\n');
        return ExitCode::ok;
    }
    const auto text = indent_json(*report);
    if (!text) {
        complain(streams_, text.error().text);
        return exit_code(text.error().code);
    }
    print(*text);
    return ExitCode::ok;
}

ExitCode Remote::run(const ReportBuild& command) {
    if (command.domain) return print_report({command.day, *command.domain}, !json_);
    bool any = false;
    std::optional<admin::ListReports> request = admin::ListReports{command.day, {}, admin::max_page};
    while (request) {
        auto answer = ask_object(*request);
        if (!answer) return answer.error();
        for (const json::value& value : take_array(*answer, "domains")) {
            const json::string* const name = value.if_string();
            const auto domain = Domain::parse(name == nullptr ? std::string_view()
                                                              : std::string_view(name->data(), name->size()));
            if (!domain) continue;
            const ExitCode printed = print_report({command.day, *domain}, false);
            if (printed != ExitCode::ok) return printed;
            any = true;
        }
        const auto next = string_at(*answer, "next");
        if (next)
            request->after = *next;
        else
            request.reset();
    }
    if (!any) complain(streams_, fmt::format("no TLS session on {}", admin::format_day(command.day)));
    return ExitCode::ok;
}

ExitCode Remote::run(const Status&) {
    const auto status = ask_object(admin::ShowStatus{});
    if (!status) return status.error();
    if (json_)
        print_line(*status);
    else
        print(render_members(*status));
    return ExitCode::ok;
}

ExitCode Remote::run(const Metrics&) {
    const auto text = ask(admin::ShowMetrics{});
    if (!text) return text.error();
    print(*text);
    return ExitCode::ok;
}

}  // namespace sealpost::cli
