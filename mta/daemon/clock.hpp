/// \file The wall clock as the store keeps it. The one place where the daemon reads it for the queue.
#pragma once
#include <algorithm>
#include <chrono>

#include "queue/message.hpp"

namespace sealpost {

[[nodiscard]] inline queue::Time wall_clock() {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

/// The time by which mail is given up. A wall clock that is set ahead does not end what had days to live: it
/// goes on from the start of the daemon as the steady clock does, but never runs ahead of the wall clock.
[[nodiscard]] inline queue::Time life_clock(queue::Time wall, queue::Time wall_at_start,
                                            std::chrono::steady_clock::duration since_start) {
    constexpr std::chrono::minutes corrections{10};  // that a clock is set by without having jumped
    const auto lived = std::chrono::duration_cast<std::chrono::milliseconds>(since_start);
    return std::min(wall, wall_at_start + lived + corrections);
}

[[nodiscard]] inline queue::Time life_clock() {
    static const queue::Time wall_at_start = wall_clock();
    static const auto start = std::chrono::steady_clock::now();
    return life_clock(wall_clock(), wall_at_start, std::chrono::steady_clock::now() - start);
}

}  // namespace sealpost
