/// \file Address: a mailbox, `local@domain` or `local@[192.0.2.1]`, `local@[IPv6:2001:db8::1]`.
///
/// Shape    the local part as written, octet for octet (quotes included): only its own domain may say what it
///          means. The domain as `Domain` (A-labels), a literal as `IpAddress`. At most 254 octets, of which
///          the local part has at most 64. Never the null reverse-path: that is an absent Address.
/// Errors   Errc::invalid - names the rule that is broken.
/// Source   RFC 5321 §4.1.2 (Mailbox), §4.1.3 (literals), §4.5.3.1 (sizes); RFC 6531 §3.3 (UTF-8).
#pragma once
#include <compare>
#include <string>
#include <string_view>
#include <variant>

#include "config/domain.hpp"
#include "config/ip.hpp"
#include "config/result.hpp"

namespace sealpost {

/// Whether octets above 127 may stand in an address: utf8 only where SMTPUTF8 was negotiated.
enum class AddressCharset { ascii, utf8 };

class Address {
public:
    [[nodiscard]] static Result<Address> parse(std::string_view text,
                                               AddressCharset charset = AddressCharset::ascii);

    [[nodiscard]] const std::string& local() const { return local_; }
    [[nodiscard]] const std::variant<Domain, IpAddress>& host() const { return host_; }
    /// nullptr for an address literal.
    [[nodiscard]] const Domain* domain() const { return std::get_if<Domain>(&host_); }
    /// nullptr for a domain.
    [[nodiscard]] const IpAddress* literal() const { return std::get_if<IpAddress>(&host_); }
    /// What follows the '@': "example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]".
    [[nodiscard]] std::string host_str() const;
    [[nodiscard]] std::string str() const { return local_ + '@' + host_str(); }
    /// The local part holds UTF-8, so that the next hop must offer SMTPUTF8.
    [[nodiscard]] bool needs_utf8() const;

    /// The local part octet for octet (RFC 5321 §2.4), the domain without regard to case.
    auto operator<=>(const Address&) const = default;

private:
    Address(std::string local, std::variant<Domain, IpAddress> host)
        : local_(std::move(local)), host_(std::move(host)) {}
    std::string local_;
    std::variant<Domain, IpAddress> host_;
};

}  // namespace sealpost

template <>
struct fmt::formatter<sealpost::Address> : fmt::formatter<std::string_view> {
    auto format(const sealpost::Address& a, format_context& ctx) const {
        return formatter<std::string_view>::format(a.str(), ctx);
    }
};
