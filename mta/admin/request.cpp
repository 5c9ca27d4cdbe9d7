#include "mta/admin/request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <map>
#include <type_traits>

#include "config/address.hpp"
#include "security/remote_text.hpp"

namespace sealpost::admin {
namespace {

namespace json = boost::json;

using Parameters = std::map<std::string, std::string, std::less<>>;
template <class T>
using Outcome = tl::expected<T, Refusal>;

constexpr std::string_view queue_path = "/v1/queue";
constexpr std::string_view retry_path = "/v1/queue/retry";
constexpr std::string_view trace_path = "/v1/trace";
constexpr std::string_view explain_path = "/v1/explain";
constexpr std::string_view report_path = "/v1/report";
constexpr std::string_view status_path = "/v1/status";
constexpr std::string_view metrics_path = "/v1/metrics";

tl::unexpected<Refusal> refuse(unsigned status, std::string error, std::string remedy) {
    return tl::unexpected<Refusal>(Refusal{status, std::move(error), std::move(remedy)});
}

tl::unexpected<Refusal> bad_value(std::string_view name, std::string_view value, std::string_view allowed) {
    return refuse(400, fmt::format("{}: not valid: '{}'", name, security::printable(value)),
                  fmt::format("give {}", allowed));
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.front() == '-') return std::nullopt;
    return value;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned octet = 0;
        if (text.size() - i < 3) return std::nullopt;
        const char* const end = text.data() + i + 3;
        const auto [stop, error] = std::from_chars(text.data() + i + 1, end, octet, 16);
        if (error != std::errc{} || stop != end) return std::nullopt;
        out += static_cast<char>(octet);
        i += 2;
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view unreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";  // RFC 3986 §2.3
    std::string out;
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

Outcome<Parameters> parse_parameters(std::string_view query,
                                     std::initializer_list<std::string_view> allowed) {
    Parameters out;
    while (!query.empty()) {
        const std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), pair.size() + 1));
        const std::string_view name = pair.substr(0, pair.find('='));
        const bool known = std::find(allowed.begin(), allowed.end(), name) != allowed.end();
        if (!known)
            return refuse(400, fmt::format("unknown parameter '{}'", security::printable(name)),
                          allowed.size() == 0 ? std::string("give none")
                                              : fmt::format("known are: {}", fmt::join(allowed, ", ")));
        auto value = name.size() == pair.size() ? std::nullopt : percent_decode(pair.substr(name.size() + 1));
        if (!value) return bad_value(name, pair, "name=value, percent-encoded");
        if (!out.emplace(name, std::move(*value)).second)
            return refuse(400, fmt::format("{}: given twice", name), "give it once");
    }
    return out;
}

Outcome<queue::MessageId> parse_id(std::string_view text) {
    const auto id = queue::MessageId::parse(text);
    if (!id) return bad_value("id", text, "a queue id as `sealpost queue list` shows it");
    return *id;
}

Outcome<std::size_t> read_limit(const Parameters& parameters) {
    const auto found = parameters.find("limit");
    if (found == parameters.end()) return default_page;
    const auto limit = parse_number<std::size_t>(found->second);
    if (!limit || *limit == 0 || *limit > max_page)
        return bad_value("limit", found->second, fmt::format("a number from 1 to {}", max_page));
    return *limit;
}

tl::unexpected<Refusal> bad_cursor(std::string_view value) {
    return bad_value("after", value, "the 'next' of an earlier answer");
}

Outcome<Request> parse_list(std::string_view query) {
    const auto given = parse_parameters(query, {"state", "domain", "sender", "held", "after", "limit"});
    if (!given) return tl::unexpected(given.error());
    ListQueue out;
    const auto limit = read_limit(*given);
    if (!limit) return tl::unexpected(limit.error());
    out.limit = *limit;
    for (const auto& [name, value] : *given) {
        if (name == "state") {
            out.filter.state = parse_state(value);
            if (!out.filter.state) return bad_value(name, value, "queued, active, parked or frozen");
        } else if (name == "domain") {
            out.filter.domain = parse_destination(value);
            if (!out.filter.domain) return bad_value(name, value, "a domain or an address literal");
        } else if (name == "sender") {
            out.filter.sender = value;
        } else if (name == "held") {
            if (value != "1") return bad_value(name, value, "1, or leave it out");
            out.filter.held_only = true;
        } else if (name == "after") {
            out.after = parse_cursor(value);
            if (!out.after) return bad_cursor(value);
        }
    }
    return out;
}

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

