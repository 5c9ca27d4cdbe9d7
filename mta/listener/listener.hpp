/// \file Listener: accepts mail over SMTP from the networks that may relay, and answers 250 when it is on
/// disk.
///
/// Owns     the listening sockets, a thread, and a coroutine for each session; what the commands mean is
/// decided in
///          smtp/server_session.hpp.
/// Limits   sessions over all and of one client, octets of messages in memory over all sessions, time of each
/// wait. Errors   bind: Errc::unavailable names the address and the remedy.
#pragma once
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "config/settings.hpp"
#include "mta/daemon/store_thread.hpp"
#include "mta/net/task_group.hpp"
#include "mta/net/tls_server.hpp"
#include "mta/smtp/server_session.hpp"
#include "queue/kept_message.hpp"

namespace sealpost {

/// Sockets bound and listening; done before privileges are dropped.
[[nodiscard]] Result<std::vector<int>> bind_listeners(const std::vector<Endpoint>& endpoints);

struct ListenerContext {
    ListenerSettings settings;
    QueueSettings queue;
    std::string state_directory;
    Domain hostname;
    std::shared_ptr<TlsServer> tls;  ///< set when settings.tls_certificate is
    StoreThread* store = nullptr;
    queue::MessageIdSource* ids = nullptr;
    // Called on the listener's thread; the other side may be on any.
    std::function<void()> on_stored;  ///< something is due
    std::function<bool()> roomy;      ///< whether a message should be leased and handed over at once
    std::function<void(std::vector<queue::DueRecipient>, std::shared_ptr<const queue::StoredMessage>)>
        accepted;
    queue::MessageMemory* memory = nullptr;
};

class Listener {
public:
    Listener(ListenerContext context, const std::vector<int>& sockets);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    void start();
    /// No new sessions. A message that is being stored gets its answer, and 421 behind it; the others end
    /// now.
    void stop();

private:
    struct Session;
    struct Incoming;
    using Acceptor = asio::ip::tcp::acceptor;

    [[nodiscard]] Async<void> accept(Acceptor& acceptor);
    [[nodiscard]] Async<void> serve(asio::ip::tcp::socket socket);
    [[nodiscard]] Async<void> talk(Session& session, ServerAction action);
    [[nodiscard]] Async<bool> start_tls(Session& session);
    [[nodiscard]] Async<void> say_goodbye(Session& session);
    [[nodiscard]] Async<ServerAction> next_command(Session& session);
    [[nodiscard]] Async<ServerAction> read_message(Session& session);
    [[nodiscard]] Incoming arrive(const Session& session);
    [[nodiscard]] Async<void> spool(Session& session, Incoming& incoming, DataReader& reader);
    [[nodiscard]] Async<ServerAction> store_message(Session& session, Incoming& incoming, DataReader& reader);
    [[nodiscard]] Async<void> remove(queue::MessageId id, std::size_t recipients);
    void hand_over(queue::NewMessage message);
    [[nodiscard]] bool queue_is_full();

    ListenerContext context_;
    asio::io_context io_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    TaskGroup tasks_;
    std::vector<std::unique_ptr<Acceptor>> acceptors_;
    std::map<IpAddress, unsigned> clients_;
    unsigned sessions_ = 0;
    std::size_t buffered_ = 0;  ///< octets of messages being received
    std::chrono::steady_clock::time_point space_checked_{};
    bool space_left_ = true;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace sealpost
