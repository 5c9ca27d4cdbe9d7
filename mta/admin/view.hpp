/// \file The queue as the JSON of the admin API.
///
/// Shape    objects with "schema": 1. Text from outside is I-JSON (security/remote_text.hpp); times are
///          RFC 3339 in UTC with milliseconds; what is not known is left out.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/reader.hpp"

namespace sealpost::admin {

inline constexpr int schema = 1;

[[nodiscard]] std::string page_json(const queue::Page& page);
[[nodiscard]] std::string message_json(const queue::MessageDetail& message);
[[nodiscard]] std::string trace_json(queue::MessageId id, const std::vector<queue::Attempt>& attempts);
/// `more`: there are further domains after the last of these.
[[nodiscard]] std::string domains_json(const std::vector<Domain>& domains, bool more);
[[nodiscard]] std::string retried_json(std::size_t count, const std::optional<std::string>& next);
[[nodiscard]] std::string removed_json(queue::MessageId id);

/// "2026-10-14T08:00:00.123Z"
[[nodiscard]] std::string format_time(queue::Time time);
[[nodiscard]] std::optional<queue::Time> parse_time(std::string_view text);

}  // namespace sealpost::admin
