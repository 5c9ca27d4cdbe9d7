#include "security/remote_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace sealpost::security {
namespace {

struct Decoded {
    char32_t code_point = 0;
    std::size_t length = 0;  ///< 0: no UTF-8 sequence starts here
};

/// The sequence at the start of `text`, by the table of RFC 3629 §4.
Decoded decode_utf8(std::string_view text) {
    const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    if (text.empty()) return {};
    const std::uint8_t first = octet(0);
    if (first < 0x80) return {first, 1};
    std::size_t length = 0;
    std::uint8_t low = 0x80;   // the second octet's range: this is where overlong forms,
    std::uint8_t high = 0xBF;  // surrogates and code points above U+10FFFF are shut out
    char32_t code_point = 0;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
        code_point = first & 0x1FU;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        code_point = first & 0x0FU;
        if (first == 0xE0) low = 0xA0;
        if (first == 0xED) high = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        code_point = first & 0x07U;
        if (first == 0xF0) low = 0x90;
        if (first == 0xF4) high = 0x8F;
    }
    if (length == 0 || text.size() < length) return {};
    for (std::size_t i = 1; i < length; ++i) {
        if (octet(i) < low || octet(i) > high) return {};
        code_point = (code_point << 6U) | (octet(i) & 0x3FU);
        low = 0x80;
        high = 0xBF;
    }
    return {code_point, length};
}

/// C0, DEL, C1, and the code points that I-JSON forbids (RFC 7493 §2.1: noncharacters).
bool is_unfit(char32_t c) {
    return c < 0x20 || (c >= 0x7F && c <= 0x9F) || (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFEU) == 0xFFFE;
}

}  // namespace

std::string printable(std::string_view text, std::size_t max) {
    constexpr std::string_view ellipsis = "...";
    std::string out;
    std::size_t fits = 0;  // how much of `out` may stay if an ellipsis must follow
    for (const char c : text) {
        if (c >= 0x20 && c < 0x7F && c != '\\')
            out.push_back(c);
        else
            fmt::format_to(std::back_inserter(out), "\\x{:02X}", static_cast<std::uint8_t>(c));
        if (out.size() > max) {
            out.resize(fits);
            return out.append(ellipsis);
        }
        if (out.size() + ellipsis.size() <= max) fits = out.size();
    }
    return out;
}

std::string printable_once(std::string_view text, std::size_t max) {
    const bool clean = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (!clean) return printable(text, max);
    return text.size() <= max ? std::string(text) : fmt::format("{}...", text.substr(0, max - 3));
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const Decoded next = decode_utf8(text);
        if (next.length == 0) return false;
        text.remove_prefix(next.length);
    }
    return true;
}

std::string i_json_text(std::string_view text, std::size_t max) {
    constexpr std::string_view replacement = "\xEF\xBF\xBD";
    std::string out;
    while (!text.empty()) {
        const Decoded next = decode_utf8(text);
        const bool fit = next.length != 0 && !is_unfit(next.code_point);
        const std::size_t taken = std::max<std::size_t>(next.length, 1);
        const std::string_view piece = fit ? text.substr(0, taken) : replacement;
        if (out.size() + piece.size() > max) break;
        out.append(piece);
        text.remove_prefix(taken);
    }
    return out;
}

}  // namespace sealpost::security
