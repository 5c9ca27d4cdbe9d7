#include "mta/listener/listener.hpp"

#include <spdlog/spdlog.h>

#include "mta/daemon/log.hpp"
#include "mta/listener/listener_session.hpp"
#include "mta/net/endpoint.hpp"
#include "mta/net/tls_client.hpp"
#include "security/remote_text.hpp"

namespace sealpost {
namespace {

using asio::ip::tcp;
using Next = ServerAction::Next;

constexpr Millis write_limit = std::chrono::minutes(5);
constexpr Millis linger_limit = std::chrono::seconds(2);
constexpr std::size_t linger_octets = 256UL * 1024;

}  // namespace

Listener::Listener(ListenerContext context, const std::vector<int>& sockets)
    : context_(std::move(context)),
      io_(1),
      work_(asio::make_work_guard(io_)),
      tasks_(io_.get_executor(), [](std::string_view what) { spdlog::critical("listener: {}", what); }) {
    for (const int fd : sockets) {
        auto acceptor = std::make_unique<Acceptor>(io_);
        sockaddr_storage name{};
        socklen_t size = sizeof name;
        getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
        acceptor->assign(name.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), fd);
        acceptors_.push_back(std::move(acceptor));
    }
}

Listener::~Listener() {
    stop();
}

void Listener::start() {
    for (const auto& acceptor : acceptors_) tasks_.spawn(accept(*acceptor));
    thread_ = std::thread([this] { io_.run(); });
}

void Listener::stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    asio::post(io_, [this] {
        for (const auto& acceptor : acceptors_) acceptor->close();
        tasks_.stop();
    });
    work_.reset();
    thread_.join();
}

Async<void> Listener::accept(Acceptor& acceptor) {
    while (!stopping_) {
        auto [ec, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
        if (!ec) {
            tasks_.spawn(serve(std::move(socket)));
            continue;
        }
        if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) co_return;
        spdlog::error("listener: accept: {}",
                      ec.message());  // out of descriptors: wait for some to come back
        asio::steady_timer pause(io_, std::chrono::milliseconds(200));
        co_await pause.async_wait(asio::use_awaitable);
    }
}

Async<void> Listener::serve(tcp::socket socket) {
    boost::system::error_code ec;
    const tcp::endpoint remote = socket.remote_endpoint(ec);
    if (ec) co_return;
    const IpAddress client = from_asio(remote).address;
    const Relay relay =
        any_contains(context_.settings.relay_networks, client) ? Relay::allowed : Relay::refused;
    socket.set_option(tcp::no_delay(true), ec);
    Session session(*this, std::move(socket), client, relay);
    const bool full = sessions_ >= context_.settings.max_sessions ||
                      clients_[client] >= context_.settings.max_sessions_per_client;
    struct Count {
        Count(Listener& l, const IpAddress& c) : listener(l), address(c) {
            ++listener.sessions_;
            ++listener.clients_[address];
        }
        ~Count() {
            --listener.sessions_;
            if (--listener.clients_[address] == 0) listener.clients_.erase(address);
        }
        Count(const Count&) = delete;
        Count& operator=(const Count&) = delete;
        Listener& listener;
        IpAddress address;
    };
    const Count count(*this, client);
    ServerAction first = full ? session.smtp.too_many_sessions() : session.smtp.greeting();
    co_await talk(session, std::move(first));
}

Async<void> Listener::talk(Session& session, ServerAction action) {
    for (;;) {
        const Millis limit = stopping_ ? linger_limit : write_limit;
        if (!co_await session.write(action.reply, limit)) co_return;
        if (!stopping_)
            co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
        if (action.next == Next::close) break;
        if (action.next == Next::start_tls) {
            // From here on an octet in clear would be a broken handshake, also one that says we are ending.
            if (stopping_) co_return;
            if (!co_await start_tls(session)) co_return;
            action = co_await next_command(session);
            if (action.reply.empty()) co_return;
            continue;
        }
        if (stopping_) {
            action = session.smtp.shutting_down();
            continue;
        }
        if (action.next == Next::read_data)  // not ?: - see mta/net/async.hpp
            action = co_await read_message(session);
        else
            action = co_await next_command(session);
        if (action.reply.empty()) co_return;  // the client is gone
    }
    co_await say_goodbye(session);
}

/// The handshake with its deadline. false: it failed, and neither side can say anything more.
Async<bool> Listener::start_tls(Session& session) {
    session.input.clear();  // nothing that came in clear is read behind it (RFC 3207 §6)
    session.tls.emplace(session.stream, context_.tls->context());
    session.expire_after(context_.settings.command_timeout);
    const auto [ec] = co_await session.tls->async_handshake(asio::ssl::stream_base::server,
                                                            asio::as_tuple(asio::use_awaitable));
    if (ec && stopping_) co_return false;
    if (ec) {
        log_line("smtpd", fmt::format("TLS handshake with [{}] failed: {}", session.address.str(),
                                      security::printable(ec.message())));
        co_return false;
    }
    session.cipher = handshake_facts(session.tls->native_handle()).cipher;
    session.smtp.tls_established();
    co_return true;
}

/// Closing with unread octets would reset the connection, and the client might never see the last reply.
Async<void> Listener::say_goodbye(Session& session) {
    boost::system::error_code ignored;
    if (session.tls) {
        // close_notify; the client's is waited for, which also reads what it still sends.
        session.expire_after(linger_limit);
        co_await session.tls->async_shutdown(asio::as_tuple(asio::use_awaitable));
        session.tls.reset();
    }
    session.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    session.end = std::min(session.end, std::chrono::steady_clock::now() + linger_limit);
    for (std::size_t drained = 0; drained < linger_octets; drained += session.input.size()) {
        session.input.clear();
        if (!co_await session.fill(linger_limit)) co_return;
    }
}

Async<ServerAction> Listener::next_command(Session& session) {
    for (;;) {
        const std::size_t end = session.input.find("\r\n");
        if (end != std::string::npos && end + 2 <= max_command_line) {
            const std::string line = session.input.substr(0, end);
            session.input.erase(0, end + 2);
            session.smtp.set_room(!queue_is_full());
            co_return session.smtp.command(line, !session.input.empty());
        }
        if (end != std::string::npos || session.input.size() >= max_command_line)
            co_return session.smtp.overlong_line();
        if (co_await session.fill(context_.settings.command_timeout)) continue;
        ServerAction gone{.reply = {}, .next = Next::close};
        if (session.timed_out) gone = session.smtp.timed_out();
        co_return gone;
    }
}

}  // namespace sealpost
