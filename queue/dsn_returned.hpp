/// \file The third part of a notice: the message that it is about, whole or its header. For queue/dsn*.cpp
/// alone.
///
/// Source   RFC 3461 §4.3, §6.2 (RET); RFC 6522 §3; RFC 6533 §4; RFC 8689 §5 (REQUIRETLS: never the content).
#pragma once
#include "queue/dsn.hpp"

namespace sealpost::queue {

struct ReturnedPart {
    std::string_view type;      ///< "message/rfc822", ...
    std::string_view encoding;  ///< "7bit", "8bit", "base64"
    std::string_view description;
    std::string content;  ///< encoded; CRLF lines of at most 998 octets
};

/// `utf8`: the way back is known to take UTF-8, so that nothing has to be encoded.
[[nodiscard]] ReturnedPart dsn_returned(const Dsn& dsn, bool utf8);

}  // namespace sealpost::queue
