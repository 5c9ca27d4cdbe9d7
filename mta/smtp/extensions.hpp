/// \file Extensions: what a server offers in its reply to EHLO.
///
/// Never    outlives the channel it came over: after STARTTLS it is read anew (RFC 3207 §4.2).
/// Source   RFC 5321 §4.1.1.1, RFC 1870 §4, RFC 2920, RFC 3030, RFC 3207, RFC 3461, RFC 6152, RFC 6531, RFC
///          8689, RFC 9422 (LIMITS).
#pragma once
#include <cstdint>
#include <string_view>

#include "mta/smtp/reply.hpp"

namespace sealpost {

/// What the server says that it takes at most (RFC 9422 §4); 0: nothing is known.
struct SessionLimits {
    std::uint32_t mail_max = 0;         ///< MAIL commands in a session
    std::uint32_t rcpt_max = 0;         ///< RCPT commands in a transaction
    std::uint32_t rcpt_domain_max = 0;  ///< different domains in the RCPT commands of a session

    /// The parameters of LIMITS. What is unknown or malformed is ignored; of two for one limit the smaller
    /// holds.
    void read(std::string_view parameters);

    bool operator==(const SessionLimits&) const = default;
};

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
    SessionLimits limits;

    /// Of a 250 reply to EHLO; its first line is the greeting and says nothing. Unknown keywords are ignored.
    [[nodiscard]] static Extensions parse(const Reply& ehlo);

    bool operator==(const Extensions&) const = default;
};

}  // namespace sealpost
