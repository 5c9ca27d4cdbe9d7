/// \file What every reader of rows checks: a row is input like any other.
///
/// Errors   Errc::invalid - the row is damaged; names table and column.
#pragma once
#include <limits>

#include "queue/message.hpp"
#include "queue/sqlite.hpp"

namespace sealpost::queue {

[[nodiscard]] inline std::int64_t to_row(Time time) {
    return time.time_since_epoch().count();
}

/// A time between 1970 and 9999.
[[nodiscard]] inline std::optional<Time> time_from_row(std::int64_t value) {
    if (value < 0 || value > 253'402'300'799'999) return std::nullopt;
    return Time{std::chrono::milliseconds{value}};
}

template <class Unsigned>
[[nodiscard]] std::optional<Unsigned> unsigned_from_row(std::int64_t value) {
    if (value < 0 || static_cast<std::uint64_t>(value) > std::numeric_limits<Unsigned>::max())
        return std::nullopt;
    return static_cast<Unsigned>(value);
}

/// Binds the immutable part of a recipient to its row and message.
[[nodiscard]] std::int64_t recipient_checksum(std::int64_t message, std::int64_t number,
                                              const Recipient& recipient);

/// Message.flags.
[[nodiscard]] std::int64_t flags_to_row(const Envelope& envelope);
[[nodiscard]] bool flags_from_row(std::int64_t flags, Envelope& envelope);

/// Message.tls. An unknown number is nothing that may be guessed at: a tag lost is mail sent in clear.
[[nodiscard]] std::int64_t tls_to_row(security::MessageTls tls);
[[nodiscard]] std::optional<security::MessageTls> tls_from_row(std::int64_t value);

/// Message.ret.
[[nodiscard]] std::int64_t ret_to_row(Ret ret);
[[nodiscard]] std::optional<Ret> ret_from_row(std::int64_t value);

}  // namespace sealpost::queue
