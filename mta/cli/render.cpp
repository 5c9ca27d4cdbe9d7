#include "mta/cli/render.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/json.hpp>

#include "mta/admin/view.hpp"
#include "security/remote_text.hpp"
#include "security/trace.hpp"

namespace sealpost::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t max_text = 400;

std::string text_of(const json::value& value) {
    if (const json::string* s = value.if_string())
        return security::printable(std::string_view(s->data(), s->size()), max_text);
    return security::printable(json::serialize(value), max_text);
}

/// "" for a member that is missing: an answer is input like any other.
std::string text_at(const json::object& object, std::string_view name) {
    const json::value* const value = object.if_contains(json::string_view(name.data(), name.size()));
    return value == nullptr ? std::string() : text_of(*value);
}

std::optional<queue::Time> time_at(const json::object& object, std::string_view name) {
    return admin::parse_time(text_at(object, name));
}

const json::array& array_at(const json::object& object, std::string_view name) {
    static const json::array none;
    const json::value* const value = object.if_contains(json::string_view(name.data(), name.size()));
    const json::array* const array = value == nullptr ? nullptr : value->if_array();
    return array == nullptr ? none : *array;
}

std::string path_text(const std::string& address) {
    return address.empty() ? "<>" : address;
}

/// "held" is what an administrator looks for first, though to the queue it is one of those that wait.
std::string state_text(const json::object& row) {
    std::string state = text_at(row, "state");
    return state == "queued" && row.contains("held") ? "held" : state;
}

std::string next_text(const json::object& row, queue::Time now) {
    const std::string state = text_at(row, "state");
    if (state == "active" || state == "frozen" || state == "on-hold") return "-";
    const auto next = time_at(row, "next_attempt");
    if (!next) return "?";
    return *next <= now ? "now" : render_duration(*next - now);
}

std::string reason_text(const json::object& row) {
    for (const std::string_view name : {"held", "reply"})
        if (std::string text = text_at(row, name); !text.empty()) return text;
    return "-";
}

/// Members of a recipient that are rare, each a sentence.
std::string notes_text(const json::object& row) {
    std::string out;
    const auto add = [&out](const std::string& note) { out += (out.empty() ? "" : "; ") + note; };
    if (text_at(row, "state") == "on-hold")
        add("an administrator put it on hold; `sealpost queue release` lets it go on");
    if (text_at(row, "attempting") == "true") add("an attempt runs now");
    if (const auto times = count_at(row, "interrupted"); times > 0)
        add(fmt::format(
            "{} cut off by the end of the daemon: possibly a duplicate",
            times == 1 ? std::string("one attempt was") : fmt::format("{} attempts were", times)));
    return out;
}

std::string shape_line(std::string_view name, const json::object& row) {
    std::string out = fmt::format("{:>30} {:>7}", name, count_at(row, "recipients"));
    for (const json::value& value : array_at(row, "ages")) out += fmt::format(" {:>6}", text_of(value));
    return out + '\n';
}

std::string age_text(const json::object& row, queue::Time now) {
    const auto received = time_at(row, "received_at");
    return received ? render_duration(now - *received) : "?";
}

void add_line(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out += fmt::format("{:<12} {}\n", fmt::format("{}:", name), value);
}

void add_members(std::string& out, const json::object& object, const std::string& prefix) {
    for (const auto& member : object) {
        const std::string name = prefix + security::printable(member.key());
        if (const json::object* inner = member.value().if_object())
            add_members(out, *inner, name + '.');
        else if (prefix.empty() && name == "schema")
            continue;
        else
            out += fmt::format("{}: {}\n", name, text_of(member.value()));
    }
}

void indent(std::string& out, const json::value& value, std::size_t depth) {
    const auto line = [&out](std::size_t level) { out.append(1, '\n').append(2 * level, ' '); };
    if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
        char before = '{';
        for (const auto& member : *object) {
            out += std::exchange(before, ',');
            line(depth + 1);
            out += json::serialize(json::string(member.key())) + ": ";
            indent(out, member.value(), depth + 1);
        }
        line(depth);
        out += '}';
    } else if (const json::array* array = value.if_array(); array != nullptr && !array->empty()) {
        char before = '[';
        for (const json::value& element : *array) {
            out += std::exchange(before, ',');
            line(depth + 1);
            indent(out, element, depth + 1);
        }
        line(depth);
        out += ']';
    } else {
        out += json::serialize(value);
    }
}

