/// \file Durations, sizes and rates as people write them: "100ms", "30min", "5d"; "64KiB", "10MB"; "20/min".
///
/// Shape    a whole number and a unit, nothing between. A bare number is refused, because nobody can tell
///          whether 300 was meant in seconds or in minutes.
/// Units    ms, s, min, h, d -> milliseconds; B, kB/KB, MB, GB, TB (1000), KiB, MiB, GiB, TiB (1024) ->
/// octets. Errors   Errc::invalid - names the input and the units allowed.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "config/result.hpp"

namespace sealpost {

[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);
/// In the largest unit that holds it exactly; parse_duration reads it back to the same value.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);
/// In the largest unit that holds it exactly; parse_size reads it back to the same value.
[[nodiscard]] std::string format_size(std::uint64_t octets);

/// So many in each `per`, spread evenly.
struct Rate {
    unsigned count = 0;
    std::chrono::milliseconds per{};
    bool operator==(const Rate&) const = default;
};
/// "20/min": a whole number from 1 to 1000000, and s, min, h or d.
[[nodiscard]] Result<Rate> parse_rate(std::string_view text);
[[nodiscard]] std::string format_rate(Rate rate);

/// "2026-10-14" (UTC).
[[nodiscard]] std::string format_day(std::chrono::sys_days day);

}  // namespace sealpost
