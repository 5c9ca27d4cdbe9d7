/// \file The signatures that came with an answer, from the packet that libunbound hands over.
///
/// Errors   Errc::protocol - the packet breaks its format.
/// Source   RFC 1035 §4.1; RFC 4034 §3.1.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "config/result.hpp"
#include "security/dns_answer.hpp"

namespace sealpost::resolver {

/// RDATA of each RRSIG over `covered` in the answer section; at most `max` of them.
[[nodiscard]] Result<std::vector<std::vector<std::uint8_t>>> signatures_in(
    std::span<const std::uint8_t> packet, security::RrType covered, std::size_t max);

}  // namespace sealpost::resolver
