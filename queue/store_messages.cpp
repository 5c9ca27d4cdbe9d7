// Store: the life of a message - enqueue, lease, load, settle, remove.
#include <algorithm>
#include <utility>

#include "queue/checksum.hpp"
#include "queue/message_checksum.hpp"
#include "queue/rows.hpp"
#include "queue/store_impl.hpp"

namespace sealpost::queue {

namespace {

constexpr std::size_t max_text = 1000;

std::string_view cut(std::string_view text) {
    return text.substr(0, max_text);
}

}  // namespace

std::int64_t recipient_checksum(std::int64_t message, std::int64_t number, const Recipient& recipient) {
    return Checksum{}
        .add(message)
        .add(number)
        .add(recipient.address)
        .add(recipient.domain)
        .add(recipient.orcpt)
        .add(recipient.notify)
        .finish_short();
}

std::int64_t flags_to_row(const Envelope& envelope) {
    return (envelope.body == BodyType::eight_bit_mime ? 1 : 0) + (envelope.smtputf8 ? 2 : 0);
}

bool flags_from_row(std::int64_t flags, Envelope& envelope) {
    if (flags < 0 || flags > 3) return false;
    envelope.body = flags % 2 == 1 ? BodyType::eight_bit_mime : BodyType::seven_bit;
    envelope.smtputf8 = flags >= 2;
    return true;
}

std::int64_t tls_to_row(security::MessageTls tls) {
    switch (tls) {
        case security::MessageTls::required:
            return 1;
        case security::MessageTls::optional:
            return 2;
        case security::MessageTls::by_policy:
            break;
    }
    return 0;
}

std::optional<security::MessageTls> tls_from_row(std::int64_t value) {
    for (const auto tls :
         {security::MessageTls::by_policy, security::MessageTls::required, security::MessageTls::optional})
        if (tls_to_row(tls) == value) return tls;
    return std::nullopt;
}

std::int64_t ret_to_row(Ret ret) {
    switch (ret) {
        case Ret::full:
            return 1;
        case Ret::headers:
            return 2;
        case Ret::unset:
            break;
    }
    return 0;
}

std::optional<Ret> ret_from_row(std::int64_t value) {
    for (const Ret ret : {Ret::unset, Ret::full, Ret::headers})
        if (ret_to_row(ret) == value) return ret;
    return std::nullopt;
}

Result<void> Store::enqueue(const NewMessage& message, Lease lease) {
    if (auto valid = validate(message); !valid) return valid;
    Impl& s = *impl_;
    const Envelope& e = message.envelope;
    const std::int64_t id = message.id.value();
    if (message.stored_body)
        if (auto taken = s.take_over(message); !taken) return taken;
    const std::int64_t body_first = message.stored_body ? message.stored_body->first : s.next_body;
    const std::string digest = message.stored_body ? message.stored_body->digest : body_digest(message.body);
    auto done = s.add_message.run(id, e.sender, flags_to_row(e), e.client_ip, e.client_helo, e.protocol,
                                  to_row(e.received_at), to_row(e.expires_at), body_first, message.size(),
                                  Blob{message_checksum(message.id, e, message.size(), digest)},
                                  tls_to_row(e.tls), e.envid, ret_to_row(e.ret));
    for (std::string_view rest = message.body; done && !rest.empty();
         rest.remove_prefix(std::min(body_chunk, rest.size())))
        done = s.add_body.run(s.next_body++, id, Blob{rest.substr(0, body_chunk)});
    const int state = lease == Lease::yes ? 1 : 0;
    std::int64_t number = 0;
    for (const Recipient& r : message.recipients) {
        if (!done) break;
        done = s.add_recipient.run(id, number, r.address, r.domain, r.orcpt, r.notify,
                                   recipient_checksum(id, number, r), state, to_row(e.received_at));
        ++number;
    }
    if (!done) return fail(fmt::format("storing message {}", message.id), done.error());
    s.now.high_water = std::max(s.now.high_water, id);
    ++s.now.counters.messages;
    s.now.counters.recipients += message.recipients.size();
    return {};
}

namespace {

struct RowKey {
    std::int64_t message;
    std::int64_t number;
};

struct DueRows {
    DueBatch batch;
    std::vector<RowKey> damaged;
    std::vector<RowKey> too_many;
};

Result<DueRows> read_due(Rows rows, const std::set<std::string>& saturated) {
    DueRows due;
    for (;;) {
        const Result<bool> row = rows.next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return due;
        const RowKey key{rows.integer(0), rows.integer(1)};
        const auto id = MessageId::from_value(key.message);
        const auto number = unsigned_from_row<std::uint32_t>(key.number);
        const auto attempts = unsigned_from_row<unsigned>(rows.integer(7));
        const auto interrupted = unsigned_from_row<unsigned>(rows.integer(8));
        const std::int64_t notified = rows.integer(9);
        Recipient recipient{.address = std::string{rows.text(2)},
                            .domain = std::string{rows.text(3)},
                            .orcpt = std::string{rows.text(4)},
                            .notify = std::string{rows.text(5)}};
        if (!id || !number || !attempts || !interrupted || notified < 0 || notified > 1 ||
            recipient_checksum(key.message, key.number, recipient) != rows.integer(6)) {
            due.damaged.push_back(key);
            due.batch.frozen.push_back(fmt::format("recipient {} of message {} is damaged in the database",
                                                   key.number, id ? id->str() : std::to_string(key.message)));
        } else if (saturated.contains(recipient.domain)) {
            due.too_many.push_back(key);
            due.batch.parked.insert(std::move(recipient.domain));
            ++due.batch.parked_rows;
        } else {
            due.batch.recipients.push_back({.id = {*id, *number},
                                            .recipient = std::move(recipient),
                                            .attempts = *attempts,
                                            .interrupted = *interrupted,
                                            .notified = notified == 1});
        }
    }
}

}  // namespace

Result<DueBatch> Store::Impl::lease_rows(Result<Rows> rows, const std::set<std::string>& saturated) {
    if (!rows) return tl::unexpected(rows.error());
    auto read = read_due(std::move(*rows), saturated);  // the query ends here, before its rows change
    if (!read) return tl::unexpected(read.error());
    Result<void> done;
    for (const DueRecipient& each : read->batch.recipients)
        if (done) done = lease.run(each.id.message.value(), each.id.number);
    for (const RowKey& key : read->too_many)
        if (done) done = park_recipient.run(key.message, key.number);
    for (const RowKey& key : read->damaged)
        if (done) done = freeze_recipient.run(key.message, key.number);
    if (!done) return tl::unexpected(done.error());
    return std::move(read->batch);
}

Result<DueBatch> Store::due(Time now, std::size_t limit, const std::set<std::string>& saturated) {
    return impl_->lease_rows(impl_->due.query(to_row(now), limit), saturated);
}

Result<DueBatch> Store::due_parked(const std::string& domain, Time now, std::size_t limit) {
    return impl_->lease_rows(impl_->due_parked.query(domain, to_row(now), limit), {});
}

Result<std::optional<Time>> Store::next_due() {
    const auto next = Impl::integer(impl_->next_due.query());
    if (!next) return tl::unexpected(next.error());
    if (!*next) return std::nullopt;
    // A time that cannot be is due now: due() will look at the row.
    return time_from_row(**next).value_or(Time{});
}

Result<void> Store::Impl::freeze(MessageId id, const std::string& reason) {
    if (auto done = freeze_message.run(id.value(), reason); !done) return done;
    return freeze_recipients.run(id.value());
}

Result<std::variant<StoredMessage, Frozen>> Store::load_message(MessageId id) {
    using Loaded = std::variant<StoredMessage, Frozen>;
    Impl& s = *impl_;
    StoredMessage message{.id = id, .envelope = {}, .body = {}};
    std::string reason;
    std::string checksum;
    std::int64_t body_first = 0;
    std::optional<std::uint64_t> size;
    {
        auto rows = s.get_message.query(id.value());
        if (!rows) return tl::unexpected(rows.error());
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) {
            // Gone with all its recipients: removed. Recipients without their message: damage.
            const auto orphan = Impl::integer(s.any_recipient.query(id.value()));
            if (!orphan) return tl::unexpected(orphan.error());
            if (!*orphan) return fail(Errc::not_found, fmt::format("no message {}", id));
            if (auto done = s.freeze_recipients.run(id.value()); !done) return tl::unexpected(done.error());
            return Loaded{Frozen{fmt::format("message {} is missing from the database", id)}};
        }
        if (!rows->is_null(10)) return Loaded{Frozen{std::string{rows->text(10)}}};
        Envelope& e = message.envelope;
        e.sender = rows->text(0);
        e.client_ip = rows->text(2);
        e.client_helo = rows->text(3);
        e.protocol = rows->text(4);
        const auto received_at = time_from_row(rows->integer(5));
        const auto expires_at = time_from_row(rows->integer(6));
        body_first = rows->integer(7);
        size = unsigned_from_row<std::uint64_t>(rows->integer(8));
        checksum = rows->text(9);
        const auto tls = tls_from_row(rows->integer(11));
        e.envid = rows->text(12);
        const auto ret = ret_from_row(rows->integer(13));
        if (!flags_from_row(rows->integer(1), e) || !received_at || !expires_at || !size ||
            *size > max_body_size || !tls || !ret) {
            reason = "its envelope is damaged in the database";
        } else {
            e.received_at = *received_at;
            e.expires_at = *expires_at;
            e.tls = *tls;
            e.ret = *ret;
        }
    }
    if (reason.empty()) {
        const auto whole = s.verify(message, body_first, *size, checksum);
        if (!whole) return tl::unexpected(whole.error());
        if (!*whole) reason = "its checksum does not match: it is not what was accepted";
    }
    if (reason.empty()) return Loaded{std::move(message)};
    reason = fmt::format("message {} is frozen: {}", id, reason);
    if (auto done = s.freeze(id, reason); !done) return tl::unexpected(done.error());
    return Loaded{Frozen{std::move(reason)}};
}

