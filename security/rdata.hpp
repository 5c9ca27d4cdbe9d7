/// \file RDATA of the record types that a delivery asks for, as values.
///
/// Shape    wire format as libunbound hands it over: names uncompressed, one record a call.
/// Errors   Errc::invalid - this record breaks its format; the other records of the set stay usable.
/// Never    follows a compression pointer: none may stand here, so one is an error.
/// Source   RFC 1035 §3.3.1 (CNAME), §3.3.9 (MX), §3.3.14 (TXT), §3.4.1 (A); RFC 3596 §2.2 (AAAA);
///          RFC 7505 §3 (null MX); RFC 8461 §3.1 (strings of a TXT record are joined, DNS-29).
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "config/domain.hpp"
#include "config/ip.hpp"
#include "config/result.hpp"

namespace sealpost::security {

struct MxRdata {
    std::uint16_t preference = 0;
    std::string exchange;  ///< presentation format, odd octets as \DDD, no trailing dot; "." is the root
    std::optional<Domain> host;  ///< none for the root, and for a name that no host has ("a b.example")

    [[nodiscard]] bool is_null() const { return exchange == "."; }
    bool operator==(const MxRdata&) const = default;
};

[[nodiscard]] Result<MxRdata> parse_mx_rdata(std::span<const std::uint8_t> rdata);
[[nodiscard]] Result<Domain> parse_cname_rdata(std::span<const std::uint8_t> rdata);
/// A (4 octets) or AAAA (16 octets).
[[nodiscard]] Result<IpAddress> parse_address_rdata(std::span<const std::uint8_t> rdata);
/// The character-strings joined with nothing between them; any octets. At most 65535 of them, as RDATA is.
[[nodiscard]] Result<std::string> parse_txt_rdata(std::span<const std::uint8_t> rdata);

}  // namespace sealpost::security
