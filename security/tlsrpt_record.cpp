#include "security/tlsrpt_record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "config/address.hpp"
#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

constexpr std::string_view version = "v=TLSRPTv1";
constexpr std::size_t max_destinations = 10;
constexpr std::size_t max_skipped = 10;
constexpr std::size_t max_uri = 2048;

std::string_view trim(std::string_view text) {
    constexpr std::string_view white_space = " \t";
    text.remove_prefix(std::min(text.find_first_not_of(white_space), text.size()));
    return text.substr(0, text.find_last_not_of(white_space) + 1);
}

bool is_alnum(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// RFC 3986 §2 without ',', '!' and ';', which must be encoded here (RPT-09).
bool is_uri_char(char c) {
    return is_alnum(c) || std::string_view("-._~:/?#[]@$&'()*+=%").find(c) != std::string_view::npos;
}

std::optional<std::uint8_t> hex_digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
    if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
    if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
    return std::nullopt;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i]);
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const std::optional<std::uint8_t> high = hex_digit(text[i + 1]);
        const std::optional<std::uint8_t> low = hex_digit(text[i + 2]);
        if (!high || !low) return std::nullopt;
        out.push_back(static_cast<char>((*high << 4U) | *low));
        i += 2;
    }
    return out;
}

/// The rest of `uri` after its scheme and colon; schemes know no case (RFC 3986 §3.1).
std::optional<std::string_view> after_scheme(std::string_view uri, std::string_view scheme) {
    if (uri.size() <= scheme.size() || uri[scheme.size()] != ':') return std::nullopt;
    const bool same = std::equal(scheme.begin(), scheme.end(), uri.begin(), [](char a, char b) {
        return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b);
    });
    return same ? std::optional(uri.substr(scheme.size() + 1)) : std::nullopt;
}

Result<ReportDestination> parse_mailto(std::string_view rest) {
    const std::optional<std::string> text = percent_decoded(rest.substr(0, rest.find('?')));
    if (!text) return fail(Errc::invalid, "broken percent encoding");
    const Result<Address> address = Address::parse(*text);
    if (!address) return fail(Errc::invalid, printable(address.error().text));
    if (!address->domain()) return fail(Errc::invalid, "an address literal instead of a domain");
    return ReportDestination{ReportVia::mail, address->str()};
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
    return ec == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

Result<ReportDestination> parse_https(std::string_view uri, std::string_view rest) {
    if (!rest.starts_with("//")) return fail(Errc::invalid, "no host");
    if (!percent_decoded(rest)) return fail(Errc::invalid, "broken percent encoding");
    rest.remove_prefix(2);
    // A user name would be sent to that host, and hides which host it is; neither name nor port can hold its
    // '@'.
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    const std::size_t colon = authority.find(':');
    if (!Domain::parse(authority.substr(0, colon))) return fail(Errc::invalid, "no host name");
    if (colon != std::string_view::npos && !is_port(authority.substr(colon + 1)))
        return fail(Errc::invalid, "not a port number");
    return ReportDestination{ReportVia::https, std::string(uri)};
}

void take_rua(TlsrptRecord& record, std::string_view list) {
    const auto skip = [&](std::string_view uri, std::string_view why) {
        if (record.skipped.size() < max_skipped)
            record.skipped.push_back(fmt::format("'{}': {}", printable(uri, 80), why));
    };
    while (true) {
        const std::size_t comma = list.find(',');
        const std::string_view uri = trim(list.substr(0, comma));
        Result<ReportDestination> one = parse_report_destination(uri);
        auto& kept = record.destinations;
        if (!one)
            skip(uri, one.error().text);
        else if (kept.size() >= max_destinations)
            skip(uri, fmt::format("more than {} destinations", max_destinations));
        else if (std::find(kept.begin(), kept.end(), *one) == kept.end())
            kept.push_back(std::move(*one));
        if (comma == std::string_view::npos) return;
        list.remove_prefix(comma + 1);
    }
}

}  // namespace

Result<ReportDestination> parse_report_destination(std::string_view uri) {
    if (uri.size() > max_uri) return fail(Errc::invalid, fmt::format("longer than {} octets", max_uri));
    if (!std::all_of(uri.begin(), uri.end(), is_uri_char))
        return fail(Errc::invalid, "a character that must be percent-encoded");
    if (const auto rest = after_scheme(uri, "mailto")) return parse_mailto(*rest);
    if (const auto rest = after_scheme(uri, "https")) return parse_https(uri, *rest);
    return fail(Errc::invalid, "neither a mailto nor an https URI");
}

Result<TlsrptRecord> parse_tlsrpt_record(std::string_view text) {
    const Result<std::vector<TxtField>> fields = parse_versioned_txt(text, version);
    if (!fields) return fail("TLS-RPT record", fields.error());
    TlsrptRecord record;
    bool has_rua = false;
    for (const TxtField& field : *fields) {
        if (field.name == "rua") {
            has_rua = has_rua || !field.value.empty();
            if (!field.value.empty()) take_rua(record, field.value);
        } else if (!is_txt_extension_value(field.value)) {
            return fail(Errc::invalid, fmt::format("TLS-RPT record: field '{}' has the malformed value '{}'",
                                                   field.name, printable(field.value, 60)));
        }
    }
    if (!has_rua) return fail(Errc::invalid, "TLS-RPT record without a rua");
    return record;
}

TxtSelection<TlsrptRecord> select_tlsrpt_record(const std::vector<std::string>& txts) {
    return select_versioned_txt<TlsrptRecord>(txts, version, parse_tlsrpt_record);
}

}  // namespace sealpost::security
