#include "mta/net/task_group.hpp"

namespace sealpost {

TaskGroup::TaskGroup(asio::any_io_executor executor, std::function<void(std::string_view)> on_exception)
    : executor_(std::move(executor)), on_exception_(std::move(on_exception)), empty_(executor_) {}

void TaskGroup::spawn(Async<void> task) {
    if (stopping_) return;
    const auto member = members_.emplace(members_.end());
    asio::co_spawn(
        executor_, std::move(task),
        asio::bind_cancellation_slot(
            member->slot(), [this, member](const std::exception_ptr& thrown) { finished(member, thrown); }));
}

void TaskGroup::finished(Members::iterator member, const std::exception_ptr& thrown) {
    const auto leave = [this, member] {
        members_.erase(member);
        if (members_.empty()) empty_.cancel();
    };
    // What emit() posted for this member may still be in the queue when it ends by itself, and reads the
    // signal: the signal goes after it.
    if (stopping_)
        asio::post(executor_, leave);
    else
        leave();
    if (!thrown) return;
    try {
        std::rethrow_exception(thrown);
    } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted) on_exception_(e.what());
    } catch (const std::exception& e) {
        on_exception_(e.what());
    }
}

void TaskGroup::stop() {
    stopping_ = true;
    // A member may end inside emit() and leave the list, hence the step before the call. Its end is always
    // posted by Asio, never run inside emit(), so the next element stays valid.
    for (auto it = members_.begin(); it != members_.end();) (it++)->emit(asio::cancellation_type::terminal);
}

Async<void> TaskGroup::join() {
    while (!members_.empty()) {
        empty_.expires_at(asio::steady_timer::time_point::max());
        co_await empty_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

}  // namespace sealpost
