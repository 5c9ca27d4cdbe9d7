/// \file StateLock: at most one daemon on a state directory.
///
/// Owns     an flock on `<state_directory>/lock`, which holds the pid of its owner. The kernel frees it with
/// the
///          process, so a stale file is no obstacle.
/// Errors   Errc::unavailable - another process holds it (named by pid); Errc::configuration - cannot be
/// created.
#pragma once
#include <filesystem>

#include "config/result.hpp"

namespace sealpost::queue {

class StateLock {
public:
    [[nodiscard]] static Result<StateLock> acquire(const std::filesystem::path& state_directory);

    StateLock(StateLock&& other) noexcept;
    StateLock& operator=(StateLock&& other) noexcept;
    ~StateLock();

private:
    explicit StateLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_ = -1;
};

}  // namespace sealpost::queue
