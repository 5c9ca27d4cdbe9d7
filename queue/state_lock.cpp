#include "queue/state_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace sealpost::queue {

namespace {

std::string owner_of(int descriptor) {
    std::array<char, 20> text{};
    const ssize_t size = ::pread(descriptor, text.data(), text.size(), 0);
    std::string pid;
    for (ssize_t i = 0;
         i < size && text[static_cast<std::size_t>(i)] >= '0' && text[static_cast<std::size_t>(i)] <= '9';
         ++i)
        pid += text[static_cast<std::size_t>(i)];
    return pid.empty() ? "another process" : "process " + pid;
}

}  // namespace

Result<StateLock> StateLock::acquire(const std::filesystem::path& state_directory) {
    const std::filesystem::path file = state_directory / "lock";
    const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0)
        return fail(
            Errc::configuration,
            fmt::format("cannot write {}: {}; give the state directory to the user that runs sealpost",
                        file.string(), std::generic_category().message(errno)));
    StateLock lock{descriptor};
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0)
        return fail(Errc::unavailable,
                    fmt::format("state directory {} is in use by {}: stop it, or set another state_directory",
                                state_directory.string(), owner_of(descriptor)));
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(descriptor, 0) != 0 ||
        ::pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
        return fail(Errc::storage, fmt::format("cannot write {}: {}", file.string(),
                                               std::generic_category().message(errno)));
    return lock;
}

StateLock::StateLock(StateLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

StateLock& StateLock::operator=(StateLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
}

StateLock::~StateLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace sealpost::queue
