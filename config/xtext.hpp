/// \file xtext: how the values of ENVID and ORCPT travel in a command.
///
/// Shape    printable ASCII without blank, '+' and '='; every other octet as '+' and two upper-case hex
/// digits. Source   RFC 3461 §4.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sealpost {

/// nullopt: not xtext.
[[nodiscard]] std::optional<std::string> decode_xtext(std::string_view text);

/// No octet is encoded that may stand as it is, so that the result is unique.
[[nodiscard]] std::string encode_xtext(std::string_view octets);

}  // namespace sealpost
