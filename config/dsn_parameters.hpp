/// \file NOTIFY, RET, ENVID, ORCPT: what a client asks about notices of one message.
///
/// Shape    ENVID and ORCPT are kept and passed on as they came (xtext); decoded only for a notice.
/// Units    octets as they came: ENVID 100, ORCPT 500, NOTIFY 100.
/// Errors   Errc::invalid - the text names the parameter.
/// Source   RFC 3461 §4, §5.4; RFC 6533 §3 (the utf-8 address type).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "config/result.hpp"

namespace sealpost {

inline constexpr std::size_t max_envid = 100;
inline constexpr std::size_t max_orcpt = 500;
inline constexpr std::size_t max_notify = 100;  ///< 28 are all that it can mean

/// How much of the message a notice of failure returns.
enum class Ret { unset, full, headers };

/// FULL or HDRS, in any case.
[[nodiscard]] Result<Ret> parse_ret(std::string_view value);
/// "FULL", "HDRS", or nothing for `unset`.
[[nodiscard]] std::string_view to_string(Ret ret);

/// Of which events the sender wants to hear.
struct Notify {
    bool success = false;
    bool failure = true;  ///< what holds without NOTIFY: failure and delay (§4.1)
    bool delay = true;
    bool operator==(const Notify&) const = default;
};

/// NEVER, or a list of SUCCESS, FAILURE, DELAY, in any case.
[[nodiscard]] Result<Notify> parse_notify(std::string_view value);

/// As it was stored; what is not there or cannot be read asks for nothing in particular.
[[nodiscard]] Notify notify_or_default(std::string_view value);

struct OriginalRecipient {
    std::string type;     ///< "rfc822", "utf-8", ...
    std::string address;  ///< decoded: printable ASCII, with `utf-8` also UTF-8
    bool operator==(const OriginalRecipient&) const = default;
};

/// "type;xtext". With the type `utf-8` other octets than ASCII may stand in it, and characters as \x{HEX};
/// what is no good form of that type stays as it is.
[[nodiscard]] Result<OriginalRecipient> parse_orcpt(std::string_view value);

/// The decoded envelope identifier.
[[nodiscard]] Result<std::string> parse_envid(std::string_view value);

}  // namespace sealpost
