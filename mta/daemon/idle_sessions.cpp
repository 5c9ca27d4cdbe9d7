#include "mta/daemon/idle_sessions.hpp"

#include <algorithm>

namespace sealpost {

IdleSessions::IdleSessions(asio::any_io_executor executor, TaskGroup& tasks, std::size_t max, Millis idle)
    : executor_(std::move(executor)), tasks_(tasks), max_(max), idle_(idle) {}

std::unique_ptr<KeptSession> IdleSessions::take(const std::string& domain) {
    const auto found = std::find_if(waiting_.rbegin(), waiting_.rend(),
                                    [&](const Waiting& w) { return w.session->terms.domain == domain; });
    if (found == waiting_.rend()) return nullptr;
    std::unique_ptr<KeptSession> session = std::move(found->session);
    waiting_.erase(std::next(found).base());
    return session;
}

void IdleSessions::keep(std::unique_ptr<KeptSession> session) {
    if (closed_ || idle_ <= Millis::zero() || max_ == 0) {
        end(std::move(session));
        return;
    }
    if (waiting_.size() >= max_) {
        end(std::move(waiting_.front().session));
        waiting_.pop_front();
    }
    waiting_.push_back({std::move(session), std::chrono::steady_clock::now() + idle_});
    if (sweeping_) return;
    sweeping_ = true;
    tasks_.spawn(sweep());
}

void IdleSessions::relieve() {
    if (waiting_.empty()) return;
    end(std::move(waiting_.front().session));
    waiting_.pop_front();
}

void IdleSessions::close() {
    closed_ = true;
    for (Waiting& each : waiting_) end(std::move(each.session));
    waiting_.clear();
}

void IdleSessions::end(std::unique_ptr<KeptSession> session) {
    tasks_.spawn(quit(std::move(session)));
}

Async<void> IdleSessions::quit(std::shared_ptr<KeptSession> session) {
    co_await session->smtp->quit();
}

/// Runs while something waits. The same limit for all, so that the first one is always the next to go.
Async<void> IdleSessions::sweep() {
    while (!waiting_.empty()) {
        asio::steady_timer timer(executor_, waiting_.front().until);
        co_await timer.async_wait(asio::use_awaitable);
        const auto now = std::chrono::steady_clock::now();
        while (!waiting_.empty() && waiting_.front().until <= now) {
            end(std::move(waiting_.front().session));
            waiting_.pop_front();
        }
    }
    sweeping_ = false;
}

}  // namespace sealpost