Result<void> Store::freeze(MessageId id, const std::string& reason) {
    return impl_->freeze(id, reason);
}

Result<std::vector<RecipientId>> Store::begin_attempt(std::span<const RecipientId> recipients) {
    std::vector<RecipientId> leased;
    leased.reserve(recipients.size());
    for (const RecipientId& id : recipients) {
        if (auto done = impl_->attempting.run(id.message.value(), id.number); !done)
            return tl::unexpected(done.error());
        if (impl_->db.changes() > 0) leased.push_back(id);
    }
    return leased;
}

Result<void> Store::release(std::span<const RecipientId> recipients, Time next_attempt) {
    for (const RecipientId& id : recipients)
        if (auto done = impl_->unlease.run(id.message.value(), id.number, to_row(next_attempt)); !done)
            return done;
    return {};
}

Result<void> Store::park(std::span<const RecipientId> recipients) {
    for (const RecipientId& id : recipients)
        if (auto done = impl_->park_recipient.run(id.message.value(), id.number); !done) return done;
    return {};
}

Result<void> Store::Impl::settle_one(const RecipientOutcome& outcome, Time at, Settled& settled,
                                     bool& removed) {
    const RecipientId& id = outcome.recipient;
    Result<void> done;
    if (outcome.outcome == Outcome::deferred) {
        const std::optional<std::string_view> held =
            outcome.held_reason.empty() ? std::nullopt : std::optional{cut(outcome.held_reason)};
        done = defer.run(id.message.value(), id.number, to_row(at), to_row(outcome.next_attempt),
                         cut(outcome.host), cut(outcome.status), cut(outcome.reply), held,
                         outcome.notified ? 1 : 0);
    } else {
        done = drop_recipient.run(id.message.value(), id.number);
    }
    if (!done) return done;
    if (db.changes() == 0)
        ++settled.unknown_recipients;
    else if (outcome.outcome != Outcome::deferred) {
        --now.counters.recipients;
        removed = true;
    }
    return {};
}