Outcome<Request> parse_retry(std::string_view body) {
    constexpr std::string_view allowed =
        R"({"id":ID}, {"domain":D} or {"all":true}, the last two with "after")";
    boost::system::error_code ec;
    const json::value value = json::parse(json::string_view(body.data(), body.size()), ec);
    if (ec || !value.is_object()) return bad_value("body", body, allowed);
    const json::object& object = value.get_object();

    const auto text = [&object](std::string_view name) -> std::optional<std::string> {
        const json::value* const member = object.if_contains(json::string_view(name.data(), name.size()));
        const json::string* const string = member != nullptr ? member->if_string() : nullptr;
        if (string == nullptr) return std::nullopt;
        return std::string(string->data(), string->size());
    };
    const bool cut = object.contains("after");
    if (object.size() != (cut ? 2U : 1U)) return bad_value("body", body, allowed);

    if (const auto id_text = text("id"); id_text && !cut) {
        const auto id = parse_id(*id_text);
        if (!id) return tl::unexpected(id.error());
        return RetryMessage{*id};
    }
    RetryMatching out;
    if (cut) {
        const auto cursor = text("after");
        out.after = parse_cursor(cursor.value_or(""));
        if (!out.after) return bad_cursor(cursor.value_or("not a string"));
    }
    if (const auto domain_text = text("domain")) {
        out.domain = parse_destination(*domain_text);
        if (!out.domain) return bad_value("domain", *domain_text, "a domain or an address literal");
        return out;
    }
    const json::value* const all = object.if_contains("all");
    if (all == nullptr || !all->is_bool() || !all->get_bool()) return bad_value("body", body, allowed);
    return out;
}

/// The last segment, when `path` is one below `parent`.
std::optional<std::string_view> below(std::string_view path, std::string_view parent) {
    if (!path.starts_with(parent) || path.size() <= parent.size() + 1 || path[parent.size()] != '/')
        return std::nullopt;
    path.remove_prefix(parent.size() + 1);
    if (path.find('/') != std::string_view::npos) return std::nullopt;
    return path;
}

tl::unexpected<Refusal> wrong_method(const Call& call, std::string_view allowed) {
    return tl::unexpected<Refusal>(
        Refusal{405, fmt::format("method {} is not for this path", security::printable(call.method)),
                fmt::format("use {}", allowed), std::string(allowed)});
}

template <class ById>
Outcome<Request> parse_by_id(std::string_view id_text, std::string_view query) {
    if (const auto none = parse_parameters(query, {}); !none) return tl::unexpected(none.error());
    const auto id = parse_id(id_text);
    if (!id) return tl::unexpected(id.error());
    return ById{*id};
}

struct Encoder {
    std::string query;

    void add(std::string_view name, std::string_view value) {
        query += fmt::format("{}{}={}", query.empty() ? '?' : '&', name, percent_encode(value));
    }
    [[nodiscard]] Call get(std::string_view path) const {
        return {"GET", fmt::format("{}{}", path, query), {}};
    }

