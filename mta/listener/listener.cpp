#include "mta/listener/listener.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <filesystem>

#include "mta/daemon/clock.hpp"
#include "mta/daemon/log.hpp"
#include "mta/net/endpoint.hpp"
#include "mta/net/tls_client.hpp"
#include "mta/smtp/received.hpp"
#include "queue/retry.hpp"
#include "security/remote_text.hpp"
#include "security/tls_required.hpp"

namespace sealpost {
namespace {

using asio::ip::tcp;
using Next = ServerAction::Next;

// Bodies in memory over all sessions. A session that would exceed it is closed with 421: nothing was
// acknowledged.
constexpr std::size_t max_buffered = 1UL << 30;
constexpr Millis write_limit = std::chrono::minutes(5);
constexpr Millis linger_limit = std::chrono::seconds(2);
constexpr std::size_t linger_octets = 256UL * 1024;

}  // namespace

/// One client. Its share of `buffered_` is given back when it ends, however it ends.
struct Listener::Session {
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
    [[nodiscard]] bool reserve(std::size_t octets) {
        if (listener.buffered_ + octets > max_buffered) return false;
        listener.buffered_ += octets;
        buffered += octets;
        return true;
    }
    void give_back() {
        listener.buffered_ -= buffered;
        buffered = 0;
    }
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

Async<ServerAction> Listener::read_message(Session& session) {
    DataReader reader(session.smtp.data_limits());
    for (;;) {
        if (!session.input.empty()) {
            if (!session.reserve(session.input.size())) {
                spdlog::warn("listener: more than {} octets of mail in reception, closing {}", max_buffered,
                             session.address.str());
                co_return session.smtp.shutting_down();
            }
            const DataReader::Progress progress = reader.feed(session.input);
            session.input.erase(0, progress.consumed);
            if (progress.state == DataReader::State::failed) {
                session.give_back();
                co_return session.smtp.data_refused(reader.error());
            }
            if (progress.state == DataReader::State::done) {
                const bool eight_bit = reader.eight_bit();
                // From here to the reply nothing is cut off: a client that is not told of the commit sends
                // the message again. talk() ends the session behind it.
                co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
                ServerAction stored = co_await store_message(session, reader.take_message(), eight_bit);
                session.give_back();
                co_return stored;
            }
        }
        if (co_await session.fill(context_.settings.data_timeout)) continue;
        ServerAction gone{.reply = {}, .next = Next::close};
        if (session.timed_out) gone = session.smtp.timed_out();
        co_return gone;
    }
}

bool Listener::queue_is_full() {
    if (context_.store->messages() >= context_.queue.max_messages) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now - space_checked_ > std::chrono::seconds(1)) {
        space_checked_ = now;
        std::error_code ec;
        const std::filesystem::space_info space = std::filesystem::space(context_.state_directory, ec);
        space_left_ = !ec && space.available >= context_.queue.min_free_space;
    }
    return !space_left_;
}

Async<ServerAction> Listener::store_message(Session& session, std::string body, bool eight_bit) {
    ServerTransaction transaction = session.smtp.take_transaction();
    if (queue_is_full()) {
        spdlog::warn("listener: the queue or the disk is full, mail of {} is answered 452",
                     session.address.str());
        co_return session.smtp.queue_full();
    }
    const queue::Time now = wall_clock();
    const queue::MessageId id = context_.ids->next(now);
    ReceivedFacts facts{.helo = transaction.helo,
                        .client = session.address,
                        .by = context_.hostname,
                        .esmtp = transaction.esmtp,
                        .smtputf8 = transaction.smtputf8,
                        .tls_cipher = session.cipher,
                        .queue_id = id.str(),
                        .only_recipient = {},
                        .time = now};
    if (transaction.recipients.size() == 1) facts.only_recipient = transaction.recipients.front().address;
    auto message = std::make_shared<queue::NewMessage>(
        queue::NewMessage{.id = id, .envelope = {}, .recipients = {}, .body = received_field(facts) + body});
    queue::Envelope& envelope = message->envelope;
    if (transaction.sender) envelope.sender = transaction.sender->str();
    envelope.body = eight_bit ? queue::BodyType::eight_bit_mime : queue::BodyType::seven_bit;
    envelope.client_ip = session.address.str();
    envelope.client_helo = security::printable(transaction.helo, 255);
    envelope.protocol = transmission_type(facts);
    envelope.tls = security::tag_message(transaction.requiretls, security::parse_tls_required(body));
    envelope.received_at = now;
    envelope.expires_at = queue::expiry(context_.queue, !transaction.sender, now);
    envelope.smtputf8 = transaction.smtputf8;
    envelope.ret = transaction.ret;
    envelope.envid = std::move(transaction.envid);
    for (ServerRecipient& recipient : transaction.recipients)
        message->recipients.push_back({.address = recipient.address.str(),
                                       .domain = recipient.address.host_str(),
                                       .orcpt = std::move(recipient.orcpt),
                                       .notify = std::move(recipient.notify)});
    std::function<Result<int>(queue::Store&)> work = [message](queue::Store& store) -> Result<int> {
        const Result<void> stored = store.enqueue(*message, queue::Lease::no);
        if (!stored) return tl::unexpected(stored.error());
        return 0;
    };
    const Result<int> stored = co_await context_.store->run(std::move(work));
    if (!stored) {
        spdlog::error("{}: not stored, answered 4xx: {}", id.str(), stored.error().text);
        ServerAction refused =
            stored.error().code == Errc::full ? session.smtp.queue_full() : session.smtp.storage_failed();
        co_return refused;
    }
    log_line("qmgr", fmt::format("{}: client=[{}], from=<{}>, size={}, nrcpt={} (queue active)", id.str(),
                                 session.address.str(), envelope.sender, message->body.size(),
                                 message->recipients.size()));
    context_.on_stored();
    co_return session.smtp.stored(id.str());
}

}  // namespace sealpost
