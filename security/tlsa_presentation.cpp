#include "security/tlsa_presentation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

#include "config/keyword.hpp"
#include "security/remote_text.hpp"
#include "security/tlsa.hpp"

namespace sealpost::security {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Words = std::span<const std::string_view>;

constexpr std::size_t max_rdata = 65535;
constexpr std::string_view white_space = " \t\r\n";
constexpr std::string_view unknown_rdata = "\\#";  // RFC 3597 §5

tl::unexpected<Error> wrong(std::string_view word, std::string_view what) {
    return fail(Errc::invalid, fmt::format("'{}' is not {}", printable(word, 60), what));
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> words;
    while (true) {
        text.remove_prefix(std::min(text.find_first_not_of(white_space), text.size()));
        if (text.empty()) return words;
        const std::size_t end = std::min(text.find_first_of(white_space), text.size());
        words.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
}

std::optional<std::uint8_t> digit_of(char c) {
    if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
    return std::nullopt;
}

/// Appends what `words` hold; the two digits of an octet may stand in two words.
Result<void> read_hex(Words words, Bytes& out) {
    std::optional<std::uint8_t> high;
    for (const std::string_view word : words) {
        for (const char c : word) {
            const std::optional<std::uint8_t> digit = digit_of(c);
            if (!digit) return wrong(word, "made of hexadecimal digits");
            if (!high) {
                high = digit;
                continue;
            }
            out.push_back(static_cast<std::uint8_t>((*high << 4U) | *digit));
            high.reset();
            if (out.size() > max_rdata) return fail(Errc::invalid, "more than 65535 octets of RDATA");
        }
    }
    if (high) return fail(Errc::invalid, "an odd number of hexadecimal digits");
    return {};
}

/// The whole of `word` as a decimal number of at most `max`.
std::optional<unsigned> read_number(std::string_view word, unsigned max) {
    unsigned value = 0;
    const auto [at, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || at != word.data() + word.size() || value > max) return std::nullopt;
    return value;
}

/// One of the three fields, by number or by acronym.
Result<std::uint8_t> read_field(std::string_view word, std::string_view (*acronym)(std::uint8_t),
                                std::string_view what) {
    if (const std::optional<unsigned> number = read_number(word, 255))
        return static_cast<std::uint8_t>(*number);
    for (unsigned value = 0; value <= 255; ++value) {
        const std::string_view name = acronym(static_cast<std::uint8_t>(value));
        if (name != "unassigned" && same_keyword(word, name)) return static_cast<std::uint8_t>(value);
    }
    return wrong(word, fmt::format("a {} (0 to 255, or its acronym)", what));
}

Result<Bytes> read_unknown(Words words) {
    const std::optional<unsigned> length =
        words.empty() ? std::nullopt : read_number(words.front(), max_rdata);
    if (!length) return fail(Errc::invalid, "no length from 0 to 65535 after '\\#'");
    Bytes out;
    if (const Result<void> ok = read_hex(words.subspan(1), out); !ok) return tl::unexpected(ok.error());
    if (out.size() != *length)
        return fail(Errc::invalid, fmt::format("{} octets follow a length of {}", out.size(), *length));
    return out;
}

Result<Bytes> read_fields(Words words) {
    const Result<std::uint8_t> usage = read_field(words[0], usage_acronym, "certificate usage");
    if (!usage) return tl::unexpected(usage.error());
    const Result<std::uint8_t> selector = read_field(words[1], selector_acronym, "selector");
    if (!selector) return tl::unexpected(selector.error());
    const Result<std::uint8_t> mtype = read_field(words[2], matching_type_acronym, "matching type");
    if (!mtype) return tl::unexpected(mtype.error());
    Bytes out{*usage, *selector, *mtype};
    if (const Result<void> ok = read_hex(words.subspan(3), out); !ok) return tl::unexpected(ok.error());
    return out;
}

}  // namespace

Result<Bytes> parse_tlsa_presentation(std::string_view text) {
    if (text.size() > max_tlsa_presentation)
        return fail(Errc::invalid, fmt::format("longer than {} octets", max_tlsa_presentation));
    const std::vector<std::string_view> words = split(text);
    if (words.empty()) return fail(Errc::invalid, "empty");
    if (words.front() == unknown_rdata) return read_unknown(Words(words).subspan(1));
    if (words.size() >= 4) return read_fields(words);
    if (words.size() > 1)
        return fail(Errc::invalid, "usage, selector, matching type and data are not all there");
    Bytes out;
    if (const Result<void> ok = read_hex(words, out); !ok) return tl::unexpected(ok.error());
    return out;
}

}  // namespace sealpost::security
