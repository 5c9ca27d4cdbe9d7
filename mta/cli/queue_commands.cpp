#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "mta/admin/view.hpp"
#include "mta/cli/remote.hpp"
#include "mta/cli/render.hpp"

// `sealpost queue ...`

namespace sealpost::cli {
namespace {

namespace json = boost::json;

std::string counted(std::uint64_t count, std::string_view one) {
    return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

bool is_true(const json::object& object, std::string_view name) {
    const json::value* const value = object.if_contains(json::string_view(name.data(), name.size()));
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::optional<queue::RecipientId> cursor_at(const json::object& object, std::string_view name) {
    const auto text = string_at(object, name);
    return text ? queue::parse_cursor(*text) : std::nullopt;
}

/// "2 recipients are due now".
std::string outcome_text(QueueChange change, std::uint64_t recipients) {
    const std::string_view are = recipients == 1 ? "is" : "are";
    std::string_view what;
    switch (change) {
        case QueueChange::retry:
            what = "due now";
            break;
        case QueueChange::hold:
            what = "put on hold";
            break;
        case QueueChange::release:
            what = "released";
            break;
        case QueueChange::remove:
            what = "deleted";
            break;
        case QueueChange::bounce:
            what = "bounced";
            break;
    }
    return fmt::format("{} {} {}", counted(recipients, "recipient"), are, what);
}

}  // namespace

ExitCode Remote::run(const QueueList& command) {
    admin::ListQueue request{command.filter, command.after, 0};
    std::size_t shown = 0;
    std::optional<std::string> next;
    do {
        request.limit = std::min(command.limit - shown, admin::max_page);
        auto answer = ask_object(request);
        if (!answer) return answer.error();
        json::array rows = take_array(*answer, "rows");
        if (!json_ && shown == 0 && !rows.empty()) print(queue_table_head());
        shown += std::min(rows.size(), command.limit - shown);
        if (!json_) print(render_rows(rows, now_));
        for (json::value& row : rows) {
            if (!json_ || !row.is_object()) continue;
            json::object line;
            line["schema"] = admin::schema;
            for (auto& member : row.get_object()) line[member.key()] = std::move(member.value());
            print_line(line);
        }
        next = string_at(*answer, "next");
        request.after = next ? queue::parse_cursor(*next) : std::nullopt;
    } while (shown < command.limit && request.after);

    if (shown == 0 && !json_) print("nothing is queued that matches\n");
    if (next) complain(streams_, fmt::format("there is more: --limit N, or --after {}", *next));
    return ExitCode::ok;
}

ExitCode Remote::run(const QueueShow& command) {
    const auto message = ask_object(admin::ShowMessage{command.id});
    if (!message) return message.error();
    if (json_)
        print_line(*message);
    else
        print(render_message(*message, now_));
    return ExitCode::ok;
}

ExitCode Remote::run(const QueueShape& command) {
    const auto shape = ask_object(command.request);
    if (!shape) return shape.error();
    if (json_)
        print_line(*shape);
    else
        print(render_shape(*shape));
    if (!is_true(*shape, "complete"))
        complain(streams_,
                 "the queue is too long to be counted at once: this is its oldest part; narrow it, as with "
                 "--age or --domain");
    return ExitCode::ok;
}

std::string Remote::Found::text() const {
    return fmt::format("{}{} with {} of {}", complete ? "" : "at least ", counted(messages, "message"),
                       counted(recipients, "recipient"), counted(domains, "domain"));
}

Remote::Outcome<Remote::Found> Remote::count(const queue::Filter& filter) {
    const auto answer = ask_object(admin::CountQueue{filter});
    if (!answer) return tl::unexpected(answer.error());
    return Found{.messages = count_at(*answer, "messages"),
                 .recipients = count_at(*answer, "recipients"),
                 .domains = count_at(*answer, "domains"),
                 .complete = is_true(*answer, "complete"),
                 .last = cursor_at(*answer, "last")};
}

bool Remote::confirmed(std::string_view question) {
    fmt::print(streams_.err, "{} (y/N) ", question);
    std::fflush(streams_.err);
    const int first = std::fgetc(streams_.in);
    for (int c = first; c != '\n' && c != EOF;) c = std::fgetc(streams_.in);
    return first == 'y' || first == 'Y';
}

ExitCode Remote::run(const QueueAlter& command) {
    const std::string_view verb = to_string(command.request.change);
    const auto found = count(command.request.filter);
    if (!found) return found.error();
    if (command.dry_run) {
        json::object out;
        out["schema"] = admin::schema;
        out["change"] = json::string(verb);
        out["dry_run"] = true;
        out["messages"] = found->messages;
        out["recipients"] = found->recipients;
        out["domains"] = found->domains;
        out["complete"] = found->complete;
        if (json_)
            print_line(out);
        else
            print(fmt::format("{} would be about {}; nothing is changed\n", verb, found->text()));
        return ExitCode::ok;
    }
    if (found->messages > 1 && !command.yes) {
        if (::isatty(::fileno(streams_.in)) == 0) {
            complain(streams_,
                     fmt::format("queue {} is about {}: give --yes to do it, or --dry-run to look first",
                                 verb, found->text()));
            return ExitCode::usage;
        }
        if (!confirmed(fmt::format("{} {}?", verb, found->text()))) {
            complain(streams_, "nothing is changed");
            return ExitCode::usage;
        }
    }
    admin::ChangeQueue request = command.request;
    // What arrives from now on was not counted and not agreed to.
    if (found->complete && found->last) request.filter.until = found->last;
    return alter(std::move(request), *found);
}

ExitCode Remote::alter(admin::ChangeQueue request, const Found& found) {
    const QueueChange change = request.change;
    const bool watched = ::isatty(::fileno(streams_.err)) != 0;
    std::uint64_t recipients = 0;
    std::uint64_t gone = 0;
    std::uint64_t notices = 0;
    std::uint64_t left_alone = 0;
    ExitCode code = ExitCode::ok;
    for (bool more = found.recipients > 0; more;) {
        const auto answer = ask_object(request);
        if (!answer) {
            code = answer.error();  // what was done so far is told all the same
            break;
        }
        recipients += count_at(*answer, "recipients");
        gone += count_at(*answer, "messages_gone");
        notices += count_at(*answer, "notices");
        left_alone += count_at(*answer, "left_alone");
        request.after = cursor_at(*answer, "next");
        more = request.after.has_value();
        if (watched && more)
            fmt::print(streams_.err, "\r{}: {} of {} ", to_string(change), recipients, found.recipients);
    }
    if (watched && recipients > 0) fmt::print(streams_.err, "\r{:60}\r", "");
    if (json_) {
        json::object out;
        out["schema"] = admin::schema;
        out["change"] = json::string(to_string(change));
        out["messages"] = found.messages;
        out["matched"] = found.recipients;
        out["recipients"] = recipients;
        out["messages_gone"] = gone;
        out["notices"] = notices;
        out["left_alone"] = left_alone;
        out["complete"] = code == ExitCode::ok;
        print_line(out);
        return code;
    }
    if (found.recipients == 0) {
        print("nothing is queued that matches\n");
        return code;
    }
    std::string text = outcome_text(change, recipients);
    if (change == QueueChange::bounce)
        text += fmt::format("; {} to their senders", counted(notices, "notice"));
    if (left_alone > 0)
        text += fmt::format("; {} left alone, being sent at this moment or frozen",
                            counted(left_alone, "recipient"));
    if (code != ExitCode::ok) text += "; it ended early";
    print(text + '\n');
    return code;
}

}  // namespace sealpost::cli
