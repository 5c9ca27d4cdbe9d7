/// \file Durations and sizes as people write them: "100ms", "30min", "5d"; "64KiB", "10MB".
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

/// "2026-10-14" (UTC).
[[nodiscard]] std::string format_day(std::chrono::sys_days day);

}  // namespace sealpost
