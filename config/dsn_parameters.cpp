#include "config/dsn_parameters.hpp"

#include <algorithm>
#include <cstdint>

#include "config/keyword.hpp"
#include "config/utf8.hpp"
#include "config/xtext.hpp"

namespace sealpost {
namespace {

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// What a delivery status can hold of it (§4.2, §4.4): no control character, nothing above 126.
bool is_graphic(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
}

/// RFC 5322 §3.2.3, without comments and blanks.
bool is_atom(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
    });
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xC0U | code >> 6U);
        byte(0x80U | (code & 0x3FU));
    } else if (code < 0x10000) {
        byte(0xE0U | code >> 12U);
        byte(0x80U | (code >> 6U & 0x3FU));
        byte(0x80U | (code & 0x3FU));
    } else {
        byte(0xF0U | code >> 18U);
        byte(0x80U | (code >> 12U & 0x3FU));
        byte(0x80U | (code >> 6U & 0x3FU));
        byte(0x80U | (code & 0x3FU));
    }
}

/// The code point of "\x{HEX}" at the start of `text`, which loses it; nullopt: there is none, or it stands
/// for what must not be in an address (a control character, a surrogate).
std::optional<std::uint32_t> take_embedded(std::string_view& text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    if (!text.starts_with("\\x{")) return std::nullopt;
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos || end < 5 || end > 9) return std::nullopt;
    std::uint32_t code = 0;
    for (const char c : text.substr(3, end - 3)) {
        const std::size_t digit = digits.find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        code = code << 4U | static_cast<std::uint32_t>(digit);
    }
    if (code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF)
        return std::nullopt;
    text.remove_prefix(end + 1);
    return code;
}

/// utf-8-addr-unitext and -xtext of RFC 6533 §3, decoded; nullopt: neither.
std::optional<std::string> decode_unitext(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        if (text.front() == '+' || text.front() == '=') return std::nullopt;
        if (text.front() == '\\') {
            const std::optional<std::uint32_t> code = take_embedded(text);
            if (!code) return std::nullopt;
            append_utf8(out, *code);
            continue;
        }
        out += text.front();
        text.remove_prefix(1);
    }
    return out;
}

/// xtext in which UTF-8 may stand as well, but for the control characters of C1.
bool is_utf8_xtext(std::string_view text) {
    std::string ascii;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) {
            if (static_cast<unsigned char>(text.front()) >= 0x80) return false;
            ascii += text.front();
        } else if (text.front() == '\xC2' && static_cast<unsigned char>(text[1]) < 0xA0) {
            return false;
        }
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return decode_xtext(ascii).has_value();
}

}  // namespace

Result<Ret> parse_ret(std::string_view value) {
    if (same_keyword(value, "FULL")) return Ret::full;
    if (same_keyword(value, "HDRS")) return Ret::headers;
    return fail(Errc::invalid, "RET= is FULL or HDRS");
}

std::string_view to_string(Ret ret) {
    switch (ret) {
        case Ret::full:
            return "FULL";
        case Ret::headers:
            return "HDRS";
        case Ret::unset:
            break;
    }
    return {};
}

Result<Notify> parse_notify(std::string_view value) {
    Notify wants{.success = false, .failure = false, .delay = false};
    if (same_keyword(value, "NEVER")) return wants;
    if (value.size() > max_notify)
        return fail(Errc::invalid, fmt::format("NOTIFY= has at most {} octets", max_notify));
    for (bool more = true; more;) {
        const std::size_t comma = value.find(',');
        const std::string_view word = value.substr(0, comma);
        more = comma != std::string_view::npos;
        if (more) value.remove_prefix(comma + 1);
        if (same_keyword(word, "SUCCESS"))
            wants.success = true;
        else if (same_keyword(word, "FAILURE"))
            wants.failure = true;
        else if (same_keyword(word, "DELAY"))
            wants.delay = true;
        else
            return fail(Errc::invalid, "NOTIFY= is NEVER alone, or of SUCCESS,FAILURE,DELAY one or more");
    }
    return wants;
}

Notify notify_or_default(std::string_view value) {
    return value.empty() ? Notify{} : parse_notify(value).value_or(Notify{});
}

Result<OriginalRecipient> parse_orcpt(std::string_view value) {
    if (value.size() > max_orcpt)
        return fail(Errc::invalid, fmt::format("ORCPT= has at most {} octets", max_orcpt));
    const std::size_t semicolon = std::min(value.find(';'), value.size());
    const std::string_view type = value.substr(0, semicolon);
    const std::string_view encoded = value.substr(std::min(semicolon + 1, value.size()));
    if (!is_atom(type) || encoded.empty())
        return fail(Errc::invalid, "ORCPT= is an address type, a semicolon and an address in xtext");
    OriginalRecipient out{.type = std::string(type), .address = {}};
    if (same_keyword(type, "UTF-8")) {
        if (!is_utf8_xtext(encoded))
            return fail(Errc::invalid, "ORCPT= of the type utf-8 holds what is neither xtext nor UTF-8");
        out.address = decode_unitext(encoded).value_or(std::string(encoded));
        return out;
    }
    if (!is_ascii(encoded))
        return fail(Errc::invalid, "ORCPT= holds octets that are not ASCII: their type is utf-8");
    std::optional<std::string> decoded = decode_xtext(encoded);
    if (!decoded || !is_graphic(*decoded))
        return fail(
            Errc::invalid,
            "ORCPT= is not xtext of printable characters: '+' and two upper-case hex digits for an octet");
    out.address = *std::move(decoded);
    return out;
}

Result<std::string> parse_envid(std::string_view value) {
    if (value.empty()) return fail(Errc::invalid, "ENVID= needs a value");
    if (value.size() > max_envid)
        return fail(Errc::invalid, fmt::format("ENVID= has at most {} octets", max_envid));
    std::optional<std::string> decoded = decode_xtext(value);
    if (!decoded || !is_graphic(*decoded))
        return fail(
            Errc::invalid,
            "ENVID= is not xtext of printable characters: '+' and two upper-case hex digits for an octet");
    return *std::move(decoded);
}

}  // namespace sealpost
