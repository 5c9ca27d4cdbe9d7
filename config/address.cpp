#include "config/address.hpp"

#include <algorithm>

#include "config/utf8.hpp"

namespace sealpost {
namespace {

constexpr std::size_t max_local = 64;     // RFC 5321 §4.5.3.1.1
constexpr std::size_t max_address = 254;  // a path of 256 octets (§4.5.3.1.3) without its "<" and ">"

bool is_ascii(char c) {
    return static_cast<unsigned char>(c) < 0x80;
}

/// RFC 5322 §3.2.3.
bool is_atext(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

/// The octets of the quoted string at the start of `text` (RFC 5321 §4.1.2), or 0 where it is not one.
std::size_t quoted_length(std::string_view text) {
    for (std::size_t i = 1; i < text.size();) {
        const char c = text[i];
        if (c == '"') return i + 1;
        if (!is_ascii(c)) {
            const std::size_t length = utf8_length(text.substr(i));
            if (length == 0) return 0;
            i += length;
            continue;
        }
        if (c == '\\' && ++i == text.size()) return 0;
        if (text[i] < 0x20 || text[i] > 0x7e) return 0;
        ++i;
    }
    return 0;
}

/// The octets of the dot-string at the start of `text`, or 0 where it is not one.
std::size_t dot_string_length(std::string_view text) {
    std::size_t i = 0;
    bool after_dot = true;
    while (i < text.size()) {
        std::size_t length = 1;
        if (text[i] == '.') {
            if (after_dot) return 0;
        } else if (is_ascii(text[i])) {
            if (!is_atext(text[i])) break;
        } else {
            length = utf8_length(text.substr(i));
            if (length == 0) return 0;
        }
        after_dot = text[i] == '.';
        i += length;
    }
    return after_dot ? 0 : i;
}

Result<std::variant<Domain, IpAddress>> parse_literal(std::string_view text) {
    const auto bad = [] {
        return fail(Errc::invalid, "an address literal is [192.0.2.1] or [IPv6:2001:db8::1]");
    };
    if (text.size() < 2 || text.back() != ']') return bad();
    std::string_view inner = text.substr(1, text.size() - 2);
    constexpr std::string_view tag = "ipv6:";
    const bool tagged = inner.size() > tag.size() &&
                        std::equal(tag.begin(), tag.end(), inner.begin(),
                                   [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
    if (tagged) inner.remove_prefix(tag.size());
    const Result<IpAddress> address = IpAddress::parse(inner);
    if (!address || address->is_v4() == tagged) return bad();
    return *address;
}

Result<std::variant<Domain, IpAddress>> parse_host(std::string_view text) {
    if (text.empty()) return fail(Errc::invalid, "the domain is missing after the '@'");
    if (text.front() == '[') return parse_literal(text);
    // Domain takes the DNS form with its trailing dot; RFC 5321 §4.1.2 does not know it.
    if (text.back() == '.') return fail(Errc::invalid, "the domain ends with a dot");
    if (IpAddress::parse(text)) return fail(Errc::invalid, "an IP address as domain must stand in brackets");
    Result<Domain> domain = Domain::parse(text);
    if (!domain) return tl::unexpected(std::move(domain).error());
    return *std::move(domain);
}

}  // namespace

Result<Address> Address::parse(std::string_view text, AddressCharset charset) {
    if (text.empty()) return fail(Errc::invalid, "empty address");
    // U-labels are longer than A-labels at most fourfold; bounds what is scanned at all.
    if (text.size() > 4 * max_address) return fail(Errc::invalid, "address longer than 254 octets");
    if (charset == AddressCharset::ascii && !std::all_of(text.begin(), text.end(), is_ascii))
        return fail(Errc::invalid, "the address holds octets that are not ASCII");
    const std::size_t length = text.front() == '"' ? quoted_length(text) : dot_string_length(text);
    if (length == 0) return fail(Errc::invalid, "the part before the '@' is neither a dot-string nor quoted");
    if (length > max_local) return fail(Errc::invalid, "the part before the '@' is longer than 64 octets");
    if (length == text.size()) return fail(Errc::invalid, "the '@' is missing");
    if (text[length] != '@')
        return fail(Errc::invalid, "a character that must be quoted stands before the '@'");
    Result<std::variant<Domain, IpAddress>> host = parse_host(text.substr(length + 1));
    if (!host) return tl::unexpected(std::move(host).error());
    Address address(std::string(text.substr(0, length)), *std::move(host));
    if (address.str().size() > max_address) return fail(Errc::invalid, "address longer than 254 octets");
    return address;
}

std::string Address::host_str() const {
    if (const Domain* name = domain()) return name->str();
    const IpAddress& ip = std::get<IpAddress>(host_);
    return ip.is_v4() ? fmt::format("[{}]", ip.str()) : fmt::format("[IPv6:{}]", ip.str());
}

bool Address::needs_utf8() const {
    return !std::all_of(local_.begin(), local_.end(), is_ascii);
}

}  // namespace sealpost
