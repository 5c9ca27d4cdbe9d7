#include "queue/reader.hpp"

#include <limits>

#include "queue/rows.hpp"
#include "queue/schema.hpp"
#include "security/trace.hpp"

namespace sealpost::queue {

namespace {

constexpr std::size_t max_rows_examined = 50'000;
constexpr std::chrono::milliseconds max_time_examining{100};
constexpr std::size_t rows_between_looks = 256;  // at the clock
constexpr std::size_t max_recipients_shown = 1000;
constexpr std::size_t max_attempts_shown = 100;

constexpr std::string_view recipient_columns =
    "SELECT r.message, r.number, m.sender, r.address, r.domain, r.orcpt, r.notify, r.state, m.received_at,"
    " m.expires_at, r.next_attempt, r.last_attempt, r.attempts, r.interrupted, r.last_host, r.last_status,"
    " r.last_reply, r.held, m.body_size, r.attempting FROM recipient r LEFT JOIN message m ON m.id = "
    "r.message ";

std::optional<RecipientId> id_from_row(const Rows& r) {
    const auto id = MessageId::from_value(r.integer(0));
    const auto number = unsigned_from_row<std::uint32_t>(r.integer(1));
    if (!id || !number) return std::nullopt;
    return RecipientId{*id, *number};
}

RecipientState state_from_row(const Rows& r) {
    const std::int64_t state = r.integer(7);
    return state >= 0 && state <= 4 ? static_cast<RecipientState>(state) : RecipientState::frozen;
}

Time time_at(const Rows& r, int column) {
    return time_from_row(r.integer(column)).value_or(Time{});
}

/// Views into the row, since most rows of a walk match nothing.
FilterSubject subject_from_row(const Rows& r, const RecipientId& id) {
    return {.id = id,
            .sender = r.text(2),
            .address = r.text(3),
            .domain = r.text(4),
            .status = r.text(15),
            .reply = r.text(16),
            .held = r.text(17),
            .state = state_from_row(r),
            .received_at = time_at(r, 8)};
}

RecipientRow from_row(const Rows& r, const RecipientId& id) {
    RecipientRow row{.id = id,
                     .sender = std::string{r.text(2)},
                     .recipient = {.address = std::string{r.text(3)},
                                   .domain = std::string{r.text(4)},
                                   .orcpt = std::string{r.text(5)},
                                   .notify = std::string{r.text(6)}},
                     .state = state_from_row(r),
                     .attempting = r.integer(19) != 0,
                     .received_at = time_at(r, 8),
                     .expires_at = time_at(r, 9),
                     .next_attempt = time_at(r, 10),
                     .last_attempt = std::nullopt,
                     .attempts = unsigned_from_row<unsigned>(r.integer(12)).value_or(0),
                     .interrupted = unsigned_from_row<unsigned>(r.integer(13)).value_or(0),
                     .last_host = std::string{r.text(14)},
                     .last_status = std::string{r.text(15)},
                     .last_reply = std::string{r.text(16)},
                     .held_reason = std::string{r.text(17)},
                     .size = unsigned_from_row<std::uint64_t>(r.integer(18)).value_or(0)};
    if (const auto at = r.optional_integer(11)) row.last_attempt = time_from_row(*at);
    return row;
}

tl::unexpected<Error> unknown(MessageId id) {
    return fail(Errc::not_found, fmt::format("no message {} in the queue", id));
}

/// How much of its allowance a walk has used.
class Allowance {
public:
    [[nodiscard]] bool used_up() const { return over_; }
    void look_at_one() {
        if (++rows_ >= max_rows_examined) over_ = true;
        if (rows_ % rows_between_looks == 0 && std::chrono::steady_clock::now() >= end_) over_ = true;
    }

private:
    std::size_t rows_ = 0;
    std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + max_time_examining;
    bool over_ = false;
};

/// One stretch of the queue, in its order: all of it, or one message.
struct Stretch {
    std::int64_t message = 0;  ///< begins behind this recipient
    std::int64_t number = -1;
    std::int64_t last = std::numeric_limits<std::int64_t>::max();  ///< message
};

std::vector<Stretch> stretches(const Filter& filter, const std::optional<RecipientId>& after) {
    std::vector<Stretch> out;
    if (filter.ids.empty()) {
        Stretch& all = out.emplace_back();
        if (after) all = {after->message.value(), after->number, all.last};
        if (filter.until) all.last = filter.until->message.value();
    }
    for (const MessageId& id : filter.ids) {
        if (after && id < after->message) continue;
        const bool resumed = after && id == after->message;
        out.push_back({id.value(), resumed ? std::int64_t{after->number} : -1, id.value()});
    }
    return out;
}

}  // namespace

struct Reader::Impl {
    explicit Impl(Database d) : db(std::move(d)) {}
    Database db;
    Statement list, message, recipients, attempts;