Result<std::optional<std::int64_t>> Store::Impl::keep_trace(const Settlement& settlement) {
    const std::string& trace = settlement.trace;
    if (trace.empty() || options.max_traces == 0) return std::nullopt;
    const std::string note = fmt::format(R"({{"note":"a trace of {} octets was not kept"}})", trace.size());
    auto done =
        add_attempt.run(settlement.message.value(), to_row(settlement.at),
                        trace.size() > options.max_trace_size ? note : trace, settlement.shared_trace);
    const std::int64_t row = db.last_insert_rowid();
    // One in, one out; prune() sees to what a lower limit or gaps leave over.
    if (done) done = drop_attempt.run(row - static_cast<std::int64_t>(options.max_traces));
    if (!done) return tl::unexpected(done.error());
    return row;
}

Result<Settled> Store::settle(const Settlement& settlement) {
    Impl& s = *impl_;
    Settled settled;
    bool removed = false;
    std::vector<RecipientId> known;
    for (const RecipientOutcome& outcome : settlement.recipients) {
        if (outcome.recipient.message != settlement.message)
            return fail(Errc::invalid, "a settlement is about one message");
        const std::size_t unknown = settled.unknown_recipients;
        if (auto done = s.settle_one(outcome, settlement.at, settled, removed); !done)
            return tl::unexpected(done.error());
        if (settled.unknown_recipients == unknown) known.push_back(outcome.recipient);
    }
    auto kept = s.keep_trace(settlement);
    if (!kept) return tl::unexpected(kept.error());
    settled.trace = *kept;
    for (const security::TlsResult& result : settlement.tls_results)
        if (auto done = s.results->count(day_of(settlement.at), result); !done)
            return tl::unexpected(done.error());
    for (const SettlementNotice& notice : settlement.notices) {
        if (std::find_first_of(known.begin(), known.end(), notice.about.begin(), notice.about.end()) ==
            known.end())
            continue;
        if (auto done = enqueue(notice.message, Lease::no); !done) return tl::unexpected(done.error());
        ++settled.notices_enqueued;
    }
    if (!removed) return settled;
    const auto left = Impl::integer(s.any_recipient.query(settlement.message.value()));
    if (!left) return tl::unexpected(left.error());
    if (*left) return settled;
    const auto gone = s.remove_message(settlement.message);
    if (!gone) return tl::unexpected(gone.error());
    settled.message_removed = *gone;
    return settled;
}

Result<bool> Store::Impl::remove_message(MessageId id) {
    auto done = drop_recipients.run(id.value());
    if (!done) return tl::unexpected(done.error());
    now.counters.recipients -= static_cast<std::uint64_t>(db.changes());
    std::int64_t first = 0;
    std::int64_t size = 0;
    {
        auto rows = body_range.query(id.value());
        if (!rows) return tl::unexpected(rows.error());
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return false;
        first = rows->integer(0);
        size = rows->integer(1);
    }
    done = remove_body(id, first, size);
    if (done) done = drop_message.run(id.value());
    if (!done) return tl::unexpected(done.error());
    --now.counters.messages;
    return true;
}

}  // namespace sealpost::queue
