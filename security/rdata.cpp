#include "security/rdata.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>

namespace sealpost::security {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t max_rdata = 65535;
constexpr std::size_t max_wire_name = 255;  // RFC 1035 §2.3.4, root label included
constexpr std::size_t max_label = 63;

void append_label(std::string& text, Bytes label) {
    for (const std::uint8_t octet : label) {
        const char c = static_cast<char>(octet);
        if (octet <= 0x20 || octet >= 0x7F)
            fmt::format_to(std::back_inserter(text), "\\{:03}", octet);
        else if (c == '.' || c == '\\')
            text.append({'\\', c});
        else
            text.push_back(c);
    }
}

/// The one name that `wire` consists of, in presentation format without the trailing dot; "." for the root.
Result<std::string> parse_name(Bytes wire) {
    if (wire.size() > max_wire_name) return fail(Errc::invalid, "name longer than 255 octets");
    std::string text;
    std::size_t at = 0;
    while (true) {
        if (at >= wire.size()) return fail(Errc::invalid, "name without its end");
        const std::size_t length = wire[at++];
        if (length == 0) break;
        // 0xC0 would be a compression pointer, 0x40 and 0x80 label types that nobody uses.
        if (length > max_label) return fail(Errc::invalid, "name with a compressed or unknown label");
        if (wire.size() - at < length) return fail(Errc::invalid, "label runs past the end of the record");
        if (!text.empty()) text.push_back('.');
        append_label(text, wire.subspan(at, length));
        at += length;
    }
    if (at != wire.size()) return fail(Errc::invalid, "octets after the name");
    return text.empty() ? std::string(".") : text;
}

}  // namespace

Result<MxRdata> parse_mx_rdata(Bytes rdata) {
    if (rdata.size() < 3) return fail(Errc::invalid, "MX record shorter than 3 octets");
    Result<std::string> exchange = parse_name(rdata.subspan(2));
    if (!exchange) return fail("MX record", exchange.error());
    MxRdata mx;
    mx.preference = static_cast<std::uint16_t>((rdata[0] << 8U) | rdata[1]);
    mx.exchange = std::move(*exchange);
    // The text is ASCII by now, so that Domain::parse cannot take raw octets for a U-label.
    if (Result<Domain> host = Domain::parse(mx.exchange)) mx.host = std::move(*host);
    return mx;
}

Result<Domain> parse_cname_rdata(Bytes rdata) {
    const Result<std::string> target = parse_name(rdata);
    if (!target) return fail("CNAME record", target.error());
    Result<Domain> domain = Domain::parse(*target);
    if (!domain) return fail("CNAME record", domain.error());
    return domain;
}

Result<IpAddress> parse_address_rdata(Bytes rdata) {
    return IpAddress::from_bytes(rdata);
}

Result<std::string> parse_txt_rdata(Bytes rdata) {
    if (rdata.empty()) return fail(Errc::invalid, "TXT record without a string");
    if (rdata.size() > max_rdata) return fail(Errc::invalid, "TXT record longer than 65535 octets");
    std::string text;
    text.reserve(rdata.size());
    while (!rdata.empty()) {
        const std::size_t length = rdata.front();
        rdata = rdata.subspan(1);
        if (length > rdata.size()) return fail(Errc::invalid, "TXT string runs past the end of the record");
        for (const std::uint8_t octet : rdata.first(length)) text.push_back(static_cast<char>(octet));
        rdata = rdata.subspan(length);
    }
    return text;
}

}  // namespace sealpost::security
