/// \file Answers of the daemon as text for a terminal.
///
/// Shape    lines; ASCII without control characters, whatever stood in the answer. No colours.
/// Errors   Errc::protocol - not an answer of the schema that this program knows.
#pragma once
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/result.hpp"
#include "queue/message.hpp"

namespace sealpost::cli {

/// An object with "schema": 1.
[[nodiscard]] Result<boost::json::object> parse_answer(std::string_view body);
/// "what is wrong; what to do", from the body of a refusal.
[[nodiscard]] std::string render_refusal(unsigned status, std::string_view body);

/// Members of an answer, which is input like any other: nullopt, or none, where one is missing or of another
/// type.
[[nodiscard]] std::optional<std::string> string_at(const boost::json::object& object, std::string_view name);
[[nodiscard]] std::uint64_t count_at(const boost::json::object& object, std::string_view name);
[[nodiscard]] boost::json::array take_array(boost::json::object& object, std::string_view name);

/// The table of `queue list`: its head, and lines for rows of a page.
[[nodiscard]] std::string queue_table_head();
[[nodiscard]] std::string render_rows(const boost::json::array& rows, queue::Time now);
[[nodiscard]] std::string render_message(const boost::json::object& message, queue::Time now);
/// The table of `queue shape`: a line for each domain, a column for each age.
[[nodiscard]] std::string render_shape(const boost::json::object& shape);
/// All attempts in the words of security::render_trace.
[[nodiscard]] std::string render_attempts(const boost::json::object& trace);
/// Any object as "name: value" lines, members of inner objects as "outer.inner".
[[nodiscard]] std::string render_members(const boost::json::object& object);

/// Indented JSON that ends in a line break. Errc::protocol - not JSON.
[[nodiscard]] Result<std::string> indent_json(std::string_view text);

/// "45s", "12m", "3h12m", "2d3h".
[[nodiscard]] std::string render_duration(std::chrono::milliseconds duration);
/// "512", "1.5K", "20.0M".
[[nodiscard]] std::string render_size(std::uint64_t octets);

}  // namespace sealpost::cli
