#include "config/text_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace sealpost {
namespace {

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

tl::unexpected<Error> system_failure(const std::filesystem::path& path, int error) {
    std::string_view remedy = "";
    if (error == ENOENT) remedy = "; create it, or name the file that is meant";
    if (error == EACCES) remedy = "; let the user that runs sealpost read it and enter the folders above it";
    if (error == ELOOP) remedy = "; it is a link that leads back to itself";
    return fail(error == ENOENT ? Errc::not_found : Errc::configuration,
                fmt::format("{}: cannot be read: {}{}", path.native(), std::generic_category().message(error),
                            remedy));
}

}  // namespace

Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_size) {
    // O_NONBLOCK: opening a pipe that nobody writes to must not hang; it is refused just below.
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (file.get() < 0) return system_failure(path, errno);
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return system_failure(path, errno);
    if (!S_ISREG(info.st_mode))
        return fail(Errc::configuration,
                    fmt::format("{}: is not a file; move it away or rename it", path.native()));
    std::string text;
    std::array<char, 16384> block{};
    for (;;) {
        const ssize_t got = ::read(file.get(), block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_failure(path, errno);
        if (got == 0) return text;
        text.append(block.data(), static_cast<std::size_t>(got));
        if (text.size() > max_size)
            return fail(Errc::configuration,
                        fmt::format("{}: is larger than {} octets; split it into several files",
                                    path.native(), max_size));
    }
}

}  // namespace sealpost
