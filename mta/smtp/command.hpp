/// \file Command: one line of an SMTP client, parsed strictly.
///
/// Shape    a line comes without its CR LF and holds printable ASCII alone, but for UTF-8 in the addresses of
/// MAIL
///          with SMTPUTF8 and of RCPT. Mail paths are parsed whole: a
///          source route is checked and dropped, `<>` is for MAIL only, `<Postmaster>` gets our own name.
/// Errors   CommandRefusal: the reply that the line deserves.
/// Never    knows the state of the session: server_session.hpp does.
/// Source   RFC 5321 §4.1.1, §4.1.2, §4.5.3.1; RFC 1870 §6, RFC 6152 §2, RFC 2920 §3.1, RFC 3461 §4,
///          RFC 6531 §3.4, RFC 6533 §3, RFC 8689 §2.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "config/address.hpp"
#include "config/domain.hpp"
#include "config/dsn_parameters.hpp"

namespace sealpost {

/// Octets of a command line with CR LF: 512 of RFC 5321 §4.5.3.1.4, and ample room for parameters, which may
/// add to MAIL 26 for SIZE (RFC 1870 §3), 17 for BODY (RFC 6152 §2), 11 for REQUIRETLS (RFC 8689 §2), 10 for
/// SMTPUTF8 (RFC 6531 §3.2), 10 and 107 for RET and ENVID, and to RCPT 36 and 507 for NOTIFY and ORCPT (RFC
/// 3461 §5.4).
inline constexpr std::size_t max_command_line = 2048;
static_assert(max_command_line >= 512 + 26 + 17 + 11 + 10 + 10 + 107);
static_assert(max_command_line >= 512 + 36 + 507);

enum class Verb {
    ehlo,
    helo,
    mail,
    rcpt,
    data,
    rset,
    noop,
    quit,
    vrfy,
    expn,
    help,
    starttls,
    auth,
    bdat,
    unknown
};

/// True for a command behind which nothing may stand before its reply is sent: what follows it is read
/// differently depending on that reply, and guessing wrong is how mail is smuggled (RFC 2920 §3.1).
[[nodiscard]] bool must_be_last(Verb verb);

enum class BodyType { seven_bit, eight_bit_mime };

struct Command {
    Verb verb = Verb::unknown;
    std::string argument;         ///< EHLO and HELO: the client's name; else as it came
    std::optional<Address> path;  ///< MAIL (none: `<>`) and RCPT (always)
    std::optional<std::uint64_t> size;
    std::optional<BodyType> body;
    bool requiretls = false;
    bool smtputf8 = false;  ///< MAIL: the parameter
    bool utf8 = false;      ///< RCPT: it holds UTF-8, which belongs to a transaction with SMTPUTF8 alone
    Ret ret = Ret::unset;
    std::string envid;   ///< as it came; empty: none
    std::string notify;  ///< the same
    std::string orcpt;   ///< the same
};

struct CommandRefusal {
    Verb verb;
    int code;
    std::string_view enhanced;
    std::string text;
};

/// `hostname`: ours, for `<Postmaster>`.
[[nodiscard]] tl::expected<Command, CommandRefusal> parse_command(std::string_view line,
                                                                  const Domain& hostname);

/// What the first word of a line asks for, whether or not the rest is right.
[[nodiscard]] Verb verb_of(std::string_view line);

}  // namespace sealpost
