/// \file The Received field that a relay puts before each message it takes.
///
/// Shape    one field with its closing CR LF, folded before 78 columns where a word allows it.
/// Units    time in UTC.
/// Source   RFC 5321 §4.4; RFC 5322 §3.3 (date), §3.6.7; RFC 3848 (ESMTP, ESMTPS); RFC 8314 §4.3 (tls).
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "config/address.hpp"
#include "config/domain.hpp"
#include "config/ip.hpp"

namespace sealpost {

/// "Sun, 22 Nov 2026 20:17:09 +0000"
[[nodiscard]] std::string format_date(std::chrono::system_clock::time_point time);

/// "[192.0.2.1]", "[IPv6:2001:db8::1]"
[[nodiscard]] std::string address_literal(const IpAddress& address);

struct ReceivedFacts {
    std::string helo;  ///< what the client called itself; characters that no name has become '?'
    IpAddress client;
    Domain by;
    bool esmtp = true;
    bool smtputf8 = false;
    std::string tls_cipher;  ///< as IANA names it; empty: the message came in clear
    std::string queue_id;
    std::optional<Address> only_recipient;  ///< set only when there is exactly one: a list would disclose Bcc
    std::chrono::system_clock::time_point time;
};

/// "SMTP", "ESMTP", "ESMTPS" (RFC 3848 §1), "UTF8SMTP", "UTF8SMTPS" (RFC 6531 §4.3). HELO over TLS has no
/// word of its own.
[[nodiscard]] std::string_view transmission_type(const ReceivedFacts& facts);

[[nodiscard]] std::string received_field(const ReceivedFacts& facts);

}  // namespace sealpost
