/// \file TaskGroup: every coroutine that is not awaited is started in one.
///
/// Owns     the cancellation signal of each running coroutine and the count of them.
/// Use      all calls on the group's own executor. `stop()` asks every member to end, `co_await join()` waits
/// until
///          they have. A member may not outlive its group.
#pragma once
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <functional>
#include <list>
#include <string_view>

#include "mta/net/async.hpp"

namespace sealpost {

class TaskGroup {
public:
    /// `on_exception` is told of an exception that left a member: a bug, since errors are values.
    /// Cancellation is not.
    TaskGroup(asio::any_io_executor executor, std::function<void(std::string_view what)> on_exception);
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    void spawn(Async<void> task);
    void stop();
    [[nodiscard]] Async<void> join();
    [[nodiscard]] std::size_t size() const { return members_.size(); }
    [[nodiscard]] bool stopping() const { return stopping_; }

private:
    using Members = std::list<asio::cancellation_signal>;
    void finished(Members::iterator member, const std::exception_ptr& thrown);

    asio::any_io_executor executor_;
    std::function<void(std::string_view)> on_exception_;
    asio::steady_timer empty_;
    Members members_;
    bool stopping_ = false;
};

}  // namespace sealpost
