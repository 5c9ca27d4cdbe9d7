/// \file Connection: one TCP connection to a server, in clear and then perhaps under TLS.
///
/// Units    each call has its own time limit; the limit given at construction bounds them all together.
/// Errors   Errc::full - no descriptor, port or memory here; Errc::unavailable - refused, reset, closed;
/// Errc::timed_out; Errc::protocol - a malformed reply, or a
///          handshake that failed.
/// Limits   octets that were received and not yet taken: one read block and one reply.
/// Never    knows what a reply means.
#pragma once
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <memory>
#include <optional>
#include <string>

#include "config/ip.hpp"
#include "config/settings.hpp"
#include "mta/net/async.hpp"
#include "mta/net/tls_client.hpp"
#include "mta/smtp/reply.hpp"

namespace sealpost {

class Connection {
public:
    Connection(const asio::any_io_executor& executor, Millis total);
    // OpenSSL holds the address of offered_, and tls_ that of tcp_.
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() = default;

    [[nodiscard]] Async<Result<void>> connect(Endpoint to, std::optional<IpAddress> source, Millis limit);
    /// The handshake; nothing is judged here.
    [[nodiscard]] Async<Result<HandshakeFacts>> start_tls(TlsClient& tls, HandshakeRequest request,
                                                          Millis limit);
    [[nodiscard]] Async<Result<void>> write(std::string bytes, Millis limit);
    [[nodiscard]] Async<Result<Reply>> read_reply(Millis limit);

    /// Octets behind the last reply have arrived already.
    [[nodiscard]] bool bytes_follow() const { return !input_.empty(); }
    [[nodiscard]] std::string local_ip() const;
    /// What the server gave for resumption so far; with TLS 1.3 it comes with its first octets.
    [[nodiscard]] TlsSessionPtr take_tls_session() { return std::move(offered_); }
    /// Says close_notify, and waits for the server's as long as `limit` (RFC 8446 §6.1). Of a session that
    /// does not end so OpenSSL thinks that it broke, and never resumes it.
    [[nodiscard]] Async<void> end_tls(Millis limit);
    void close();

private:
    using Tls = asio::ssl::stream<boost::beast::tcp_stream&>;
    [[nodiscard]] Async<Result<void>> fill(Millis limit);
    template <class Stream>
    [[nodiscard]] Async<Result<void>> write_to(Stream& stream, std::string bytes, Millis limit);
    template <class Stream>
    [[nodiscard]] Async<Result<void>> fill_from(Stream& stream, Millis limit);
    void expire_after(Millis limit);

    boost::beast::tcp_stream tcp_;
    TlsSessionPtr offered_;  ///< filled by OpenSSL while tls_ lives
    std::optional<Tls> tls_;
    std::chrono::steady_clock::time_point end_;
    std::string input_;
    ReplyParser parser_;
};

}  // namespace sealpost
