/// \file Listener::Session: one client of the listener. For mta/listener alone.
#pragma once
#include <algorithm>
#include <array>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <optional>
#include <string>

#include "mta/listener/listener.hpp"

namespace sealpost {

/// One client. Its share of `buffered_` is given back when it ends, however it ends.
struct Listener::Session {
    using tcp = asio::ip::tcp;
    // Octets of messages in memory over all sessions. A session that would exceed it is closed with 421:
    // nothing was acknowledged.
    static constexpr std::size_t max_buffered = 1UL << 30;

    Session(Listener& owner, tcp::socket socket, IpAddress client, Relay relay)
        : listener(owner),
          stream(std::move(socket)),
          address(client),
          end(std::chrono::steady_clock::now() + owner.context_.settings.session_timeout),
          smtp(owner.context_.hostname, owner.context_.settings, client, relay) {}
    ~Session() { listener.buffered_ -= buffered; }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void expire_after(Millis limit) {
        stream.expires_at(std::min(end, std::chrono::steady_clock::now() + limit));
    }
    /// So many octets of a message are in memory now. false: that would be too much over all sessions.
    [[nodiscard]] bool hold(std::size_t octets) {
        const std::size_t others = listener.buffered_ - buffered;
        if (octets > buffered && others + octets > max_buffered) return false;
        listener.buffered_ = others + octets;
        buffered = octets;
        return true;
    }
    void give_back() { static_cast<void>(hold(0)); }
    /// false: closed, reset or timed out (then `timed_out`).
    [[nodiscard]] Async<bool> fill(Millis limit) {
        std::array<char, 16UL * 1024> block{};
        expire_after(limit);
        boost::system::error_code ec;
        std::size_t got = 0;
        if (tls) {
            const auto [error, n] =
                co_await tls->async_read_some(asio::buffer(block), asio::as_tuple(asio::use_awaitable));
            ec = error;
            got = n;
        } else {
            const auto [error, n] =
                co_await stream.async_read_some(asio::buffer(block), asio::as_tuple(asio::use_awaitable));
            ec = error;
            got = n;
        }
        timed_out = ec == boost::beast::error::timeout;
        if (ec) co_return false;
        input.append(block.data(), got);
        co_return true;
    }
    /// false: the client is gone.
    [[nodiscard]] Async<bool> write(const std::string& reply, Millis limit) {
        expire_after(limit);
        boost::system::error_code ec;
        if (tls) {
            const auto [error, n] =
                co_await asio::async_write(*tls, asio::buffer(reply), asio::as_tuple(asio::use_awaitable));
            ec = error;
        } else {
            const auto [error, n] =
                co_await asio::async_write(stream, asio::buffer(reply), asio::as_tuple(asio::use_awaitable));
            ec = error;
        }
        co_return !ec;
    }

    Listener& listener;
    boost::beast::tcp_stream stream;
    std::optional<asio::ssl::stream<boost::beast::tcp_stream&>> tls;
    std::string cipher;  ///< of the established TLS
    IpAddress address;
    std::chrono::steady_clock::time_point end;
    ServerSession smtp;
    std::string input;
    std::size_t buffered = 0;
    bool timed_out = false;
};

}  // namespace sealpost
