/// \file Result<T>: a value, or an Error that says why there is none.
///
/// Owns     the one error vocabulary of the program. A verdict ("skip this host") is a value and never an
/// Error. Errors   Errc tells a caller what it may do about it; the text is for people and names the thing.
#pragma once
#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace sealpost {

enum class Errc {
    invalid,       ///< the input breaks its grammar or a limit; trying again changes nothing
    not_found,     ///< asked for by name, and not there
    unavailable,   ///< the other side could not be had now (network, DNS, a process that died): try later
    timed_out,     ///< our own deadline passed
    protocol,      ///< the peer answered what the protocol does not allow
    storage,       ///< the database or the disk failed; nothing may be acknowledged
    full,          ///< a limit of ours is reached: try later
    configuration  ///< only the operator can mend it
};

struct Error {
    Errc code;
    std::string text;
};

template <class T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string text) {
    return tl::unexpected<Error>(Error{code, std::move(text)});
}

/// The same error one floor up: "what we were doing: what went wrong".
[[nodiscard]] inline tl::unexpected<Error> fail(std::string_view doing, const Error& cause) {
    return tl::unexpected<Error>(Error{cause.code, fmt::format("{}: {}", doing, cause.text)});
}

}  // namespace sealpost
