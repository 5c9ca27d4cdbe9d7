/// \file The wall clock as the store keeps it. The one place where the daemon reads it for the queue.
#pragma once
#include <chrono>

#include "queue/message.hpp"

namespace sealpost {

[[nodiscard]] inline queue::Time wall_clock() {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace sealpost
