/// \file The words of coroutine code: Async<T>, and a completion that another thread sets.
///
/// Owns     Async<T>; Completion<T>: one value handed from any thread to one waiting coroutine, with a
/// deadline. Errors   Errc::timed_out - the deadline passed first; the value that comes later is dropped.
/// Note     g++ 12 destroys some temporaries of a co_await statement twice: such a statement holds names,
/// calls and
///          literals alone (tests/gcc12_coroutines.query).
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "config/result.hpp"

namespace sealpost {

namespace asio = boost::asio;

template <class T>
using Async = asio::awaitable<T>;

/// One value from any thread to one coroutine. Made by the coroutine, on its own executor; `set` may be
/// called on any thread, at most the first call counts. The coroutine must go from construction to `wait`
/// without suspending in between unless it hands the pointer out only after that.
template <class T>
class Completion : public std::enable_shared_from_this<Completion<T>> {
public:
    [[nodiscard]] static std::shared_ptr<Completion> create(const asio::any_io_executor& executor) {
        return std::shared_ptr<Completion>(new Completion(executor));
    }

    void set(T value) {
        // The value travels by the waiting coroutine's own executor: no lock, and no wake-up before it waits.
        asio::post(executor_, [self = this->shared_from_this(), v = std::move(value)]() mutable {
            if (self->value_ || self->abandoned_) return;
            self->value_.emplace(std::move(v));
            self->timer_.cancel();
        });
    }

    [[nodiscard]] Async<Result<T>> wait(std::chrono::steady_clock::duration limit) {
        const auto self = this->shared_from_this();
        if (!value_) {
            timer_.expires_after(limit);
            const auto [ec] = co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
            if (!value_) {
                abandoned_ = true;
                if (ec) throw boost::system::system_error(ec);  // cancelled from above
                co_return fail(Errc::timed_out, "deadline passed");
            }
        }
        co_return Result<T>(std::move(*value_));
    }

private:
    explicit Completion(const asio::any_io_executor& executor) : executor_(executor), timer_(executor) {}

    asio::any_io_executor executor_;
    asio::steady_timer timer_;
    std::optional<T> value_;
    bool abandoned_ = false;
};

}  // namespace sealpost
