#include "mta/daemon/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "security/remote_text.hpp"

namespace sealpost {
namespace {

class JsonFormatter final : public spdlog::formatter {
public:
    void format(const spdlog::details::log_msg& msg, spdlog::memory_buf_t& out) override {
        const auto ms = std::chrono::time_point_cast<std::chrono::milliseconds>(msg.time);
        boost::json::object line;
        line["schema"] = 1;
        line["time"] = ms.time_since_epoch().count();
        const spdlog::string_view_t level = spdlog::level::to_string_view(msg.level);
        line["level"] = boost::json::string_view(level.data(), level.size());
        line["program"] = boost::json::string_view(msg.logger_name.data(), msg.logger_name.size());
        line["text"] = security::printable({msg.payload.data(), msg.payload.size()}, max_line);
        const std::string text = boost::json::serialize(line) + '\n';
        out.append(text.data(), text.data() + text.size());
    }
    [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
        return std::make_unique<JsonFormatter>();
    }
    static constexpr std::size_t max_line = 4000;
};

std::shared_ptr<spdlog::sinks::sink> log_sink;

std::shared_ptr<spdlog::logger> logger(std::string_view program) {
    const std::string name(program);
    if (std::shared_ptr<spdlog::logger> known = spdlog::get(name)) return known;
    return spdlog::default_logger();
}

}  // namespace

Result<void> open_log(const LogSettings& settings, const std::string& hostname) {
    try {
        if (settings.file.empty())
            log_sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        else
            log_sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.file);
    } catch (const spdlog::spdlog_ex& e) {
        return fail(
            Errc::configuration,
            fmt::format("log.file '{}' cannot be opened ({}): make its folder writable or name another file",
                        settings.file, security::printable(e.what(), 300)));
    }
    if (settings.format == LogFormat::json)
        log_sink->set_formatter(std::make_unique<JsonFormatter>());
    else
        log_sink->set_pattern("%b %d %H:%M:%S " + hostname + " sealpost/%n[%P]: %v");
    spdlog::drop_all();
    const spdlog::level::level_enum level = spdlog::level::from_str(settings.level);
    for (const char* program : {"smtp", "smtpd", "qmgr", "daemon"}) {
        auto made = std::make_shared<spdlog::logger>(program, log_sink);
        made->set_level(level);
        made->flush_on(spdlog::level::info);
        spdlog::register_logger(made);
        if (std::string_view(program) == "daemon") spdlog::set_default_logger(made);
    }
    return {};
}

void log_line(std::string_view program, std::string_view text) {
    logger(program)->info("{}", security::printable(text, JsonFormatter::max_line));
}

namespace {

/// As Postfix writes them: two significant digits below ten seconds, whole seconds above. A clock that was
/// set back makes no negative time.
std::string seconds(Millis ms) {
    const double value = static_cast<double>(std::max<Millis::rep>(ms.count(), 0)) / 1000.0;
    return value < 10.0 ? fmt::format("{:.2g}", value) : fmt::format("{:.0f}", value);
}

}  // namespace

std::string format_delivery(const DeliveryLine& line) {
    std::string reason = line.text;
    for (char& c : reason) {
        if (c == '(') c = '[';
        if (c == ')') c = ']';
    }
    std::string recipient = line.recipient;  // a quoted local part may hold what ends an address in a log
    for (char& c : recipient)
        if (c == '<' || c == '>') c = '?';
    return fmt::format("{}: to=<{}>, relay={}, delay={}, delays={}/{}/{}/{}, dsn={}, status={} ({}) tls={}{}",
                       line.queue_id, recipient, line.relay, seconds(line.total), seconds(line.before), 0,
                       seconds(line.connecting), seconds(line.sending), line.dsn, line.status, reason,
                       line.tls, line.possibly_duplicate ? " possibly-duplicate" : "");
}

}  // namespace sealpost
