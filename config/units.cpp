#include "config/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

namespace sealpost {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// From small to large; of two with the same factor the last is the one we write.
constexpr std::array<Unit, 5> durations{
    {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<Unit, 10> sizes{{{"B", 1},
                                      {"KB", 1000},
                                      {"kB", 1000},
                                      {"KiB", 1ULL << 10},
                                      {"MB", 1'000'000},
                                      {"MiB", 1ULL << 20},
                                      {"GB", 1'000'000'000},
                                      {"GiB", 1ULL << 30},
                                      {"TB", 1'000'000'000'000},
                                      {"TiB", 1ULL << 40}}};

constexpr std::string_view duration_units = "ms, s, min, h, d";
constexpr std::string_view size_units = "B, KiB, MiB, GiB, TiB, kB, MB, GB, TB";

Result<std::uint64_t> parse(std::string_view text, std::span<const Unit> units, std::string_view what,
                            std::string_view allowed, std::string_view example) {
    std::uint64_t number = 0;
    const auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view shown = text.substr(0, 40);
    const std::string_view unit = text.substr(static_cast<std::size_t>(rest - text.data()));
    if (ec == std::errc::invalid_argument)
        return fail(Errc::invalid,
                    fmt::format("'{}' is not a {}; write a whole number and a unit ({}), as in {}", shown,
                                what, allowed, example));
    if (unit.empty())
        return fail(Errc::invalid,
                    fmt::format("'{}' has no unit; write one of {}, as in {}", shown, allowed, example));
    const auto found =
        std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == unit; });
    if (found == units.end())
        return fail(Errc::invalid, fmt::format("'{}' has an unknown unit '{}'; write one of {}, as in {}",
                                               shown, unit.substr(0, 20), allowed, example));
    constexpr auto max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (ec == std::errc::result_out_of_range || number > max / found->factor)
        return fail(Errc::invalid, fmt::format("'{}' is too large for a {}", shown, what));
    return number * found->factor;
}

std::string format(std::uint64_t value, std::span<const Unit> units) {
    const auto exact = std::find_if(units.rbegin(), units.rend(),
                                    [&](const Unit& u) { return value != 0 && value % u.factor == 0; });
    return exact == units.rend() ? fmt::format("{}{}", value, units.front().name)
                                 : fmt::format("{}{}", value / exact->factor, exact->name);
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
    return parse(text, durations, "duration", duration_units, "30min").map([](std::uint64_t value) {
        return std::chrono::milliseconds(static_cast<std::int64_t>(value));
    });
}

std::string format_duration(std::chrono::milliseconds duration) {
    // A negative duration is never a setting; shown as it is rather than wrapped around.
    if (duration.count() < 0) return fmt::format("{}ms", duration.count());
    return format(static_cast<std::uint64_t>(duration.count()), durations);
}

Result<std::uint64_t> parse_size(std::string_view text) {
    return parse(text, sizes, "size", size_units, "50MiB");
}

std::string format_size(std::uint64_t octets) {
    return format(octets, sizes);
}

Result<Rate> parse_rate(std::string_view text) {
    constexpr unsigned max = 1'000'000;
    const std::size_t slash = text.find('/');
    unsigned count = 0;
    const std::string_view number = text.substr(0, slash);
    const auto [rest, ec] = std::from_chars(number.data(), number.data() + number.size(), count);
    const bool whole = ec == std::errc{} && rest == number.data() + number.size();
    const std::string_view name =
        slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
    const auto* const unit =
        std::find_if(durations.begin(), durations.end(), [&](const Unit& u) { return u.name == name; });
    if (!whole || count == 0 || count > max || unit == durations.end() || unit->name == "ms")
        return fail(
            Errc::invalid,
            fmt::format("'{}' is not a rate; write a whole number from 1 to {} and a unit (s, min, h, "
                        "d), as in 20/min",
                        text.substr(0, 40), max));
    return Rate{count, std::chrono::milliseconds(static_cast<std::int64_t>(unit->factor))};
}

std::string format_rate(Rate rate) {
    const auto* const unit = std::find_if(durations.begin(), durations.end(), [&](const Unit& u) {
        return static_cast<std::int64_t>(u.factor) == rate.per.count();
    });
    return unit == durations.end() ? fmt::format("{}/{}", rate.count, format_duration(rate.per))
                                   : fmt::format("{}/{}", rate.count, unit->name);
}

std::string format_day(std::chrono::sys_days day) {
    const std::chrono::year_month_day date(day);
    return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

}  // namespace sealpost