Result<json::value> parse_json(std::string_view text) {
    boost::system::error_code ec;
    json::value value = json::parse(json::string_view(text.data(), text.size()), ec);
    if (ec) return fail(Errc::protocol, "the answer is not JSON; is this the socket of a sealpost daemon?");
    return value;
}

/// What the message itself asks of TLS, in words. A word of a later version is shown as it is.
std::string tls_text(const std::string& tag) {
    if (tag == "required") return "required on every hop (REQUIRETLS)";
    if (tag == "optional") return "optional (TLS-Required: No)";
    if (tag == "by-policy") return "by policy";
    return tag;
}

}  // namespace

std::optional<std::string> string_at(const json::object& object, std::string_view name) {
    const json::value* const value = object.if_contains(json::string_view(name.data(), name.size()));
    const json::string* const string = value == nullptr ? nullptr : value->if_string();
    if (string == nullptr) return std::nullopt;
    return std::string(string->data(), string->size());
}

std::uint64_t count_at(const json::object& object, std::string_view name) {
    const json::value* const value = object.if_contains(json::string_view(name.data(), name.size()));
    if (value == nullptr) return 0;
    boost::system::error_code ec;
    const auto count = value->to_number<std::uint64_t>(ec);
    return ec ? 0 : count;
}

json::array take_array(json::object& object, std::string_view name) {
    json::value* const value = object.if_contains(json::string_view(name.data(), name.size()));
    json::array* const array = value == nullptr ? nullptr : value->if_array();
    return array == nullptr ? json::array() : std::move(*array);
}

Result<json::object> parse_answer(std::string_view body) {
    auto value = parse_json(body);
    if (!value) return tl::unexpected(value.error());
    json::object* const object = value->if_object();
    if (object == nullptr || text_at(*object, "schema") != std::to_string(admin::schema))
        return fail(Errc::protocol,
                    fmt::format("the answer has not the schema {} that this program knows; restart the "
                                "daemon so that both are of one version",
                                admin::schema));
    return std::move(*object);
}

std::string render_refusal(unsigned status, std::string_view body) {
    const auto value = parse_json(body);
    const json::object* const object = value ? value->if_object() : nullptr;
    const std::string error = object != nullptr ? text_at(*object, "error") : std::string();
    if (error.empty()) return fmt::format("the daemon answered with HTTP status {}; look at its log", status);
    const std::string remedy = text_at(*object, "remedy");
    return remedy.empty() ? error : fmt::format("{}; {}", error, remedy);
}

std::string queue_table_head() {
    return fmt::format("{:<11}  {:>6}  {:>7}  {:<28}  {:<28}  {:<7}  {:<6}  {}\n", "ID", "AGE", "SIZE",
                       "SENDER", "RECIPIENT", "STATE", "NEXT", "REASON");
}

std::string render_rows(const json::array& rows, queue::Time now) {
    std::string out;
    for (const json::value& value : rows) {
        const json::object* const row = value.if_object();
        if (row == nullptr) continue;
        out += fmt::format("{:<11}  {:>6}  {:>7}  {:<28}  {:<28}  {:<7}  {:<6}  {}\n", text_at(*row, "id"),
                           age_text(*row, now), render_size(count_at(*row, "size")),
                           path_text(text_at(*row, "sender")), text_at(*row, "recipient"), state_text(*row),
                           next_text(*row, now), reason_text(*row));
    }
    return out;
}

