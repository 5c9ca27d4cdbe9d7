/// \file AdminServer: HTTP/1.1 and JSON on a Unix socket, for administrators of this host.
///
/// Owns     the socket (mode 0660: who may connect is decided by its owner and group), a thread with its own
///          io_context, all admin connections.
/// Limits   AdminLimits; each connection and each wait is bounded.
/// Errors   of open(): Errc::unavailable - another daemon answers there; Errc::configuration - the path
///          cannot be bound. One line with the remedy.
/// Order    stop() before the store thread ends, so that nobody asks it any more; destroy after it ended,
///          since answers that are still under way are posted to this server's io_context.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "config/result.hpp"
#include "mta/admin/backend.hpp"

namespace sealpost {

struct AdminLimits {
    std::size_t connections = 32;
    std::size_t header_size = 16U << 10;
    std::size_t body_size = 64U << 10;
    std::chrono::milliseconds timeout = std::chrono::seconds(30);  ///< to read a request, to write an answer
};

class AdminServer {
public:
    /// `on_error` is told, on the server's thread, of what no client can be told.
    AdminServer(std::string socket_path, AdminBackend backend, std::function<void(std::string_view)> on_error,
                AdminLimits limits = {});
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;
    ~AdminServer();

    /// Binds and listens; to be called while the process may still write to the socket's folder, which is
    /// made when only it is missing. Connections wait until start(). A socket that nobody answers on is
    /// replaced.
    [[nodiscard]] Result<void> open();
    /// Opens if that was not done, and serves on a thread of its own.
    [[nodiscard]] Result<void> start();
    /// Ends all connections, joins the thread, removes the socket. May be called twice.
    void stop();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sealpost
