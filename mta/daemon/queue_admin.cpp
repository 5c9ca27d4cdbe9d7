#include "mta/daemon/queue_admin.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "mta/daemon/clock.hpp"
#include "mta/daemon/log.hpp"
#include "queue/dsn.hpp"
#include "queue/retry.hpp"

namespace sealpost {
namespace {

constexpr std::uint64_t max_octets_read = 8ULL << 20;  // by one job
constexpr std::string_view bounce_status = "5.0.0";    // RFC 3463 §3.1: no more is known to a machine

using Rows = std::span<const queue::RecipientRow>;

/// The rows of the first message.
Rows first_message(Rows rows) {
    const auto end = std::find_if(rows.begin(), rows.end(), [&rows](const queue::RecipientRow& row) {
        return row.id.message != rows.front().id.message;
    });
    return rows.first(static_cast<std::size_t>(end - rows.begin()));
}

std::vector<queue::RecipientId> ids_of(Rows rows) {
    std::vector<queue::RecipientId> ids;
    ids.reserve(rows.size());
    for (const queue::RecipientRow& row : rows) ids.push_back(row.id);
    return ids;
}

std::string counted(std::size_t recipients) {
    return fmt::format("{} {}", recipients, recipients == 1 ? "recipient" : "recipients");
}

void add(Changed& sum, const Changed& part) {
    sum.recipients += part.recipients;
    sum.messages += part.messages;
    sum.notices += part.notices;
    sum.left_alone += part.left_alone;
}

queue::DsnRecipient failed_recipient(const queue::RecipientRow& row, const std::string& text) {
    queue::DsnRecipient out{.address = row.recipient.address,
                            .orcpt = row.recipient.orcpt,
                            .status = std::string(bounce_status),
                            .remote_mta = {},
                            .reply = {},
                            .reason = "An administrator of this mail system has ended its delivery",
                            .remedy = {},
                            .side = {},
                            .last_attempt = row.last_attempt,
                            .retry_until = {}};
    if (!text.empty()) out.reason += ": " + text;
    if (!row.last_reply.empty())
        out.reason += fmt::format(" (the last attempt ended with: {} {})", row.last_status, row.last_reply);
    return out;
}

/// One message; nothing when it is gone.
Result<ChangeDone> bounce_message(queue::Store& store, const BounceContext& context, Rows rows) {
    ChangeDone done;
    const queue::MessageId id = rows.front().id.message;
    const auto idle = store.idle(ids_of(rows));
    if (!idle) return tl::unexpected(idle.error());
    done.changed.left_alone = rows.size() - idle->size();
    if (idle->empty()) return done;
    const auto loaded = store.load_message(id);
    if (!loaded && loaded.error().code == Errc::not_found) return done;
    if (!loaded) return tl::unexpected(loaded.error());
    const auto* const message = std::get_if<queue::StoredMessage>(&*loaded);
    if (message == nullptr) {  // what is damaged is not sent back
        done.changed.left_alone = rows.size();
        done.lines.push_back(fmt::format("{}: not bounced: {}", id, std::get<queue::Frozen>(*loaded).reason));
        return done;
    }
    queue::Settlement settlement{
        .message = id, .at = context.now, .recipients = {}, .trace = {}, .tls_results = {}, .notices = {}};
    std::vector<queue::DsnRecipient> told;
    for (const queue::RecipientRow& row : rows) {
        if (!std::binary_search(idle->begin(), idle->end(), row.id)) continue;
        settlement.recipients.push_back({.recipient = row.id,
                                         .outcome = queue::Outcome::failed,
                                         .status = std::string(bounce_status),
                                         .reply = context.text,
                                         .host = {},
                                         .next_attempt = {},
                                         .held_reason = {}});
        if (notify_or_default(row.recipient.notify).failure)
            told.push_back(failed_recipient(row, context.text));
    }
    if (!told.empty() && !message->envelope.sender.empty()) {  // never to <>
        const queue::Dsn dsn{.kind = queue::DsnKind::failure,
                             .hostname = context.hostname,
                             .id = context.ids->next(context.now),
                             .original_id = id,
                             .original = &message->envelope,
                             .original_body = message->body,
                             .recipients = std::move(told),
                             .contact = {},
                             .date = context.now,
                             .expires_at = queue::expiry(*context.settings, true, context.now),
                             .return_size = context.settings->dsn_return_size};
        if (std::optional<queue::NewMessage> notice = queue::build_dsn(dsn))
            settlement.notices.push_back({std::move(*notice), *idle});
    }
    const auto settled = store.settle(settlement);
    if (!settled) return tl::unexpected(settled.error());
    done.changed.recipients = idle->size() - settled->unknown_recipients;
    done.changed.messages = settled->message_removed ? 1 : 0;
    done.changed.notices = settled->notices_enqueued;
    done.lines.push_back(fmt::format(
        "{}: {} bounced by the administrator, {}", id, counted(done.changed.recipients),
        settled->notices_enqueued > 0 ? fmt::format("notice {}", settlement.notices.front().message.id)
                                      : "no notice"));
    return done;
}

}  // namespace

std::size_t bounce_batch(Rows rows) {
    std::uint64_t octets = 0;
    std::size_t count = 0;
    while (count < rows.size()) {
        const std::size_t next = count + first_message(rows.subspan(count)).size();
        octets += rows[count].size;
        if (count > 0 && octets > max_octets_read) break;
        count = next;
    }
    return count;
}

Result<ChangeDone> change_recipients(queue::Store& store, QueueChange change, Rows rows, queue::Time now) {
    ChangeDone done;
    const std::vector<queue::RecipientId> ids = ids_of(rows);
    Result<std::size_t> count = std::size_t{0};
    switch (change) {
        case QueueChange::retry:
            count = store.retry_now(ids, now);
            break;
        case QueueChange::hold:
            count = store.hold(ids);
            break;
        case QueueChange::release:
            count = store.unhold(ids);
            break;
        case QueueChange::remove: {
            const auto removed = store.remove(ids);
            if (!removed) return tl::unexpected(removed.error());
            done.changed.messages = removed->messages;
            count = removed->recipients;
            for (Rows rest = rows; !rest.empty(); rest = rest.subspan(first_message(rest).size()))
                done.lines.push_back(fmt::format("{}: {} deleted by the administrator",
                                                 rest.front().id.message,
                                                 counted(first_message(rest).size())));
            break;
        }
        case QueueChange::bounce:
            return fail(Errc::invalid, "a bounce needs more than the recipients");
    }
    if (!count) return tl::unexpected(count.error());
    done.changed.recipients = *count;
    if (change != QueueChange::remove && *count > 0)
        done.lines.push_back(fmt::format("{} by the administrator: {}, from {} on", to_string(change),
                                         counted(*count), rows.front().id.message));
    return done;
}

Result<ChangeDone> bounce_recipients(queue::Store& store, const BounceContext& context, Rows rows) {
    ChangeDone done;
    while (!rows.empty()) {
        const Rows one = first_message(rows);
        rows = rows.subspan(one.size());
        auto bounced = bounce_message(store, context, one);
        if (!bounced) return bounced;
        add(done.changed, bounced->changed);
        std::move(bounced->lines.begin(), bounced->lines.end(), std::back_inserter(done.lines));
    }
    return done;
}

Async<Result<Changed>> QueueAdmin::change(ChangeOrder order) {
    const auto rows = std::make_shared<const std::vector<queue::RecipientRow>>(std::move(order.recipients));
    const QueueChange what = order.change;
    Changed sum;
    for (std::size_t from = 0; from < rows->size();) {
        const Rows rest = Rows(*rows).subspan(from);
        const std::size_t size = what == QueueChange::bounce ? bounce_batch(rest) : rest.size();
        const queue::Time now = wall_clock();
        std::function<Result<ChangeDone>(queue::Store&)> work;
        if (what == QueueChange::bounce) {
            const BounceContext context{context_.hostname, context_.settings, context_.ids, order.text, now};
            work = [rows, from, size, context](queue::Store& store) {
                return bounce_recipients(store, context, Rows(*rows).subspan(from, size));
            };
        } else {
            work = [rows, from, size, what, now](queue::Store& store) {
                return change_recipients(store, what, Rows(*rows).subspan(from, size), now);
            };
        }
        const Result<ChangeDone> done = co_await context_.store->run(std::move(work));
        if (!done) co_return tl::unexpected(done.error());
        for (const std::string& line : done->lines) log_line("qmgr", line);
        add(sum, done->changed);
        from += size;
    }
    // Others change nothing that a destination which rests would have to be asked for.
    if (what == QueueChange::retry || what == QueueChange::release)
        context_.end_rests();
    else
        context_.poke();
    co_return sum;
}

}  // namespace sealpost
