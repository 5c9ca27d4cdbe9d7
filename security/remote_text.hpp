/// \file Text that came from outside, made fit to be shown or sent on.
///
/// Owns     the two forms in which remote octets leave us: printable ASCII (logs, errors, traces) and I-JSON
///          strings (reports).
/// Source   RFC 3629 §3-4 (UTF-8); RFC 7493 §2.1 (I-JSON strings); conformance RPT-24.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace sealpost::security {

/// Printable ASCII; every other octet and the backslash as \xNN. Never longer than `max` (at least 3); a
/// longer text is cut and ends in "...".
[[nodiscard]] std::string printable(std::string_view text, std::size_t max = 120);

/// The same for text that may have been through printable() before: what is printable already stays as it is,
/// so that an escape stays readable.
[[nodiscard]] std::string printable_once(std::string_view text, std::size_t max);

/// Strict UTF-8: no overlong form, no surrogate, nothing above U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

/// Valid UTF-8 without control characters and noncharacters; each offending octet or character becomes
/// U+FFFD. At most `max` octets, cut between characters.
[[nodiscard]] std::string i_json_text(std::string_view text, std::size_t max);

}  // namespace sealpost::security
