#include "mta/net/deadline.hpp"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <string>

#include "config/settings.hpp"
#include "tests/mta/run_async.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using test::run_async;
using Clock = std::chrono::steady_clock;

namespace {

struct Ending {
    explicit Ending(bool& ended) : ended_(ended) {}
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    ~Ending() { ended_ = true; }
    bool& ended_;
};

Async<Result<std::string>> answer_after(Millis time, bool& ended) {
    const Ending ending(ended);
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
    co_return std::string("answer");
}

/// As an operation that turns every error code into an Error at once, that of its cancellation too.
Async<Result<std::string>> value_for_cancellation() {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1h);
    const auto [ec] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return fail(Errc::unavailable, ec.message());
}

Async<Result<std::string>> fail_at_once() {
    co_return fail(Errc::protocol, "no such thing");
}

Async<Result<std::string>> throw_after(Millis time) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
    throw std::runtime_error("a bug");
}

Async<Result<std::string>> nested(Millis inner, Millis outer, bool& ended) {
    return with_deadline(with_deadline(answer_after(1h, ended), inner), outer);
}

}  // namespace

TEST_SUITE("mta/net/deadline") {
    TEST_CASE("a value in time passes without waiting for the deadline") {
        asio::io_context io;
        bool ended = false;
        const auto started = Clock::now();
        CHECK(run_async(io, with_deadline(answer_after(5ms, ended), 30s)).value() == "answer");
        CHECK(ended);
        CHECK(Clock::now() - started < 10s);
    }

    TEST_CASE("an error of the operation passes as it is") {
        asio::io_context io;
        const auto got = run_async(io, with_deadline(fail_at_once(), 30s));
        REQUIRE_FALSE(got);
        CHECK(got.error().code == Errc::protocol);
        CHECK(got.error().text == "no such thing");
    }

    TEST_CASE("past the deadline the operation is cancelled and has ended") {
        asio::io_context io;
        bool ended = false;
        const auto started = Clock::now();
        const auto got = run_async(io, with_deadline(answer_after(1h, ended), 20ms));
        REQUIRE_FALSE(got);
        CHECK(got.error().code == Errc::timed_out);
        CHECK(ended);
        CHECK(Clock::now() - started >= 20ms);
        CHECK(Clock::now() - started < 30s);
    }

    TEST_CASE("an exception passes at once and not at the deadline") {
        asio::io_context io;
        const auto started = Clock::now();
        CHECK_THROWS_WITH_AS(static_cast<void>(run_async(io, with_deadline(throw_after(1ms), 30s))), "a bug",
                             std::runtime_error);
        CHECK(Clock::now() - started < 10s);
    }

    TEST_CASE("cancellation from above ends both and arrives as cancellation") {
        for (const bool as_value : {false, true}) {
            asio::io_context io;
            bool ended = false;
            asio::cancellation_signal signal;
            std::exception_ptr thrown;
            asio::co_spawn(
                io, with_deadline(as_value ? value_for_cancellation() : answer_after(1h, ended), 1h),
                asio::bind_cancellation_slot(
                    signal.slot(), [&](std::exception_ptr e, const Result<std::string>&) { thrown = e; }));
            asio::steady_timer later(io, 10ms);
            later.async_wait([&](auto) { signal.emit(asio::cancellation_type::terminal); });
            io.run_for(30s);
            CHECK(ended != as_value);
            REQUIRE(thrown);
            try {
                std::rethrow_exception(thrown);
            } catch (const boost::system::system_error& e) {
                CHECK(e.code() == asio::error::operation_aborted);
            }
            CHECK(io.stopped());  // neither the operation nor the timer is left behind
        }
    }

    TEST_CASE("of two deadlines the nearer one counts") {
        for (const auto& [inner, outer] : {std::pair<Millis, Millis>{10ms, 1h}, {1h, 10ms}}) {
            asio::io_context io;
            bool ended = false;
            const auto got = run_async(io, nested(inner, outer, ended));
            REQUIRE_FALSE(got);
            CHECK(got.error().code == Errc::timed_out);
            CHECK(ended);
        }
    }
}

}  // namespace sealpost
