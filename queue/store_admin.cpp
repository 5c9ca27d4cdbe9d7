#include "queue/rows.hpp"
#include "queue/store_impl.hpp"

// What an administrator changes in the queue.

namespace sealpost::queue {
namespace {

/// Runs `statement` for each; how many rows it changed.
template <class... Values>
Result<std::size_t> change_each(Database& db, Statement& statement, std::span<const RecipientId> recipients,
                                const Values&... values) {
    std::size_t changed = 0;
    for (const RecipientId& id : recipients) {
        if (auto done = statement.run(id.message.value(), id.number, values...); !done)
            return tl::unexpected(done.error());
        changed += static_cast<std::size_t>(db.changes());
    }
    return changed;
}

}  // namespace

Result<std::size_t> Store::retry_now(std::span<const RecipientId> recipients, Time now) {
    return change_each(impl_->db, impl_->retry_recipient, recipients, to_row(now));
}

Result<std::size_t> Store::hold(std::span<const RecipientId> recipients) {
    return change_each(impl_->db, impl_->hold, recipients);
}

Result<std::size_t> Store::unhold(std::span<const RecipientId> recipients) {
    return change_each(impl_->db, impl_->unhold, recipients);
}

Result<std::vector<RecipientId>> Store::idle(std::span<const RecipientId> recipients) {
    std::vector<RecipientId> out;
    for (const RecipientId& id : recipients) {
        const auto found = Impl::integer(impl_->idle.query(id.message.value(), id.number));
        if (!found) return tl::unexpected(found.error());
        if (*found) out.push_back(id);
    }
    return out;
}

Result<Removed> Store::remove(std::span<const RecipientId> recipients) {
    Impl& s = *impl_;
    Removed removed;
    std::set<MessageId> touched;
    for (const RecipientId& id : recipients) {
        if (auto done = s.drop_recipient.run(id.message.value(), id.number); !done)
            return tl::unexpected(done.error());
        if (s.db.changes() == 0) continue;
        --s.now.counters.recipients;
        ++removed.recipients;
        touched.insert(id.message);
    }
    for (const MessageId& id : touched) {
        const auto left = Impl::integer(s.any_recipient.query(id.value()));
        if (!left) return tl::unexpected(left.error());
        if (*left) continue;
        const auto gone = s.remove_message(id);
        if (!gone) return tl::unexpected(gone.error());
        if (*gone) ++removed.messages;
    }
    return removed;
}

Result<void> Store::thaw(MessageId id, Time now) {
    if (auto done = impl_->thaw_message.run(id.value()); !done) return done;
    if (impl_->db.changes() == 0) return fail(Errc::not_found, fmt::format("no message {}", id));
    return impl_->thaw_recipients.run(id.value(), to_row(now));
}

}  // namespace sealpost::queue
