#include "mta/admin/view.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "security/remote_text.hpp"

namespace sealpost::admin {
namespace {

namespace json = boost::json;

json::string text(std::string_view in) {
    return json::string(security::i_json_text(in, queue::max_path_size));
}

void set_text(json::object& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out[json::string_view(name.data(), name.size())] = text(value);
}

json::object row_object(const queue::RecipientRow& row) {
    json::object out;
    out["id"] = row.id.message.str();
    out["number"] = row.id.number;
    out["sender"] = text(row.sender);
    out["recipient"] = text(row.recipient.address);
    out["domain"] = text(row.recipient.domain);
    out["state"] = json::string(queue::to_string(row.state));
    out["size"] = row.size;
    out["received_at"] = format_time(row.received_at);
    out["expires_at"] = format_time(row.expires_at);
    out["next_attempt"] = format_time(row.next_attempt);
    if (row.last_attempt) out["last_attempt"] = format_time(*row.last_attempt);
    out["attempts"] = row.attempts;
    if (row.attempting) out["attempting"] = true;
    if (row.interrupted > 0) out["interrupted"] = row.interrupted;
    set_text(out, "host", row.last_host);
    set_text(out, "status", row.last_status);
    set_text(out, "reply", row.last_reply);
    set_text(out, "held", row.held_reason);
    set_text(out, "orcpt", row.recipient.orcpt);
    set_text(out, "notify", row.recipient.notify);
    return out;
}

json::object document() {
    json::object out;
    out["schema"] = schema;
    return out;
}

json::array rows_array(const std::vector<queue::RecipientRow>& rows) {
    json::array out;
    out.reserve(rows.size());
    for (const queue::RecipientRow& row : rows) out.emplace_back(row_object(row));
    return out;
}

json::object shape_row(const queue::Shape::Row& row) {
    json::object out;
    out["recipients"] = row.total;
    out["ages"] = json::array(row.counts.begin(), row.counts.end());
    return out;
}

std::optional<int> two_digits(std::string_view text, std::size_t at, int limit) {
    const char high = text[at];
    const char low = text[at + 1];
    if (high < '0' || high > '9' || low < '0' || low > '9') return std::nullopt;
    const int value = (high - '0') * 10 + (low - '0');
    if (value >= limit) return std::nullopt;
    return value;
}

}  // namespace

std::string page_json(const queue::Page& page) {
    json::object out = document();
    out["rows"] = rows_array(page.rows);
    if (page.next) out["next"] = queue::to_cursor(*page.next);
    return json::serialize(out);
}

std::string message_json(const queue::MessageDetail& message) {
    json::object out = document();
    out["id"] = message.id.str();
    const queue::Envelope& e = message.envelope;
    out["sender"] = text(e.sender);
    out["size"] = message.size;
    out["body"] = e.body == queue::BodyType::eight_bit_mime ? "8BITMIME" : "7BIT";
    out["smtputf8"] = e.smtputf8;
    set_text(out, "client_ip", e.client_ip);
    set_text(out, "client_helo", e.client_helo);
    set_text(out, "protocol", e.protocol);
    out["tls"] = json::string(security::to_string(e.tls));
    out["received_at"] = format_time(e.received_at);
    out["expires_at"] = format_time(e.expires_at);
    set_text(out, "frozen", message.frozen_reason);
    out["attempts"] = message.attempts.size();
    out["recipients"] = rows_array(message.recipients);
    return json::serialize(out);
}

std::string trace_json(queue::MessageId id, const std::vector<queue::Attempt>& attempts) {
    json::array list;
    for (const queue::Attempt& attempt : attempts) {
        json::object entry;
        entry["at"] = format_time(attempt.at);
        boost::system::error_code ec;
        // Stored octets are input: what is not UTF-8 must not leave as JSON.
        json::value trace = json::parse(security::i_json_text(attempt.trace, 3 * attempt.trace.size()), ec);
        if (ec)
            entry["error"] = "the stored trace is damaged";
        else
            entry["trace"] = std::move(trace);
        list.emplace_back(std::move(entry));
    }
    json::object out = document();
    out["id"] = id.str();
    out["attempts"] = std::move(list);
    return json::serialize(out);
}

std::string domains_json(const std::vector<Domain>& domains, bool more) {
    json::array list;
    for (const Domain& domain : domains) list.emplace_back(domain.str());
    json::object out = document();
    if (more && !domains.empty()) out["next"] = domains.back().str();
    out["domains"] = std::move(list);
    return json::serialize(out);
}

std::string count_json(const QueueCount& count) {
    json::object out = document();
    out["messages"] = count.messages;
    out["recipients"] = count.recipients;
    out["domains"] = count.domains;
    if (count.last) out["last"] = queue::to_cursor(*count.last);
    out["complete"] = count.complete;
    return json::serialize(out);
}

std::string shape_json(const queue::Shape::Table& table, ShapeBy by, bool complete) {
    json::object out = document();
    out["by"] = by == ShapeBy::sender ? "sender" : "recipient";
    out["columns"] = {"5m", "10m", "20m", "40m", "80m", "160m", "320m", "640m", "1280m", "older"};
    out["total"] = shape_row(table.total);
    json::array rows;
    rows.reserve(table.rows.size());
    for (const queue::Shape::Row& row : table.rows) {
        json::object one = shape_row(row);
        one["domain"] = text(row.domain);
        rows.emplace_back(std::move(one));
    }
    out["rows"] = std::move(rows);
    if (table.others.total > 0) out["others"] = shape_row(table.others);
    out["complete"] = complete;
    return json::serialize(out);
}

std::string changed_json(QueueChange change, const Changed& changed,
                         const std::optional<queue::RecipientId>& next) {
    json::object out = document();
    out["change"] = json::string(to_string(change));
    out["recipients"] = changed.recipients;
    out["messages_gone"] = changed.messages;
    out["notices"] = changed.notices;
    out["left_alone"] = changed.left_alone;
    if (next) out["next"] = queue::to_cursor(*next);
    return json::serialize(out);
}

std::string format_time(queue::Time time) {
    const queue::Day day = queue::day_of(time);
    const std::chrono::hh_mm_ss clock{time - day};
    return fmt::format("{}T{:02}:{:02}:{:02}.{:03}Z", format_day(day), clock.hours().count(),
                       clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

std::optional<queue::Time> parse_time(std::string_view text) {
    if (text.size() != 24 || text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != '.' ||
        text[23] != 'Z')
        return std::nullopt;
    const auto day = parse_day(text.substr(0, 10));
    const auto hours = two_digits(text, 11, 24);
    const auto minutes = two_digits(text, 14, 60);
    const auto seconds = two_digits(text, 17, 60);
    const auto centis = two_digits(text, 20, 100);
    if (!day || !hours || !minutes || !seconds || !centis || text[22] < '0' || text[22] > '9')
        return std::nullopt;
    return queue::Time(*day) + std::chrono::hours(*hours) + std::chrono::minutes(*minutes) +
           std::chrono::seconds(*seconds) + std::chrono::milliseconds(*centis * 10 + (text[22] - '0'));
}

}  // namespace sealpost::admin
