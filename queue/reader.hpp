/// \file Reader: the queue as an administrator sees it.
///
/// Owns     a read-only connection; works beside a running daemon and without one. It never checkpoints.
/// Limits   each call is one short read transaction over a bounded number of rows and milliseconds, since a
/// long
///          one would keep the write-ahead log from being reused; so a page may be short or empty and still
///          have a `next`. There is no index for filters: each accepted message would pay for it.
/// Errors   Errc::not_found - no such message, or no database yet; Errc::configuration - a newer schema.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "queue/filter.hpp"
#include "queue/message.hpp"
#include "queue/recipient_row.hpp"
#include "queue/result_store.hpp"

namespace sealpost::queue {

struct Page {
    std::vector<RecipientRow> rows;
    std::optional<RecipientId> next;  ///< give it as `after` for more; nullopt: that was all
};

struct Attempt {
    Time at{};
    std::string trace;  ///< JSON as it was settled
};

struct MessageDetail {
    MessageId id;
    Envelope envelope;
    std::uint64_t size = 0;
    std::string frozen_reason;             ///< empty: not frozen
    std::vector<RecipientRow> recipients;  ///< those still to be delivered; 1000 at most
    std::vector<Attempt> attempts;         ///< newest last; 100 at most
};

class Reader {
public:
    [[nodiscard]] static Result<Reader> open(const std::filesystem::path& state_directory);
    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) noexcept;
    ~Reader();

    /// In order of arrival, after `after`.
    [[nodiscard]] Result<Page> list(const Filter& filter, std::optional<RecipientId> after,
                                    std::size_t page_size);
    /// Shows each match to `visit` until that returns false, which leaves this one to the next call. Returns
    /// where to go on; nullopt: that was all.
    [[nodiscard]] Result<std::optional<RecipientId>> walk(
        const Filter& filter, std::optional<RecipientId> after,
        const std::function<bool(const FilterSubject&)>& visit);
    /// Errc::not_found names the first of them that is not in the queue.
    [[nodiscard]] Result<void> check_known(const std::vector<MessageId>& ids);
    [[nodiscard]] Result<MessageDetail> show(MessageId id);
    /// Also of a message that is delivered and gone, as long as traces are kept. Empty: none known.
    [[nodiscard]] Result<std::vector<Attempt>> trace(MessageId id);

    [[nodiscard]] Result<std::vector<Domain>> report_domains(Day day, const std::string& after,
                                                             std::size_t limit);
    [[nodiscard]] Result<std::vector<security::PolicyCounts>> results(Day day, const Domain& domain);

private:
    struct Impl;
    explicit Reader(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace sealpost::queue