std::string render_message(const json::object& message, queue::Time now) {
    std::string out;
    add_line(out, "id", text_at(message, "id"));
    add_line(out, "sender", path_text(text_at(message, "sender")));
    add_line(out, "size", text_at(message, "size") + " octets");
    add_line(out, "received",
             fmt::format("{} ({} ago)", text_at(message, "received_at"), age_text(message, now)));
    add_line(out, "expires", text_at(message, "expires_at"));
    std::string client = text_at(message, "client_ip");
    if (const std::string helo = text_at(message, "client_helo"); !helo.empty())
        client += fmt::format(" ({})", helo);
    add_line(out, "from client", client);
    add_line(out, "protocol", text_at(message, "protocol"));
    add_line(out, "body",
             text_at(message, "body") + (text_at(message, "smtputf8") == "true" ? " SMTPUTF8" : ""));
    add_line(out, "tls", tls_text(text_at(message, "tls")));
    add_line(out, "frozen", text_at(message, "frozen"));
    add_line(out, "attempts", text_at(message, "attempts"));
    for (const json::value& value : array_at(message, "recipients")) {
        const json::object* const row = value.if_object();
        if (row == nullptr) continue;
        out += '\n';
        add_line(out, "recipient", text_at(*row, "recipient"));
        add_line(out, "domain", text_at(*row, "domain"));
        add_line(out, "state", state_text(*row));
        add_line(out, "next try", next_text(*row, now));
        add_line(out, "tries", text_at(*row, "attempts"));
        add_line(out, "last try", text_at(*row, "last_attempt"));
        add_line(out, "last host", text_at(*row, "host"));
        add_line(out, "held by", text_at(*row, "held"));
        add_line(out, "orcpt", text_at(*row, "orcpt"));
        add_line(out, "notify", text_at(*row, "notify"));
        add_line(out, "note", notes_text(*row));
        add_line(out, "last words",
                 fmt::format("{}{}{}", text_at(*row, "status"), row->contains("status") ? " " : "",
                             text_at(*row, "reply")));
    }
    return out;
}

std::string render_shape(const json::object& shape) {
    std::string out = fmt::format("{:>30} {:>7}", "", "T");
    for (const json::value& column : array_at(shape, "columns"))
        out += fmt::format(" {:>6}", text_of(column));
    out += '\n';
    const auto add = [&](std::string_view member) {
        const json::value* const value = shape.if_contains(json::string_view(member.data(), member.size()));
        const json::object* const row = value == nullptr ? nullptr : value->if_object();
        if (row != nullptr) out += shape_line(member == "total" ? "TOTAL" : "others", *row);
    };
    add("total");
    for (const json::value& value : array_at(shape, "rows"))
        if (const json::object* const row = value.if_object())
            out += shape_line(text_at(*row, "domain"), *row);
    add("others");
    return out;
}

std::string render_attempts(const json::object& trace) {
    std::string out;
    std::size_t number = 0;
    for (const json::value& value : array_at(trace, "attempts")) {
        const json::object* const attempt = value.if_object();
        if (attempt == nullptr) continue;
        if (number > 0) out += '\n';
        out += fmt::format("{} attempt {} at {}\n", text_at(trace, "id"), ++number, text_at(*attempt, "at"));
        if (const json::value* stored = attempt->if_contains("trace")) {
            const auto words = security::render_trace(json::serialize(*stored));
            out += words ? *words : words.error().text + '\n';
        } else {
            out += text_at(*attempt, "error") + '\n';
        }
    }
    return out;
}

std::string render_members(const json::object& object) {
    std::string out;
    add_members(out, object, {});
    return out;
}

Result<std::string> indent_json(std::string_view text) {
    const auto value = parse_json(text);
    if (!value) return tl::unexpected(value.error());
    std::string out;
    indent(out, *value, 0);
    return out + '\n';
}

std::string render_duration(std::chrono::milliseconds duration) {
    const auto seconds = std::max<std::int64_t>(0, duration.count() / 1000);
    const auto minutes = seconds / 60;
    const auto hours = minutes / 60;
    if (seconds < 60) return fmt::format("{}s", seconds);
    if (minutes < 60) return fmt::format("{}m", minutes);
    if (hours < 24) return fmt::format("{}h{}m", hours, minutes % 60);
    return fmt::format("{}d{}h", hours / 24, hours % 24);
}

std::string render_size(std::uint64_t octets) {
    constexpr std::array units{'K', 'M', 'G', 'T'};
    if (octets < 1024) return std::to_string(octets);
    double size = static_cast<double>(octets);
    std::size_t unit = 0;
    for (size /= 1024; size >= 1024 && unit + 1 < units.size(); ++unit) size /= 1024;
    return fmt::format("{:.1f}{}", size, units.at(unit));
}

}  // namespace sealpost::cli
