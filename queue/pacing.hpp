/// \file Window and Pace: how many connections to a destination are worth having, and how often mail may go
/// there.
///
/// Owns     arithmetic only. Time is a steady clock's, so that a wall clock that jumps neither starves a
/// destination
///          nor floods it; it is an argument.
/// Source   AIMD as TCP has it (RFC 5681 §3.1): slow start, then one more for each round, half after trouble.
/// One
///          failure alone is weather: only a second one with no success between shrinks, and then not again
///          before as many runs have ended as were open (hysteresis).
#pragma once
#include <chrono>
#include <cstddef>

#include "config/units.hpp"

namespace sealpost::queue {

/// A steady clock's time.
using Instant = std::chrono::steady_clock::time_point;

class Window {
public:
    static constexpr std::size_t first = 5;  ///< connections to a destination of which nothing is known

    explicit Window(std::size_t limit);
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::size_t limit() const { return limit_; }
    void set_limit(std::size_t limit);
    void succeeded();
    /// No connection, or none that could be used.
    void failed();
    /// One connection has to show that the destination is back.
    void probe();

private:
    std::size_t limit_;
    std::size_t size_;
    std::size_t threshold_;      ///< below it each success adds one
    std::size_t successes_ = 0;  ///< since the size grew
    std::size_t failures_ = 0;   ///< since the last success
    std::size_t patience_ = 0;   ///< ends of runs before it may shrink again
};

/// Evenly spaced: with 20/min one each three seconds, and no burst after a pause (GCRA without tolerance).
class Pace {
public:
    explicit Pace(Rate rate) : rate_(rate) {}
    [[nodiscard]] const Rate& rate() const { return rate_; }
    [[nodiscard]] Instant next() const { return next_; }
    void took(std::size_t messages, Instant now);

private:
    Rate rate_;
    Instant next_{};
};

/// How long a destination that could not be reached `times` in a row is left alone.
[[nodiscard]] std::chrono::milliseconds rest_after(unsigned times, std::chrono::milliseconds longest);

}  // namespace sealpost::queue
