#include "config/next_hop.hpp"

#include <charconv>

#include "config/ip.hpp"

namespace sealpost {
namespace {

constexpr std::string_view allowed =
    "expected a name such as \"relay.example\" (its MX hosts) or \"[relay.example]:587\" (this host itself)";

Result<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0 || text.front() == '0')
        return fail(Errc::invalid, "a port is a number from 1 to 65535");
    return port;
}

}  // namespace

Result<NextHop> NextHop::parse(std::string_view text) {
    const bool bracketed = text.starts_with('[');
    const std::size_t end = bracketed ? text.find(']') : text.find(':');
    if (bracketed && end == std::string_view::npos)
        return fail(Errc::invalid, fmt::format("'{}' has no ']'; {}", text, allowed));
    const std::string_view written = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
    std::string_view rest = text.substr(std::min(bracketed ? end + 1 : end, text.size()));
    if (IpAddress::parse(written))
        return fail(Errc::invalid,
                    fmt::format("'{}' is an address, which no certificate can vouch for; {}", text, allowed));
    Result<Domain> name = Domain::parse(written);
    if (!name) return fail(Errc::invalid, fmt::format("{}; {}", name.error().text, allowed));
    NextHop hop{.name = std::move(*name), .mx = !bracketed, .port = 0};
    if (rest.empty()) return hop;
    rest.remove_prefix(1);
    if (text[text.size() - rest.size() - 1] != ':' || rest.empty())
        return fail(Errc::invalid, fmt::format("'{}' is no next hop; {}", text, allowed));
    const Result<std::uint16_t> port = parse_port(rest);
    if (!port) return fail(Errc::invalid, fmt::format("'{}': {}", text, port.error().text));
    hop.port = *port;
    return hop;
}

std::string NextHop::str() const {
    const std::string host = mx ? name.str() : fmt::format("[{}]", name);
    return port == 0 ? host : fmt::format("{}:{}", host, port);
}

}  // namespace sealpost
