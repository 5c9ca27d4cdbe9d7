#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mta/listener/listener.hpp"
#include "mta/net/endpoint.hpp"

namespace sealpost {
namespace {

constexpr int backlog = 512;

std::string remedy(int error, const Endpoint& endpoint) {
    switch (error) {
        case EADDRINUSE:
            return fmt::format(
                "another program uses it: end that one (see `ss -ltnp sport = :{}`), or set "
                "listener.listen to another port",
                endpoint.port);
        case EACCES:
            return "ports below 1024 need root or CAP_NET_BIND_SERVICE: start through the systemd unit, or "
                   "set "
                   "listener.listen to another port";
        case EADDRNOTAVAIL:
            return "this host does not have the address: correct listener.listen";
        default:
            return "correct listener.listen";
    }
}

Result<int> bind_one(const Endpoint& endpoint) {
    const auto address = to_asio(endpoint);
    const int fd = socket(address.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    int error = fd < 0 ? errno : 0;
    if (error == 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) error = errno;
    if (error == 0 && !endpoint.address.is_v4() &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        error = errno;
    if (error == 0 && bind(fd, address.data(), static_cast<socklen_t>(address.size())) != 0) error = errno;
    if (error == 0 && listen(fd, backlog) != 0) error = errno;
    if (error == 0) return fd;
    if (fd >= 0) close(fd);
    return fail(Errc::unavailable, fmt::format("cannot listen on {} ({}): {}", endpoint.str(),
                                               std::strerror(error), remedy(error, endpoint)));
}

/// A kernel without IPv6 is no reason to refuse the default configuration, which names [::1] as well.
bool family_is_missing(const Endpoint& endpoint) {
    if (endpoint.address.is_v4()) return false;
    const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return true;
    sockaddr_in6 loopback{};
    loopback.sin6_family = AF_INET6;
    loopback.sin6_addr = in6addr_loopback;
    const bool missing = bind(fd, reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) != 0 &&
                         errno == EADDRNOTAVAIL;
    close(fd);
    return missing;
}

}  // namespace

Result<std::vector<int>> bind_listeners(const std::vector<Endpoint>& endpoints) {
    std::vector<int> sockets;
    std::optional<Error> skipped;
    for (const Endpoint& endpoint : endpoints) {
        const Result<int> fd = bind_one(endpoint);
        if (fd) {
            sockets.push_back(*fd);
            continue;
        }
        if (family_is_missing(endpoint)) {
            skipped = fd.error();
            continue;
        }
        for (const int open : sockets) close(open);
        return tl::unexpected(fd.error());
    }
    if (sockets.empty() && skipped) return tl::unexpected(*skipped);
    return sockets;
}

}  // namespace sealpost
