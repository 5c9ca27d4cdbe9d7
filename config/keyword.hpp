/// \file Words that compare without case: keywords of a protocol, names of header fields, domains.
///
/// Shape    ASCII letters alone have a case; other octets are what they are, whatever the locale.
/// Source   RFC 5321 §2.4, RFC 5322 §1.2.2, RFC 4343.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

namespace sealpost {

[[nodiscard]] constexpr char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] inline std::string ascii_lower(std::string text) {
    for (char& c : text) c = ascii_lower(c);
    return text;
}

[[nodiscard]] inline bool same_keyword(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return ascii_lower(x) == ascii_lower(y); });
}

}  // namespace sealpost
