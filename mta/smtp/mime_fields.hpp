/// \file ContentType, TransferEncoding: the two MIME fields that say how a body is built.
///
/// Shape    the value of a field as it stands behind the ':', folded lines and comments included. Type,
///          subtype and encoding come out in lower case, the boundary as written.
/// Limits   a boundary has at most max_boundary octets of printable ASCII; RFC 2046 allows 70.
/// Errors   what cannot be read is said so (no value, TransferEncoding::unknown) and never guessed.
/// Source   RFC 2045 §5.1, §6.1; RFC 2046 §5.1.1; RFC 5322 §3.2.2 (comments), §3.2.4 (quoted strings).
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

inline constexpr std::size_t max_boundary = 200;

struct ContentType {
    std::string type;
    std::string subtype;
    std::string boundary;  ///< empty: none that can be used, or more than one
};

/// No value where type and subtype cannot be read.
[[nodiscard]] std::optional<ContentType> parse_content_type(std::string_view value);

enum class TransferEncoding { seven_bit, eight_bit, binary, quoted_printable, base64, unknown };

[[nodiscard]] TransferEncoding parse_transfer_encoding(std::string_view value);

}  // namespace sealpost
