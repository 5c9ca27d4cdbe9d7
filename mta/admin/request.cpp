#include "mta/admin/request.hpp"

#include <fmt/format.h>

#include "mta/admin/parameters.hpp"
#include "mta/admin/queue_request.hpp"
#include "security/remote_text.hpp"

namespace sealpost::admin {
namespace {

constexpr std::string_view trace_path = "/v1/trace";
constexpr std::string_view explain_path = "/v1/explain";
constexpr std::string_view report_path = "/v1/report";
constexpr std::string_view status_path = "/v1/status";
constexpr std::string_view metrics_path = "/v1/metrics";

Outcome<Request> parse_explain(std::string_view query) {
    const auto given = parse_parameters(query, {"domain", "message"});
    if (!given) return tl::unexpected(given.error());
    const auto text = given->find("domain");
    if (text == given->end()) return refuse(400, "domain: missing", "give domain=D");
    const auto domain = Domain::parse(text->second);
    if (!domain) return bad_value("domain", text->second, "a domain");
    Explain out{*domain};
    const auto message = given->find("message");
    if (message == given->end()) return out;
    using enum security::MessageTls;
    for (const security::MessageTls tag : {required, optional})
        if (to_string(tag) == message->second) out.message = tag;
    if (out.message == by_policy) return bad_value("message", message->second, "required or optional");
    return out;
}

Outcome<Request> parse_report(std::string_view query) {
    const auto given = parse_parameters(query, {"day", "domain", "after", "limit"});
    if (!given) return tl::unexpected(given.error());
    const auto day_text = given->find("day");
    if (day_text == given->end()) return refuse(400, "day: missing", "give day=YYYY-MM-DD (UTC)");
    const auto day = parse_day(day_text->second);
    if (!day) return bad_value("day", day_text->second, "YYYY-MM-DD (UTC)");
    if (const auto text = given->find("domain"); text != given->end()) {
        if (given->size() != 2)
            return refuse(400, "after and limit do not go with domain", "give day and domain alone");
        const auto domain = Domain::parse(text->second);
        if (!domain) return bad_value("domain", text->second, "a domain");
        return ShowReport{*day, *domain};
    }
    const auto limit = read_limit(*given);
    if (!limit) return tl::unexpected(limit.error());
    ListReports out{*day, {}, *limit};
    if (const auto after = given->find("after"); after != given->end()) {
        const auto domain = Domain::parse(after->second);
        if (!domain) return bad_cursor(after->second);
        out.after = domain->str();
    }
    return out;
}

struct Encoder {
    Call operator()(const ShowStatus&) const { return Target(status_path).get(); }
    Call operator()(const ShowMetrics&) const { return Target(metrics_path).get(); }
    Call operator()(const ShowTrace& r) const { return Target(fmt::format("{}/{}", trace_path, r.id)).get(); }
    Call operator()(const Explain& r) const {
        Target target(explain_path);
        target.add("domain", r.domain.str());
        if (r.message != security::MessageTls::by_policy) target.add("message", to_string(r.message));
        return target.get();
    }
    Call operator()(const ListReports& r) const {
        Target target(report_path);
        target.add("day", format_day(r.day));
        if (!r.after.empty()) target.add("after", r.after);
        return target.add("limit", std::to_string(r.limit)).get();
    }
    Call operator()(const ShowReport& r) const {
        return Target(report_path).add("day", format_day(r.day)).add("domain", r.domain.str()).get();
    }
    template <class QueueRequest>
    Call operator()(const QueueRequest& r) const {
        return encode_queue(r);
    }
};

}  // namespace

tl::expected<Request, Refusal> parse_request(const Call& call) {
    const std::string_view target = call.target;
    const std::size_t mark = target.find('?');
    const std::string_view path = target.substr(0, mark);
    const std::string_view query =
        mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
    const bool get = call.method == "GET";

    if (is_queue_path(path)) return parse_queue_request(call, path, query);
    if (!call.body.empty()) return refuse(400, "a body is not for this path", "send none");
    if (path == status_path) {
        if (!get) return wrong_method(call, "GET");
        if (const auto none = parse_parameters(query, {}); !none) return tl::unexpected(none.error());
        return ShowStatus{};
    }
    if (path == metrics_path) {
        if (!get) return wrong_method(call, "GET");
        if (const auto none = parse_parameters(query, {}); !none) return tl::unexpected(none.error());
        return ShowMetrics{};
    }
    if (path == explain_path) return get ? parse_explain(query) : Outcome<Request>(wrong_method(call, "GET"));
    if (path == report_path) return get ? parse_report(query) : Outcome<Request>(wrong_method(call, "GET"));
    if (const auto id = below(path, trace_path))
        return get ? parse_by_id<ShowTrace>(*id, query) : Outcome<Request>(wrong_method(call, "GET"));
    return refuse(
        404, fmt::format("no such path: {}", security::printable(path)),
        "the paths are /v1/status, /v1/metrics, /v1/queue, /v1/trace, /v1/explain and /v1/report; this "
        "daemon may be older than its client");
}

Call encode(const Request& request) {
    return std::visit(Encoder{}, request);
}

std::optional<queue::Day> parse_day(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = parse_number<int>(text.substr(0, 4));
    const auto month = parse_number<unsigned>(text.substr(5, 2));
    const auto day = parse_number<unsigned>(text.substr(8, 2));
    if (!year || !month || !day || *year < 1970) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                           std::chrono::day(*day)};
    if (!date.ok()) return std::nullopt;
    return queue::Day(date);
}

}  // namespace sealpost::admin
