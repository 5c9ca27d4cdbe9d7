/// \file IdleSessions: connections of one delivery thread that wait for another message.
///
/// Owns     each until it is taken, or too long has passed: then it says QUIT.
/// Limits   `max` connections; the one that has waited longest goes first. `idle` each.
/// Threads  those of the executor given at construction.
#pragma once
#include <list>
#include <memory>
#include <string>

#include "mta/delivery/kept_session.hpp"
#include "mta/net/task_group.hpp"

namespace sealpost {

class IdleSessions {
public:
    IdleSessions(asio::any_io_executor executor, TaskGroup& tasks, std::size_t max, Millis idle);

    /// The one that was used last; null: none is open.
    [[nodiscard]] std::unique_ptr<KeptSession> take(const std::string& domain);
    void keep(std::unique_ptr<KeptSession> session);
    [[nodiscard]] std::size_t size() const { return waiting_.size(); }
    /// The one that has waited longest says QUIT.
    void relieve();
    /// All of them say QUIT, and so do those that come later.
    void close();

private:
    struct Waiting {
        std::unique_ptr<KeptSession> session;
        KeptSession::Time until;
    };
    [[nodiscard]] Async<void> sweep();
    [[nodiscard]] static Async<void> quit(std::shared_ptr<KeptSession> session);
    void end(std::unique_ptr<KeptSession> session);

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    std::size_t max_;
    Millis idle_;
    std::list<Waiting> waiting_;  ///< in the order in which they began to wait
    bool sweeping_ = false;
    bool closed_ = false;
};

}  // namespace sealpost
