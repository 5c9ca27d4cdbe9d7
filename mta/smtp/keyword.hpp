/// \file same_keyword(): words of the protocol and names of header fields compare without case.
///
/// Source   RFC 5321 §2.4, RFC 5322 §1.2.2: ASCII letters alone have one; other octets are what they are.
#pragma once
#include <algorithm>
#include <string_view>

namespace sealpost {

[[nodiscard]] inline bool same_keyword(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace sealpost
