/// \file DNS answers as a test wants them, in the wire format that the resolver hands over.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "config/domain.hpp"
#include "security/dns_answer.hpp"

namespace sealpost::security::test {

using Bytes = std::vector<std::uint8_t>;

inline Domain domain(std::string_view text) {
    return Domain::parse(text).value();
}

/// "mx.example" as uncompressed labels; "." is the root.
inline Bytes wire_name(std::string_view name) {
    Bytes out;
    while (!name.empty() && name != ".") {
        const std::size_t dot = std::min(name.find('.'), name.size());
        out.push_back(static_cast<std::uint8_t>(dot));
        out.insert(out.end(), name.begin(), name.begin() + static_cast<std::ptrdiff_t>(dot));
        name.remove_prefix(std::min(dot + 1, name.size()));
    }
    out.push_back(0);
    return out;
}

inline Bytes mx_rdata(unsigned preference, std::string_view exchange) {
    Bytes out{static_cast<std::uint8_t>(preference >> 8U), static_cast<std::uint8_t>(preference & 0xFFU)};
    const Bytes name = wire_name(exchange);
    out.insert(out.end(), name.begin(), name.end());
    return out;
}

/// One TXT record of one character-string for each of `strings`.
inline Bytes txt_rdata(const std::vector<std::string>& strings) {
    Bytes out;
    for (const std::string& s : strings) {
        out.push_back(static_cast<std::uint8_t>(s.size()));
        out.insert(out.end(), s.begin(), s.end());
    }
    return out;
}

/// A record whose digest is `fill` in every octet.
inline Bytes tlsa_rdata(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching_type,
                        std::uint8_t fill = 7) {
    Bytes out{usage, selector, matching_type};
    out.resize(3U + (matching_type == 2 ? 64U : 32U), fill);
    return out;
}

inline DnsAnswer answer(std::string_view name, RrType type, DnsStatus status) {
    DnsAnswer out;
    out.name = name;
    out.canonical = name;
    out.type = type;
    out.status = status;
    out.ttl = std::chrono::seconds(300);
    return out;
}

inline DnsAnswer found(std::string_view name, RrType type, DnsStatus status, std::vector<Bytes> rdata) {
    DnsAnswer out = answer(name, type, status);
    out.data = DnsData::data;
    out.rdata = std::move(rdata);
    return out;
}

inline DnsAnswer denied(std::string_view name, RrType type, DnsStatus status,
                        DnsData data = DnsData::nodata) {
    DnsAnswer out = answer(name, type, status);
    out.data = data;
    return out;
}

/// SERVFAIL, timeout, bogus, indeterminate.
inline DnsAnswer failed(std::string_view name, RrType type, DnsStatus status = DnsStatus::error) {
    DnsAnswer out = answer(name, type, status);
    out.why = "SERVFAIL";
    return out;
}

inline DnsAnswer aliased(DnsAnswer answer, std::string_view canonical) {
    answer.canonical = canonical;
    return answer;
}

}  // namespace sealpost::security::test
