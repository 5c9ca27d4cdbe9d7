#include "mta/resolver/trust_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sealpost::resolver {
namespace {

constexpr std::size_t max_file = 1 << 20;

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

tl::unexpected<Error> failed(const std::string& path, std::string_view doing) {
    return fail(Errc::storage, fmt::format("{}: {}: {}", path, doing, std::strerror(errno)));
}

}  // namespace

Result<security::TrustState> TrustFile::load() const {
    const Descriptor file(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file.get() < 0 && errno == ENOENT) return fail(Errc::not_found, path_);
    if (file.get() < 0) return failed(path_, "open");
    std::string text;
    char block[4096];
    for (;;) {
        const ssize_t n = read(file.get(), block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed(path_, "read");
        if (n == 0) break;
        text.append(block, static_cast<std::size_t>(n));
        if (text.size() > max_file) return fail(Errc::invalid, fmt::format("{}: larger than 1 MiB", path_));
    }
    Result<security::TrustState> state = security::decode_trust_state(text);
    if (!state) return fail(path_, state.error());
    return state;
}

Result<void> TrustFile::save(const security::TrustState& state) const {
    const std::string text = security::encode(state);
    const std::string beside = path_ + ".new";
    {
        const Descriptor file(
            open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (file.get() < 0) return failed(beside, "open");
        for (std::size_t done = 0; done < text.size();) {
            const ssize_t n = write(file.get(), text.data() + done, text.size() - done);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return failed(beside, "write");
            done += static_cast<std::size_t>(n);
        }
        if (fsync(file.get()) != 0) return failed(beside, "fsync");
    }
    if (rename(beside.c_str(), path_.c_str()) != 0) return failed(path_, "rename");
    const std::string folder = path_.substr(0, path_.rfind('/'));
    const Descriptor directory(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || fsync(directory.get()) != 0) return failed(folder, "fsync");
    return {};
}

}  // namespace sealpost::resolver
