/// \file Extensions: what a server offers in its reply to EHLO.
///
/// Never    outlives the channel it came over: after STARTTLS it is read anew (RFC 3207 §4.2).
/// Source   RFC 5321 §4.1.1.1, RFC 1870 §4, RFC 2920, RFC 3030, RFC 3207, RFC 3461, RFC 6152, RFC 6531, RFC
///          8689, RFC 9422 (LIMITS).
#pragma once
#include <cstdint>
#include <string>

#include "mta/smtp/reply.hpp"

namespace sealpost {

struct Extensions {
    bool starttls = false;
    bool pipelining = false;
    bool size = false;
    bool eight_bit_mime = false;
    bool smtputf8 = false;
    bool chunking = false;
    bool binary_mime = false;
    bool dsn = false;
    bool enhanced_status_codes = false;
    bool requiretls = false;
    std::uint64_t size_limit = 0;  ///< octets; 0: none is known
    std::string limits;            ///< the parameters of LIMITS as they came

    /// Of a 250 reply to EHLO; its first line is the greeting and says nothing. Unknown keywords are ignored.
    [[nodiscard]] static Extensions parse(const Reply& ehlo);

    bool operator==(const Extensions&) const = default;
};

}  // namespace sealpost
