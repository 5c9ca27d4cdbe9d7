/// \file Lines of a notice: fields and paragraphs, folded; words from outside in one printable line. For
/// queue/dsn*.cpp alone.
///
/// Source   RFC 5322 §2.2.3 (folding), §3.3 (dates).
#pragma once
#include <string>
#include <string_view>

#include "queue/message.hpp"

namespace sealpost::queue {

inline constexpr std::size_t max_reply = 800;  ///< octets of a reply or a reason

[[nodiscard]] bool has_8bit(std::string_view text);

/// RFC 5322 §3.3, always in UTC.
[[nodiscard]] std::string date_time(Time at);

/// "name: value" with its CRLF, folded before column 78 where there is a space. `value` is printable.
[[nodiscard]] std::string field(std::string_view name, std::string_view value);

/// Wrapped at 72 columns, each line behind `indent`, with the last CRLF.
[[nodiscard]] std::string paragraph(std::string_view text, std::string_view indent = "");

/// Line ends and tabs become blanks, what else is not printable ASCII becomes visible.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t max);

}  // namespace sealpost::queue
