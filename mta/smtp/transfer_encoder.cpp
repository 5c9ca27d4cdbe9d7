#include "mta/smtp/transfer_encoder.hpp"

#include <algorithm>
#include <cstdint>

namespace sealpost {
namespace {

constexpr std::size_t max_column = 75;     // of 76: the last one is for the '=' of a soft line break
constexpr std::size_t octets_a_line = 57;  // 76 characters of base64

std::string hex_of(char c) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    const auto octet = static_cast<unsigned char>(c);
    return {'=', digits[octet >> 4U], digits[octet & 0xfU]};
}

void put_base64_line(std::string_view octets, std::string& out) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < octets.size(); i += 3) {
        const std::string_view group = octets.substr(i, 3);
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 3; ++j)
            bits = (bits << 8U) | (j < group.size() ? static_cast<unsigned char>(group[j]) : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            out += j <= group.size() ? alphabet[(bits >> (18U - 6U * j)) & 0x3fU] : '=';
    }
    out += "\r\n";
}

}  // namespace

void QuotedPrintable::append(std::string_view text, std::string& out) {
    for (const char& c : text) {
        put_blank(out);
        if (c == ' ' || c == '\t')
            blank_ = c;
        else if (c > ' ' && c <= '~' && c != '=')
            put({&c, 1}, out);
        else
            put(hex_of(c), out);
    }
}

void QuotedPrintable::end_line(std::string& out) {
    if (blank_ != '\0') put(hex_of(blank_), out);
    blank_ = '\0';
    out += "\r\n";
    column_ = 0;
}

void QuotedPrintable::put_blank(std::string& out) {
    if (blank_ == '\0') return;
    put({&blank_, 1}, out);
    blank_ = '\0';
}

void QuotedPrintable::put(std::string_view encoded, std::string& out) {
    if (column_ + encoded.size() > max_column) {
        out += "=\r\n";
        column_ = 0;
        // A line that starts in the middle of another must not look like a boundary of the multipart around
        // it.
        if (encoded == "-") return put("=2D", out);
    }
    out += encoded;
    column_ += encoded.size();
}

void Base64::append(std::string_view octets, std::string& out) {
    while (!octets.empty()) {
        const std::string_view piece = octets.substr(0, octets_a_line - line_.size());
        line_ += piece;
        octets.remove_prefix(piece.size());
        if (line_.size() < octets_a_line) return;
        put_base64_line(line_, out);
        line_.clear();
    }
}

void Base64::finish(std::string& out) {
    if (!line_.empty()) put_base64_line(line_, out);
    line_.clear();
}

}  // namespace sealpost
