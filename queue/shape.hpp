/// \file Shape: how many recipients wait for which domain since when, as Postfix's qshape tells it.
///
/// Owns     counting alone. A bounded number of domains: those that come later are counted together.
/// Units    the columns end at 5, 10, 20, 40, 80, 160, 320, 640 and 1280 minutes; the last has no end.
#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sealpost::queue {

class Shape {
public:
    static constexpr std::size_t columns = 10;
    using Counts = std::array<std::uint64_t, columns>;
    struct Row {
        std::string domain;
        std::uint64_t total = 0;
        Counts counts{};
    };
    struct Table {
        Row total;
        std::vector<Row> rows;      ///< the most recipients first
        Row others;                 ///< all domains without a row
        bool more_domains = false;  ///< `others` holds some that were never told apart
    };

    explicit Shape(std::size_t max_domains = 10'000) : max_domains_(max_domains) {}
    /// An age below zero (the clock was set back) counts as none.
    void add(std::string_view domain, std::chrono::milliseconds age);
    [[nodiscard]] Table table(std::size_t max_rows) const;

    /// The first column whose end is behind this age.
    [[nodiscard]] static std::size_t column(std::chrono::milliseconds age);

private:
    struct Hash : std::hash<std::string_view> {
        using is_transparent = void;
    };
    std::size_t max_domains_;
    std::unordered_map<std::string, Counts, Hash, std::equal_to<>> domains_;
    Counts others_{};
    bool more_domains_ = false;
};

/// What follows the last '@' of an address, in lower case; "<>" for the null reverse-path.
[[nodiscard]] std::string sender_domain(std::string_view sender);

}  // namespace sealpost::queue
