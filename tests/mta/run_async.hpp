/// \file Runs one coroutine to its end, with a limit, so that a coroutine that hangs fails its test.
#pragma once
#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>

#include "mta/net/async.hpp"

namespace sealpost::test {

/// What `work` returns or throws. Other work of `io` goes on meanwhile and may be left over.
template <class T>
T run_async(asio::io_context& io, Async<T> work) {
    std::exception_ptr thrown;
    std::optional<T> got;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr e, T value) {
        thrown = std::move(e);
        got.emplace(std::move(value));
        io.stop();
    });
    io.restart();
    io.run_for(std::chrono::seconds(60));
    REQUIRE_MESSAGE(got, "the coroutine did not end");
    if (thrown) std::rethrow_exception(thrown);
    return std::move(*got);
}

inline void run_async(asio::io_context& io, Async<void> work) {
    bool ended = false;
    std::exception_ptr thrown;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr e) {
        ended = true;
        thrown = std::move(e);
        io.stop();
    });
    io.restart();
    io.run_for(std::chrono::seconds(60));
    REQUIRE_MESSAGE(ended, "the coroutine did not end");
    if (thrown) std::rethrow_exception(thrown);
}

}  // namespace sealpost::test
