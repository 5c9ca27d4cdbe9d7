/// \file The first two parts of a notice: words for a person, and fields for a program. For queue/dsn*.cpp
/// alone.
///
/// Shape    CRLF, ends with a line end. ASCII, unless `utf8`.
/// Source   RFC 3464 §2, RFC 3461 §6.3, RFC 6533 §3, §4.1.
#pragma once
#include "queue/dsn.hpp"

namespace sealpost::queue {

inline constexpr std::size_t max_listed = 500;         ///< recipients in one notice
inline constexpr std::size_t max_parts = 256UL << 10;  ///< octets of both, before the last recipient

struct DsnParts {
    std::string text;
    std::string status;
};

/// `utf8`: addresses stand as they are, else in utf-8-addr-xtext.
[[nodiscard]] DsnParts dsn_parts(const Dsn& dsn, bool utf8);

}  // namespace sealpost::queue
