/// \file The extended DNS error code of a validation failure.
///
/// Owns     the mapping from the validator's words to RFC 8914's codes. Here the validator is our own, and
///          libunbound 1.17 gives its reason as text and not as a code; the codes of other resolvers do not
///          occur, since none is asked.
/// Source   RFC 8914 §4; conformance DNS-28.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace sealpost::security {

struct ExtendedError {
    std::uint16_t code = 6;
    std::string_view name = "DNSSEC Bogus";
};

/// "DNSSEC Bogus" where the words say nothing more exact.
[[nodiscard]] ExtendedError extended_error(std::string_view why);

/// "EDE 7 (Signature Expired): " and the words.
[[nodiscard]] std::string with_extended_error(std::string_view why);

}  // namespace sealpost::security
