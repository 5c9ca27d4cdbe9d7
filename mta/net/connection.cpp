#include "mta/net/connection.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>

#include "mta/net/endpoint.hpp"
#include "security/remote_text.hpp"

namespace sealpost {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

/// Cancellation from above is no error of the network: it ends the coroutine. What was finished before it
/// came counts: the octets may be the reply that says who has the message.
void throw_if_cancelled(const error_code& ec, const asio::cancellation_state& state) {
    if (ec && state.cancelled() != asio::cancellation_type::none)
        throw boost::system::system_error{asio::error::operation_aborted};
}

tl::unexpected<Error> network_error(std::string_view doing, const error_code& ec) {
    if (ec == boost::beast::error::timeout) return fail(Errc::timed_out, fmt::format("{}: timed out", doing));
    if (ec == asio::error::eof || ec == asio::ssl::error::stream_truncated)
        return fail(Errc::unavailable, fmt::format("{}: the server closed the connection", doing));
    // Of descriptors, ports or memory here: it says nothing of the other side.
    const bool ours = ec == asio::error::no_descriptors ||
                      ec == boost::system::errc::too_many_files_open_in_system ||
                      ec == asio::error::no_buffer_space || ec == asio::error::no_memory ||
                      ec == boost::system::errc::address_not_available;
    return fail(ours ? Errc::full : Errc::unavailable,
                fmt::format("{}: {}", doing, security::printable(ec.message())));
}

}  // namespace

Connection::Connection(const asio::any_io_executor& executor, Millis total)
    : tcp_(executor), end_(std::chrono::steady_clock::now() + total) {}

void Connection::expire_after(Millis limit) {
    tcp_.expires_at(std::min(end_, std::chrono::steady_clock::now() + limit));
}

Async<Result<void>> Connection::connect(Endpoint to, std::optional<IpAddress> source, Millis limit) {
    const tcp::endpoint target = to_asio(to);
    error_code ec;
    if (source) {
        tcp_.socket().open(target.protocol(), ec);
        if (!ec) {
            const Endpoint local{.address = *source, .port = 0};
            tcp_.socket().bind(to_asio(local), ec);
        }
        if (ec)
            co_return fail(Errc::unavailable,
                           fmt::format("source address {}: {}", source->str(), ec.message()));
    }
    expire_after(limit);
    const auto [connect_error] = co_await tcp_.async_connect(target, asio::as_tuple(asio::use_awaitable));
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    throw_if_cancelled(connect_error, state);
    if (connect_error) co_return network_error("connect", connect_error);
    tcp_.socket().set_option(tcp::no_delay(true), ec);  // pipelined groups are whole segments already
    co_return Result<void>();
}

Async<Result<HandshakeFacts>> Connection::start_tls(TlsClient& tls, HandshakeRequest request, Millis limit) {
    tls_.emplace(tcp_, tls.context());
    const Result<void> ready = prepare_handshake(tls_->native_handle(), request, &offered_);
    if (!ready) co_return tl::unexpected(ready.error());
    expire_after(limit);
    const auto [ec] =
        co_await tls_->async_handshake(asio::ssl::stream_base::client, asio::as_tuple(asio::use_awaitable));
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    throw_if_cancelled(ec, state);
    if (ec) {
        if (ec == boost::beast::error::timeout) co_return fail(Errc::timed_out, "handshake timed out");
        if (ec == asio::error::eof || ec == asio::ssl::error::stream_truncated)
            co_return fail(Errc::protocol, "the server closed the connection during the handshake");
        co_return fail(Errc::protocol, security::printable(ec.message()));
    }
    co_return handshake_facts(tls_->native_handle());
}

Async<Result<void>> Connection::write(std::string bytes, Millis limit) {
    if (tls_) return write_to(*tls_, std::move(bytes), limit);
    return write_to(tcp_, std::move(bytes), limit);
}

template <class Stream>
Async<Result<void>> Connection::write_to(Stream& stream, std::string bytes, Millis limit) {
    expire_after(limit);
    const auto [ec, n] =
        co_await asio::async_write(stream, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    throw_if_cancelled(ec, state);
    if (ec) co_return network_error("write", ec);
    co_return Result<void>();
}

Async<Result<void>> Connection::fill(Millis limit) {
    return tls_ ? fill_from(*tls_, limit) : fill_from(tcp_, limit);
}

template <class Stream>
Async<Result<void>> Connection::fill_from(Stream& stream, Millis limit) {
    expire_after(limit);
    std::array<char, 8192> block{};
    const auto [ec, n] =
        co_await stream.async_read_some(asio::buffer(block), asio::as_tuple(asio::use_awaitable));
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    throw_if_cancelled(ec, state);
    if (ec) co_return network_error("read", ec);
    input_.append(block.data(), n);
    co_return Result<void>();
}

Async<Result<Reply>> Connection::read_reply(Millis limit) {
    // The limit is for the whole reply: a server that drips octets does not restart it.
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        if (!input_.empty()) {
            const ReplyParser::Progress progress = parser_.feed(input_);
            input_.erase(0, progress.consumed);
            if (progress.state == ReplyParser::State::failed)
                co_return fail(Errc::protocol, fmt::format("malformed reply: {}", parser_.why()));
            if (progress.state == ReplyParser::State::done) co_return parser_.take();
        }
        const auto left = std::chrono::duration_cast<Millis>(end - std::chrono::steady_clock::now());
        if (left <= Millis::zero()) co_return fail(Errc::timed_out, "read: timed out");
        const Result<void> filled = co_await fill(left);
        if (!filled) co_return tl::unexpected(filled.error());
    }
}

std::string Connection::local_ip() const {
    error_code ec;
    const tcp::endpoint local = tcp_.socket().local_endpoint(ec);
    return ec ? std::string() : from_asio(local).address.str();
}

Async<void> Connection::end_tls(Millis limit) {
    if (!tls_) co_return;
    expire_after(limit);
    const auto [ec] = co_await tls_->async_shutdown(asio::as_tuple(asio::use_awaitable));
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    throw_if_cancelled(ec, state);  // any other end is as good: nothing more is read
}

void Connection::close() {
    tcp_.close();
}

}  // namespace sealpost