    Call operator()(const ShowStatus&) { return get(status_path); }
    Call operator()(const ShowMetrics&) { return get(metrics_path); }
    Call operator()(const ShowMessage& r) { return get(fmt::format("{}/{}", queue_path, r.id)); }
    Call operator()(const ShowTrace& r) { return get(fmt::format("{}/{}", trace_path, r.id)); }
    Call operator()(const RemoveMessage& r) { return {"DELETE", fmt::format("{}/{}", queue_path, r.id), {}}; }
    Call operator()(const ListQueue& r) {
        if (r.filter.state) add("state", queue::to_string(*r.filter.state));
        if (r.filter.domain) add("domain", *r.filter.domain);
        if (r.filter.sender) add("sender", *r.filter.sender);
        if (r.filter.held_only) add("held", "1");
        if (r.after) add("after", to_cursor(*r.after));
        add("limit", std::to_string(r.limit));
        return get(queue_path);
    }
    Call operator()(const RetryMessage& r) {
        json::object body;
        body["id"] = r.id.str();
        return {"POST", std::string(retry_path), json::serialize(body)};
    }
    Call operator()(const RetryMatching& r) {
        json::object body;
        if (r.domain)
            body["domain"] = *r.domain;
        else
            body["all"] = true;
        if (r.after) body["after"] = to_cursor(*r.after);
        return {"POST", std::string(retry_path), json::serialize(body)};
    }
    Call operator()(const Explain& r) {
        add("domain", r.domain.str());
        if (r.message != security::MessageTls::by_policy) add("message", to_string(r.message));
        return get(explain_path);
    }
    Call operator()(const ListReports& r) {
        add("day", format_day(r.day));
        if (!r.after.empty()) add("after", r.after);
        add("limit", std::to_string(r.limit));
        return get(report_path);
    }
    Call operator()(const ShowReport& r) {
        add("day", format_day(r.day));
        add("domain", r.domain.str());
        return get(report_path);
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

    if (path == retry_path) {
        if (call.method != "POST") return wrong_method(call, "POST");
        if (const auto none = parse_parameters(query, {}); !none) return tl::unexpected(none.error());
        return parse_retry(call.body);
    }
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
    if (path == queue_path) return get ? parse_list(query) : Outcome<Request>(wrong_method(call, "GET"));
    if (path == explain_path) return get ? parse_explain(query) : Outcome<Request>(wrong_method(call, "GET"));
    if (path == report_path) return get ? parse_report(query) : Outcome<Request>(wrong_method(call, "GET"));
    if (const auto id = below(path, queue_path)) {
        if (get) return parse_by_id<ShowMessage>(*id, query);
        if (call.method == "DELETE") return parse_by_id<RemoveMessage>(*id, query);
        return wrong_method(call, "GET, DELETE");
    }
    if (const auto id = below(path, trace_path))
        return get ? parse_by_id<ShowTrace>(*id, query) : Outcome<Request>(wrong_method(call, "GET"));
    return refuse(404, fmt::format("no such path: {}", security::printable(path)),
                  "the paths are /v1/status, /v1/metrics, /v1/queue, /v1/trace, /v1/explain and /v1/report; "
                  "this daemon "
                  "may be older "
                  "than its client");
}

Call encode(const Request& request) {
    return std::visit(Encoder{}, request);
}

std::string to_cursor(const queue::RecipientId& id) {
    return fmt::format("{}.{}", id.message, id.number);
}

std::optional<queue::RecipientId> parse_cursor(std::string_view text) {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos || dot + 1 == text.size()) return std::nullopt;
    const auto id = queue::MessageId::parse(text.substr(0, dot));
    const auto number = parse_number<std::uint32_t>(text.substr(dot + 1));
    if (!id || !number) return std::nullopt;
    return queue::RecipientId{*id, *number};
}

std::optional<queue::RecipientState> parse_state(std::string_view text) {
    using enum queue::RecipientState;
    for (const queue::RecipientState state : {queued, active, parked, frozen})
        if (queue::to_string(state) == text) return state;
    return std::nullopt;
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

std::optional<std::string> parse_destination(std::string_view text) {
    if (text.starts_with('[')) {
        const auto address = Address::parse(fmt::format("x@{}", text));
        if (!address) return std::nullopt;
        return address->host_str();
    }
    const auto domain = Domain::parse(text);
    if (!domain) return std::nullopt;
    return domain->str();
}

}  // namespace sealpost::admin