    /// `take(rows, subject)` of each match, until it returns false or the allowance is used up.
    template <class Take>
    [[nodiscard]] Result<std::optional<RecipientId>> walk(const Filter& filter,
                                                          const std::optional<RecipientId>& after,
                                                          const Take& take) {
        Allowance allowance;
        std::optional<RecipientId> last = after;
        for (const Stretch& stretch : stretches(filter, after)) {
            auto rows = list.query(stretch.message, stretch.number, max_rows_examined + 1);
            if (!rows) return tl::unexpected(rows.error());
            for (;;) {
                const Result<bool> row = rows->next();
                if (!row) return tl::unexpected(row.error());
                if (!*row || rows->integer(0) > stretch.last) break;
                if (allowance.used_up()) return last;
                allowance.look_at_one();
                const auto id = id_from_row(*rows);
                if (!id) continue;  // a damaged row must not hide the others
                const FilterSubject subject = subject_from_row(*rows, *id);
                if (matches(filter, subject) && !take(*rows, subject)) return last;
                last = *id;
            }
        }
        return std::optional<RecipientId>{};
    }
};

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::Reader(Reader&&) noexcept = default;
Reader& Reader::operator=(Reader&&) noexcept = default;
Reader::~Reader() = default;

Result<Reader> Reader::open(const std::filesystem::path& state_directory) {
    const std::filesystem::path file = state_directory / "sealpost.db";
    std::error_code none;
    if (!std::filesystem::exists(file, none))
        return fail(Errc::not_found, fmt::format("no queue in {} yet", state_directory.string()));
    if (auto ours = check_header(file); !ours) return tl::unexpected(ours.error());
    auto db = Database::open(file, Database::Mode::read_only);
    if (!db) return tl::unexpected(db.error());
    auto impl = std::make_unique<Impl>(std::move(*db));
    const std::string list = std::string{recipient_columns} +
                             "WHERE (r.message, r.number) > (?1, ?2) ORDER BY r.message, r.number LIMIT ?3";
    const std::string recipients =
        std::string{recipient_columns} + "WHERE r.message = ?1 ORDER BY r.number LIMIT ?2";
    auto ready = impl->db.prepare_all({
        {&impl->list, list},
        {&impl->recipients, recipients},
        {&impl->message,
         "SELECT sender, flags, client_ip, client_helo, protocol, received_at, expires_at, body_size, frozen,"
         " tls FROM message WHERE id = ?"},
        {&impl->attempts,
         "SELECT a.at, a.trace, s.trace FROM (SELECT id, at, trace, shared FROM attempt WHERE message = ?1"
         " ORDER BY id DESC LIMIT ?2) a LEFT JOIN attempt s ON s.id = a.shared ORDER BY a.id"},
    });
    if (!ready) return tl::unexpected(ready.error());
    return Reader{std::move(impl)};
}

Result<Page> Reader::list(const Filter& filter, std::optional<RecipientId> after, std::size_t page_size) {
    Page page;
    const auto next = impl_->walk(filter, after, [&](const Rows& rows, const FilterSubject& subject) {
        if (page.rows.size() >= page_size) return false;
        page.rows.push_back(from_row(rows, subject.id));
        return true;
    });
    if (!next) return tl::unexpected(next.error());
    page.next = *next;
    return page;
}

Result<std::optional<RecipientId>> Reader::walk(const Filter& filter, std::optional<RecipientId> after,
                                                const std::function<bool(const FilterSubject&)>& visit) {
    return impl_->walk(filter, after,
                       [&visit](const Rows&, const FilterSubject& subject) { return visit(subject); });
}

Result<void> Reader::check_known(const std::vector<MessageId>& ids) {
    for (const MessageId& id : ids) {
        auto rows = impl_->message.query(id.value());
        if (!rows) return tl::unexpected(rows.error());
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return unknown(id);
    }
    return {};
}

Result<MessageDetail> Reader::show(MessageId id) {
    MessageDetail detail{
        .id = id, .envelope = {}, .size = 0, .frozen_reason = {}, .recipients = {}, .attempts = {}};
    {
        auto rows = impl_->message.query(id.value());
        if (!rows) return tl::unexpected(rows.error());
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return unknown(id);
        Envelope& e = detail.envelope;
        e.sender = rows->text(0);
        e.client_ip = rows->text(2);
        e.client_helo = rows->text(3);
        e.protocol = rows->text(4);
        e.received_at = time_from_row(rows->integer(5)).value_or(Time{});
        e.expires_at = time_from_row(rows->integer(6)).value_or(Time{});
        detail.size = unsigned_from_row<std::uint64_t>(rows->integer(7)).value_or(0);
        detail.frozen_reason = rows->text(8);
        const auto tls = tls_from_row(rows->integer(9));
        e.tls = tls.value_or(security::MessageTls::required);
        if (!flags_from_row(rows->integer(1), e) || !tls)
            detail.frozen_reason = "its envelope is damaged in the database";
    }
    {
        auto rows = impl_->recipients.query(id.value(), max_recipients_shown);
        if (!rows) return tl::unexpected(rows.error());
        for (;;) {
            const Result<bool> row = rows->next();
            if (!row) return tl::unexpected(row.error());
            if (!*row) break;
            if (const auto one = id_from_row(*rows)) detail.recipients.push_back(from_row(*rows, *one));
        }
    }
    auto attempts = trace(id);
    if (!attempts) return tl::unexpected(attempts.error());
    detail.attempts = std::move(*attempts);
    return detail;
}

Result<std::vector<Attempt>> Reader::trace(MessageId id) {
    auto rows = impl_->attempts.query(id.value(), max_attempts_shown);
    if (!rows) return tl::unexpected(rows.error());
    std::vector<Attempt> attempts;
    for (;;) {
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return attempts;
        // Over a connection that another message opened, what was looked up stands in that one's trace.
        std::string own{rows->text(1)};
        attempts.push_back({.at = time_from_row(rows->integer(0)).value_or(Time{}),
                            .trace = security::whole_trace(std::move(own), rows->text(2))});
    }
}

Result<std::vector<Domain>> Reader::report_domains(Day day, const std::string& after, std::size_t limit) {
    return ResultStore::domains(impl_->db, day, after, limit);
}

Result<std::vector<security::PolicyCounts>> Reader::results(Day day, const Domain& domain) {
    return ResultStore::counts(impl_->db, day, domain);
}

}  // namespace sealpost::queue
