/// \file with_deadline: any operation, ended when its time is over.
///
/// Errors   Errc::timed_out - the limit passed; the operation was cancelled and has ended.
/// Why      Boost 1.81 has no cancel_after, and `op || timer` hides an exception of `op` behind the timer.
#pragma once
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

#include "mta/net/async.hpp"

namespace sealpost {

template <class T>
[[nodiscard]] Async<Result<T>> with_deadline(Async<Result<T>> op, std::chrono::steady_clock::duration limit) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::steady_timer clock{executor, limit};
    auto race = asio::experimental::make_parallel_group(  // a named local: see async.hpp
        asio::co_spawn(executor, std::move(op), asio::deferred), clock.async_wait(asio::deferred));
    auto [order, thrown, result, clock_error] =
        co_await race.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
    const asio::cancellation_state state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        throw boost::system::system_error{asio::error::operation_aborted};
    if (order[0] == 1) co_return fail(Errc::timed_out, "deadline passed");
    if (thrown) std::rethrow_exception(thrown);
    co_return std::move(result);
}

}  // namespace sealpost
