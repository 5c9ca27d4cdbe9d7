/// \file UTF-8: where one character ends.
///
/// Source   RFC 3629 §4.
#pragma once
#include <cstddef>
#include <string_view>

namespace sealpost {

/// The octets of the character at the start of `text`, or 0 where there is none: a plain ASCII octet, an
/// overlong form, a surrogate, something above U+10FFFF, or a part of one.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

}  // namespace sealpost
