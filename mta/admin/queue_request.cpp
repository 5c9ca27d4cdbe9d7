#include "mta/admin/queue_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "security/remote_text.hpp"

namespace sealpost::admin {
namespace {

namespace json = boost::json;

constexpr std::string_view queue_path = "/v1/queue";
constexpr std::string_view count_path = "/v1/queue/count";
constexpr std::string_view shape_path = "/v1/queue/shape";

// Not `age`: what it means must not change between the pages of one command.
template <class... Names>
constexpr auto filter_names_and(Names... more) {
    return std::array<std::string_view, 9 + sizeof...(more)>{"id",     "from",   "to",     "domain", "state",
                                                             "before", "reason", "policy", "until",  more...};
}

bool is_filter(std::string_view name) {
    constexpr auto names = filter_names_and();
    return std::find(names.begin(), names.end(), name) != names.end();
}

Outcome<queue::Filter> read_filter(const Parameters& given) {
    queue::Filter filter;
    for (const auto& [name, value] : given) {
        if (!is_filter(name)) continue;
        const auto set = queue::set_filter(filter, name, value, queue::Time{});
        if (!set) return refuse(400, set.error().error, set.error().remedy);
    }
    return filter;
}

Outcome<std::optional<queue::RecipientId>> read_after(const Parameters& given) {
    const auto found = given.find("after");
    if (found == given.end()) return std::optional<queue::RecipientId>{};
    const auto cursor = queue::parse_cursor(found->second);
    if (!cursor) return bad_cursor(found->second);
    return cursor;
}

Outcome<Request> parse_list(std::string_view query) {
    const auto given = parse_parameters(query, filter_names_and("after", "limit"));
    if (!given) return tl::unexpected(given.error());
    auto filter = read_filter(*given);
    if (!filter) return tl::unexpected(filter.error());
    const auto after = read_after(*given);
    if (!after) return tl::unexpected(after.error());
    const auto limit = read_limit(*given);
    if (!limit) return tl::unexpected(limit.error());
    return ListQueue{std::move(*filter), *after, *limit};
}

Outcome<Request> parse_count(std::string_view query) {
    const auto given = parse_parameters(query, filter_names_and());
    if (!given) return tl::unexpected(given.error());
    auto filter = read_filter(*given);
    if (!filter) return tl::unexpected(filter.error());
    return CountQueue{std::move(*filter)};
}

Outcome<Request> parse_shape(std::string_view query) {
    const auto given = parse_parameters(query, filter_names_and("by", "limit"));
    if (!given) return tl::unexpected(given.error());
    auto filter = read_filter(*given);
    if (!filter) return tl::unexpected(filter.error());
    const auto limit = read_limit(*given);
    if (!limit) return tl::unexpected(limit.error());
    ShapeQueue out{std::move(*filter), ShapeBy::recipient, *limit};
    if (const auto by = given->find("by"); by != given->end()) {
        if (by->second != "recipient" && by->second != "sender")
            return bad_value("by", by->second, "recipient or sender");
        if (by->second == "sender") out.by = ShapeBy::sender;
    }
    return out;
}

Outcome<Request> parse_change(QueueChange change, std::string_view body) {
    constexpr std::string_view allowed = R"({"all":true} or the parts of a filter, with "after" and "text")";
    boost::system::error_code ec;
    const json::value value = json::parse(json::string_view(body.data(), body.size()), ec);
    if (ec || !value.is_object()) return bad_value("body", body, allowed);
    Parameters given;
    bool all = false;
    for (const auto& member : value.get_object()) {
        const std::string_view name(member.key().data(), member.key().size());
        const json::string* const text = member.value().if_string();
        if (name == "all" && member.value().is_bool() && member.value().get_bool())
            all = true;
        else if (text != nullptr && (is_filter(name) || name == "after" || name == "text"))
            given.emplace(name, std::string(text->data(), text->size()));
        else
            return bad_value("body", body, allowed);
    }
    auto filter = read_filter(given);
    if (!filter) return tl::unexpected(filter.error());
    // So that a forgotten filter is never all mail.
    if (filter->all() != all) return bad_value("body", body, allowed);
    const auto after = read_after(given);
    if (!after) return tl::unexpected(after.error());
    ChangeQueue out{change, std::move(*filter), *after, given["text"]};
    if (out.text.size() > max_bounce_text || (!out.text.empty() && change != QueueChange::bounce))
        return bad_value("text", out.text,
                         fmt::format("up to {} characters, and with bounce alone", max_bounce_text));
    return out;
}

Target with_filter(std::string_view path, const queue::Filter& filter) {
    Target target(path);
    for (const auto& [name, value] : queue::filter_parts(filter)) target.add(name, value);
    return target;
}

}  // namespace

bool is_queue_path(std::string_view path) {
    return path == queue_path || below(path, queue_path);
}

Outcome<Request> parse_queue_request(const Call& call, std::string_view path, std::string_view query) {
    const bool get = call.method == "GET";
    for (const QueueChange change : queue_changes) {
        if (below(path, queue_path) != to_string(change)) continue;
        if (call.method != "POST") return wrong_method(call, "POST");
        if (const auto none = parse_parameters(query, {}); !none) return tl::unexpected(none.error());
        return parse_change(change, call.body);
    }
    if (!call.body.empty()) return refuse(400, "a body is not for this path", "send none");
    if (!get) return wrong_method(call, "GET");
    if (path == queue_path) return parse_list(query);
    if (path == count_path) return parse_count(query);
    if (path == shape_path) return parse_shape(query);
    return parse_by_id<ShowMessage>(below(path, queue_path).value_or(""), query);
}

Call encode_queue(const ListQueue& request) {
    Target target = with_filter(queue_path, request.filter);
    if (request.after) target.add("after", queue::to_cursor(*request.after));
    return target.add("limit", std::to_string(request.limit)).get();
}

Call encode_queue(const CountQueue& request) {
    return with_filter(count_path, request.filter).get();
}

Call encode_queue(const ShapeQueue& request) {
    Target target = with_filter(shape_path, request.filter);
    if (request.by == ShapeBy::sender) target.add("by", "sender");
    return target.add("limit", std::to_string(request.limit)).get();
}

Call encode_queue(const ShowMessage& request) {
    return Target(fmt::format("{}/{}", queue_path, request.id)).get();
}

Call encode_queue(const ChangeQueue& request) {
    json::object body;
    for (const auto& [name, value] : queue::filter_parts(request.filter))
        body[json::string_view(name.data(), name.size())] = json::string(value);
    if (request.filter.all()) body["all"] = true;
    if (request.after) body["after"] = queue::to_cursor(*request.after);
    if (!request.text.empty()) body["text"] = json::string(request.text);
    return {"POST", fmt::format("{}/{}", queue_path, to_string(request.change)), json::serialize(body)};
}

}  // namespace sealpost::admin
