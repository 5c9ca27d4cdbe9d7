/// \file The DSN parameters of MAIL and RCPT: whether a value is well formed.
///
/// Shape    values as they stand behind '=': RET and NOTIFY are keywords, ENVID is xtext, ORCPT is a type,
/// ';'
///          and xtext. They are passed on octet for octet, so nothing here decodes or rewrites one.
/// Limits   ENVID 100 octets, ORCPT 500 (RFC 3461 §5.4).
/// Errors   none: a value is well formed or it is not.
/// Source   RFC 3461 §4, §4.1, §4.2, §4.3, §4.4; RFC 6533 §3 (ORCPT of type utf-8).
#pragma once
#include <string_view>

namespace sealpost {

/// "+" and two upper-case hexadecimal digits for an octet, every other one printable and neither '+' nor '='.
[[nodiscard]] bool is_xtext(std::string_view text);

[[nodiscard]] bool is_envid(std::string_view value);
/// NEVER, or some of SUCCESS, FAILURE and DELAY, each once; in any case.
[[nodiscard]] bool is_notify(std::string_view value);
[[nodiscard]] bool is_orcpt(std::string_view value);

}  // namespace sealpost
