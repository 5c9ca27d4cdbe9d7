/// \file Filter: which recipients of the queue a command of the administrator is about.
///
/// Owns     the grammar of `--from --to --domain --state --age --reason --policy`, the same for the command
/// line
///          and the admin API. Pure: `now` is an argument.
/// Shape    a pattern is compared without regard to case, `*` stands for any text. All parts must match.
/// Errors   FilterError: the key with the bad value, and what to write instead.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "queue/recipient_row.hpp"

namespace sealpost::queue {

struct Filter {
    std::vector<MessageId> ids;       ///< sorted, each once; empty: all messages
    std::optional<std::string> from;  ///< pattern of the reverse-path; empty: the null reverse-path
    std::optional<std::string> to;
    std::optional<std::string> domain;  ///< pattern of the next-hop domain, in A-labels
    std::optional<RecipientState> state;
    std::optional<Time> before;         ///< received then or earlier
    std::optional<std::string> reason;  ///< a part of the last status and reply
    std::optional<std::string> policy;  ///< pattern of the word that says which policy holds it
    std::optional<RecipientId> until;   ///< nothing that stands behind it in the queue

    /// Whether it is about all mail.
    [[nodiscard]] bool all() const;
    bool operator==(const Filter&) const = default;
};

struct FilterError {
    std::string error;
    std::string remedy;
};

/// A long list would not fit into one request.
inline constexpr std::size_t max_filter_ids = 500;

/// Sets one part. Keys: id (several with commas, may be repeated), from, to, domain, state, age, before,
/// reason, policy, until.
[[nodiscard]] tl::expected<void, FilterError> set_filter(Filter& filter, std::string_view key,
                                                         std::string_view value, Time now);
/// Parts as key and value, as set_filter reads them back (with `before`, not `age`).
[[nodiscard]] std::vector<std::pair<std::string_view, std::string>> filter_parts(const Filter& filter);

/// What a filter looks at.
struct FilterSubject {
    RecipientId id;
    std::string_view sender, address, domain, status, reply, held;
    RecipientState state = RecipientState::queued;
    Time received_at{};
};
[[nodiscard]] bool matches(const Filter& filter, const FilterSubject& subject);

/// ASCII letters are equal in both cases; `*` stands for any text, also none.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text);

/// "0123456789A.12": a place in the list of the queue.
[[nodiscard]] std::string to_cursor(const RecipientId& id);
[[nodiscard]] std::optional<RecipientId> parse_cursor(std::string_view text);

/// What a next-hop domain is called in the queue: A-labels in lower case, or an address literal as given.
[[nodiscard]] std::optional<std::string> parse_destination(std::string_view text);

}  // namespace sealpost::queue
