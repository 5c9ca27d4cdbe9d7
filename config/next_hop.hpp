/// \file NextHop: where a configured route leads.
///
/// Shape    "relay.example" or "relay.example:587": the MX hosts of that domain. "[relay.example]" or
///          "[relay.example]:587": this host itself, no MX lookup. Always a name: an address could not be
///          authenticated (RFC 7672 §2.2).
/// Errors   Errc::invalid - names the input and what is allowed.
/// Source   RFC 5321 §5.1; RFC 8461 §3.4 (the next hop's domain is the policy domain); Postfix's notation.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "config/domain.hpp"
#include "config/result.hpp"

namespace sealpost {

struct NextHop {
    Domain name;
    bool mx = true;          ///< false: in brackets
    std::uint16_t port = 0;  ///< 0: delivery.port

    [[nodiscard]] static Result<NextHop> parse(std::string_view text);
    [[nodiscard]] std::string str() const;
    bool operator==(const NextHop&) const = default;
};

}  // namespace sealpost
