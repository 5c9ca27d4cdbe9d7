/// \file The queue as the JSON of the admin API.
///
/// Shape    objects with "schema": 1. Text from outside is I-JSON (security/remote_text.hpp); times are
///          RFC 3339 in UTC with milliseconds; what is not known is left out.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/admin/request.hpp"
#include "queue/reader.hpp"
#include "queue/shape.hpp"

namespace sealpost::admin {

inline constexpr int schema = 1;

[[nodiscard]] std::string page_json(const queue::Page& page);
[[nodiscard]] std::string message_json(const queue::MessageDetail& message);
[[nodiscard]] std::string trace_json(queue::MessageId id, const std::vector<queue::Attempt>& attempts);
/// `more`: there are further domains after the last of these.
[[nodiscard]] std::string domains_json(const std::vector<Domain>& domains, bool more);

/// What a filter found.
struct QueueCount {
    std::uint64_t messages = 0;
    std::uint64_t recipients = 0;
    std::uint64_t domains = 0;
    std::optional<queue::RecipientId> last;
    bool complete = true;  ///< false: there may be more
};
[[nodiscard]] std::string count_json(const QueueCount& count);
[[nodiscard]] std::string shape_json(const queue::Shape::Table& table, ShapeBy by, bool complete);
[[nodiscard]] std::string changed_json(QueueChange change, const Changed& changed,
                                       const std::optional<queue::RecipientId>& next);

/// "2026-10-14T08:00:00.123Z"
[[nodiscard]] std::string format_time(queue::Time time);
[[nodiscard]] std::optional<queue::Time> parse_time(std::string_view text);

}  // namespace sealpost::admin
