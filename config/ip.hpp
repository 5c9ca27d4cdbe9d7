/// \file IpAddress and IpNetwork: addresses as values, without sockets.
///
/// Shape    4 or 16 octets in network order; text in RFC 5952 form. An IPv4-mapped IPv6 address is kept as
/// IPv6 but
///          `IpNetwork::contains` also tests its embedded IPv4 address, so that ::ffff:127.0.0.1 cannot slip
///          past a forbidden 127.0.0.0/8.
/// Errors   Errc::invalid - names the input.
/// Source   RFC 4291 §2.2, RFC 5952, RFC 4632 (prefix lengths).
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.hpp"

namespace sealpost {

class IpAddress {
public:
    [[nodiscard]] static Result<IpAddress> parse(std::string_view text);
    /// From RDATA or a socket address: exactly 4 or 16 octets.
    [[nodiscard]] static Result<IpAddress> from_bytes(std::span<const std::uint8_t> bytes);

    [[nodiscard]] bool is_v4() const { return v4_; }
    [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {octets_.data(), v4_ ? 4U : 16U}; }
    [[nodiscard]] std::string str() const;

    auto operator<=>(const IpAddress&) const = default;

private:
    bool v4_ = true;
    std::array<std::uint8_t, 16> octets_{};
};

class IpNetwork {
public:
    /// "192.0.2.0/24", "2001:db8::/32", or an address alone. Host bits must be zero.
    [[nodiscard]] static Result<IpNetwork> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress& address) const;
    [[nodiscard]] std::string str() const;

    auto operator<=>(const IpNetwork&) const = default;

private:
    IpAddress base_;
    unsigned prefix_ = 0;
};

[[nodiscard]] bool any_contains(const std::vector<IpNetwork>& networks, const IpAddress& address);

/// An address and a TCP port: "127.0.0.1:25", "[::1]:25".
struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;
    [[nodiscard]] static Result<Endpoint> parse(std::string_view text);
    [[nodiscard]] std::string str() const;
    auto operator<=>(const Endpoint&) const = default;
};

}  // namespace sealpost
