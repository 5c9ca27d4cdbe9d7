/// \file Reader: the queue as an administrator sees it.
///
/// Owns     a read-only connection; works beside a running daemon and without one. It never checkpoints.
/// Limits   each call is one short read transaction over a bounded number of rows, since a long one would
/// keep
///          the write-ahead log from being reused; so a page may be short or empty and still have a `next`.
/// Errors   Errc::not_found - no such message, or no database yet; Errc::configuration - a newer schema.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "queue/message.hpp"
#include "queue/result_store.hpp"

namespace sealpost::queue {

enum class RecipientState {
    queued,  ///< waits for next_attempt
    active,  ///< in the daemon's active set
    parked,  ///< due; waits for its destination's share of the active set
    frozen   ///< damaged: an administrator must look
};
[[nodiscard]] std::string_view to_string(RecipientState state);

struct ListFilter {
    std::optional<RecipientState> state;
    std::optional<std::string> domain;
    std::optional<std::string> sender;
    bool held_only = false;  ///< held by policy
};

struct RecipientRow {
    RecipientId id;
    std::string sender;
    Recipient recipient;
    RecipientState state = RecipientState::queued;
    Time received_at{};
    Time expires_at{};
    Time next_attempt{};
    std::optional<Time> last_attempt;
    unsigned attempts = 0;
    unsigned interrupted = 0;
    std::string last_host;
    std::string last_status;
    std::string last_reply;
    std::string held_reason;  ///< empty: not held by policy
    std::uint64_t size = 0;   ///< octets of the message
};

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
    [[nodiscard]] Result<Page> list(const ListFilter& filter, std::optional<RecipientId> after,
                                    std::size_t page_size);
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
