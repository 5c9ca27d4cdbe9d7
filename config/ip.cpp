#include "config/ip.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace sealpost {
namespace {

/// The longest text of an address is 45 octets; bounds what is copied for inet_pton and quoted in an error.
constexpr std::size_t max_text = 64;

std::string quoted(std::string_view text) {
    return text.size() <= max_text ? fmt::format("'{}'", text)
                                   : fmt::format("'{}...'", text.substr(0, max_text));
}

/// A decimal number without sign, space or leading zero.
std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
    unsigned value = 0;
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

/// The IPv4 address inside ::ffff:a.b.c.d (RFC 4291 §2.5.5.2).
std::optional<std::span<const std::uint8_t>> mapped_v4(std::span<const std::uint8_t> octets) {
    constexpr std::array<std::uint8_t, 12> prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (octets.size() != 16 || !std::equal(prefix.begin(), prefix.end(), octets.begin())) return std::nullopt;
    return octets.subspan(prefix.size());
}

bool same_prefix(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, unsigned bits) {
    const std::size_t whole = bits / 8;
    if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
    const unsigned rest = bits % 8;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

}  // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
    // inet_pton reads a C string: a NUL inside would hide what follows it.
    if (text.size() <= max_text && text.find('\0') == std::string_view::npos) {
        const std::string copy(text);
        IpAddress address;
        address.v4_ = text.find(':') == std::string_view::npos;
        if (inet_pton(address.v4_ ? AF_INET : AF_INET6, copy.c_str(), address.octets_.data()) == 1)
            return address;
    }
    return fail(Errc::invalid, fmt::format("{} is not an IP address", quoted(text)));
}

Result<IpAddress> IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
    if (bytes.size() != 4 && bytes.size() != 16)
        return fail(Errc::invalid, fmt::format("an IP address has 4 or 16 octets, not {}", bytes.size()));
    IpAddress address;
    address.v4_ = bytes.size() == 4;
    std::copy(bytes.begin(), bytes.end(), address.octets_.begin());
    return address;
}

std::string IpAddress::str() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    // Cannot fail: the family is known and the buffer is the largest needed. glibc writes RFC 5952 form.
    inet_ntop(v4_ ? AF_INET : AF_INET6, octets_.data(), text.data(), static_cast<socklen_t>(text.size()));
    return text.data();
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const Result<IpAddress> base = IpAddress::parse(text.substr(0, slash));
    if (!base)
        return fail(Errc::invalid,
                    fmt::format("{} is not a network such as 192.0.2.0/24 or 2001:db8::/32", quoted(text)));
    const unsigned width = base->is_v4() ? 32 : 128;
    IpNetwork network;
    network.base_ = *base;
    network.prefix_ = width;
    if (slash != std::string_view::npos) {
        const std::optional<unsigned> prefix = parse_number(text.substr(slash + 1), width);
        if (!prefix)
            return fail(Errc::invalid,
                        fmt::format("{}: the prefix length must be 0 to {}", quoted(text), width));
        network.prefix_ = *prefix;
    }
    const std::span<const std::uint8_t> octets = network.base_.bytes();
    std::array<std::uint8_t, 16> lowest{};
    for (std::size_t i = 0; i < octets.size(); ++i) {
        const unsigned left = network.prefix_ > i * 8 ? network.prefix_ - static_cast<unsigned>(i * 8) : 0;
        const unsigned mask = left >= 8 ? 0xffU : (0xff00U >> left) & 0xffU;
        lowest[i] = static_cast<std::uint8_t>(octets[i] & mask);
    }
    if (!std::equal(octets.begin(), octets.end(), lowest.begin())) {
        const IpAddress meant = IpAddress::from_bytes({lowest.data(), octets.size()}).value();
        return fail(Errc::invalid, fmt::format("{} has bits set behind its prefix; the network is {}/{}",
                                               quoted(text), meant.str(), network.prefix_));
    }
    return network;
}

bool IpNetwork::contains(const IpAddress& address) const {
    if (base_.is_v4() == address.is_v4()) return same_prefix(base_.bytes(), address.bytes(), prefix_);
    if (!base_.is_v4()) return false;
    const auto v4 = mapped_v4(address.bytes());
    return v4 && same_prefix(base_.bytes(), *v4, prefix_);
}

std::string IpNetwork::str() const {
    return fmt::format("{}/{}", base_.str(), prefix_);
}

bool any_contains(const std::vector<IpNetwork>& networks, const IpAddress& address) {
    return std::any_of(networks.begin(), networks.end(),
                       [&](const IpNetwork& network) { return network.contains(address); });
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
    const auto bad = [&] {
        return fail(Errc::invalid,
                    fmt::format("{} is not an address and port such as 192.0.2.1:25 or [2001:db8::1]:25",
                                quoted(text)));
    };
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return bad();
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    const Result<IpAddress> address = IpAddress::parse(host);
    // Brackets exactly for IPv6: "::1:25" alone could be either an address or an address with a port.
    if (!address || address->is_v4() == bracketed) return bad();
    const std::optional<unsigned> port = parse_number(text.substr(colon + 1), 65535);
    if (!port || *port == 0)
        return fail(Errc::invalid, fmt::format("{}: the port must be 1 to 65535", quoted(text)));
    return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::str() const {
    return address.is_v4() ? fmt::format("{}:{}", address.str(), port)
                           : fmt::format("[{}]:{}", address.str(), port);
}

}  // namespace sealpost
