#include "config/xtext.hpp"

namespace sealpost {
namespace {

constexpr std::string_view hex = "0123456789ABCDEF";

bool is_xchar(char c) {
    return c >= '!' && c <= '~' && c != '+' && c != '=';
}

}  // namespace

std::optional<std::string> decode_xtext(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (is_xchar(text[i])) {
            out += text[i];
            continue;
        }
        if (text[i] != '+' || text.size() - i < 3) return std::nullopt;
        const std::size_t high = hex.find(text[i + 1]);
        const std::size_t low = hex.find(text[i + 2]);
        if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
        out += static_cast<char>(high << 4U | low);
        i += 2;
    }
    return out;
}

std::string encode_xtext(std::string_view octets) {
    std::string out;
    out.reserve(octets.size());
    for (const char c : octets) {
        if (is_xchar(c)) {
            out += c;
            continue;
        }
        const auto octet = static_cast<unsigned char>(c);
        out += '+';
        out += hex[octet >> 4U];
        out += hex[octet & 15U];
    }
    return out;
}

}  // namespace sealpost
