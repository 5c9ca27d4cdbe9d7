#include "config/spki_pin.hpp"

#include <algorithm>
#include <optional>

namespace sealpost {
namespace {

constexpr std::size_t hex_length = 64;
constexpr std::size_t base64_length = 44;  // 32 octets, with one '=' at the end

std::optional<unsigned> hex_value(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return std::nullopt;
}

std::optional<unsigned> base64_value(char c) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::size_t at = alphabet.find(c);
    if (at == std::string_view::npos) return std::nullopt;
    return static_cast<unsigned>(at);
}

std::optional<SpkiPin> from_hex(std::string_view text) {
    std::string digits(text);
    if (digits.size() == hex_length + 31) {  // "AB:CD:..."
        for (std::size_t i = 2; i < digits.size(); i += 3)
            if (digits[i] != ':') return std::nullopt;
        std::erase(digits, ':');
    }
    if (digits.size() != hex_length) return std::nullopt;
    SpkiPin pin;
    for (std::size_t i = 0; i < pin.digest.size(); ++i) {
        const auto high = hex_value(digits[2 * i]);
        const auto low = hex_value(digits[2 * i + 1]);
        if (!high || !low) return std::nullopt;
        pin.digest[i] = static_cast<std::uint8_t>(*high << 4U | *low);
    }
    return pin;
}

std::optional<SpkiPin> from_base64(std::string_view text) {
    if (text.size() != base64_length || text.back() != '=') return std::nullopt;
    text.remove_suffix(1);
    SpkiPin pin;
    std::size_t filled = 0;
    unsigned bits = 0;
    unsigned held = 0;
    for (const char c : text) {
        const auto value = base64_value(c);
        if (!value) return std::nullopt;
        held = held << 6U | *value;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        pin.digest[filled++] = static_cast<std::uint8_t>(held >> bits);
        held &= (1U << bits) - 1;
    }
    // The two left-over bits must be zero, or two texts would mean one pin.
    return held == 0 ? std::optional(pin) : std::nullopt;
}

}  // namespace

Result<SpkiPin> SpkiPin::parse(std::string_view text) {
    if (const auto pin = from_hex(text)) return *pin;
    if (const auto pin = from_base64(text)) return *pin;
    return fail(Errc::invalid,
                fmt::format("'{}' is no SHA-256 digest: 64 hexadecimal digits, or 44 characters of base64",
                            text.substr(0, 100)));
}

std::string SpkiPin::str() const {
    std::string out;
    for (const std::uint8_t octet : digest) out += fmt::format("{:02x}", octet);
    return out;
}

}  // namespace sealpost
