/// \file SpkiPin: the SHA-256 digest of a public key, as a rule pins it.
///
/// Shape    64 hexadecimal digits, in pairs perhaps separated by ':'; or 44 characters of base64, as HTTP
/// pins
///          and `openssl dgst -sha256 -binary | base64` write it. Printed in hexadecimal.
/// Errors   Errc::invalid - neither of the two.
/// Source   RFC 7469 §2.4 (SPKI fingerprint); the digest of a TLSA record "3 1 1" is the same.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/result.hpp"

namespace sealpost {

struct SpkiPin {
    std::array<std::uint8_t, 32> digest{};

    [[nodiscard]] static Result<SpkiPin> parse(std::string_view text);
    [[nodiscard]] std::string str() const;
    auto operator<=>(const SpkiPin&) const = default;
};

}  // namespace sealpost
