/// \file QueueAdmin: carries out what an administrator does to mail in the queue.
///
/// Owns     nothing but the way from a ChangeOrder to jobs of the store thread, each of a bounded size.
/// Threads  change() on any executor; the functions below it on the store's thread, or in a test.
/// Errors   as StoreThread::run; what was changed before stays changed.
/// Source   RFC 3464 (the notice of a bounce), RFC 3461 §4.1 (NOTIFY), RFC 5321 §6.1 (no notice to <>).
#pragma once
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "mta/admin/queue_change.hpp"
#include "mta/daemon/store_thread.hpp"
#include "queue/store.hpp"

namespace sealpost {

struct QueueAdminContext {
    StoreThread* store = nullptr;
    queue::MessageIdSource* ids = nullptr;
    std::string hostname;
    const QueueSettings* settings = nullptr;
    std::function<void()> poke;       ///< mail may be due: a notice, or what was changed
    std::function<void()> end_rests;  ///< of destinations, too
};

class QueueAdmin {
public:
    explicit QueueAdmin(QueueAdminContext context) : context_(std::move(context)) {}
    [[nodiscard]] Async<Result<Changed>> change(ChangeOrder order);

private:
    QueueAdminContext context_;
};

/// What one job did, and the lines of the log that say so.
struct ChangeDone {
    Changed changed;
    std::vector<std::string> lines;
};

struct BounceContext {
    std::string hostname;
    const QueueSettings* settings = nullptr;
    queue::MessageIdSource* ids = nullptr;
    std::string text;  ///< the administrator's reason; empty: none given
    queue::Time now{};
};

/// Any change but a bounce.
[[nodiscard]] Result<ChangeDone> change_recipients(queue::Store& store, QueueChange change,
                                                   std::span<const queue::RecipientRow> rows,
                                                   queue::Time now);
/// Gives up those recipients that no attempt is about now; one notice a message, unless nobody is to be told.
[[nodiscard]] Result<ChangeDone> bounce_recipients(queue::Store& store, const BounceContext& context,
                                                   std::span<const queue::RecipientRow> rows);

/// How many rows from the first on fit into one job that reads each message whole; one at least.
[[nodiscard]] std::size_t bounce_batch(std::span<const queue::RecipientRow> rows);

}  // namespace sealpost
