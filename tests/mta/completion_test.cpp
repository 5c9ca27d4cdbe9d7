#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <thread>

#include "config/settings.hpp"
#include "tests/mta/run_async.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using test::run_async;
using Text = Completion<std::string>;

namespace {

Async<Result<std::string>> wait_for(std::shared_ptr<Text> done, Millis limit) {
    co_return co_await done->wait(limit);
}

}  // namespace

TEST_SUITE("mta/net/completion") {
    TEST_CASE("a value that was set before the wait is not lost") {
        asio::io_context io;
        const auto done = Text::create(io.get_executor());
        done->set("early");
        CHECK(run_async(io, wait_for(done, 10s)).value() == "early");
    }

    TEST_CASE("a value that has arrived before the wait is had without waiting") {
        asio::io_context io;
        const auto done = Text::create(io.get_executor());
        done->set("early");
        io.poll();  // it is there now
        io.restart();
        CHECK(run_async(io, wait_for(done, 0ms)).value() == "early");
    }

    TEST_CASE("a value ends the wait") {
        asio::io_context io;
        const auto done = Text::create(io.get_executor());
        asio::steady_timer later(io, 20ms);
        later.async_wait([&](auto) { done->set("late"); });
        const auto started = std::chrono::steady_clock::now();
        CHECK(run_async(io, wait_for(done, 30s)).value() == "late");
        CHECK(std::chrono::steady_clock::now() - started < 10s);
    }

    TEST_CASE("the first of several values counts") {
        asio::io_context io;
        const auto done = Text::create(io.get_executor());
        done->set("first");
        done->set("second");
        CHECK(run_async(io, wait_for(done, 10s)).value() == "first");
    }

    TEST_CASE("a deadline that passes is an error and the value that comes later is dropped") {
        asio::io_context io;
        const auto done = Text::create(io.get_executor());
        const auto got = run_async(io, wait_for(done, 10ms));
        REQUIRE_FALSE(got);
        CHECK(got.error().code == Errc::timed_out);
        const std::weak_ptr<Text> watched = done;
        done->set("nobody waits");
        io.restart();
        io.run();
        CHECK(watched.use_count() == 1);
    }

    TEST_CASE("a value from another thread arrives whenever it is set") {
        for (int i = 0; i < 200; ++i) {
            asio::io_context io;
            auto guard = asio::make_work_guard(io);
            auto done = Text::create(io.get_executor());
            std::jthread other([done, i] {
                if (i % 3 == 0) std::this_thread::yield();
                done->set("from afar");
            });
            const auto got = run_async(io, wait_for(std::move(done), 30s));
            CHECK(got.value() == "from afar");
        }
    }

    TEST_CASE("either the value or the deadline is told when they meet") {
        for (int i = 0; i < 100; ++i) {
            asio::io_context io;
            auto guard = asio::make_work_guard(io);
            auto done = Text::create(io.get_executor());
            std::jthread other([done] {
                std::this_thread::sleep_for(1ms);
                done->set("just in time");
            });
            const auto got = run_async(io, wait_for(std::move(done), 1ms));
            if (got)
                CHECK(*got == "just in time");
            else
                CHECK(got.error().code == Errc::timed_out);
        }
    }

    TEST_CASE("a wait that is cancelled from above ends as cancelled and not as a deadline") {
        asio::io_context io;
        const auto done = Text::create(io.get_executor());
        asio::cancellation_signal signal;
        std::exception_ptr thrown;
        asio::co_spawn(
            io, wait_for(done, 30s),
            asio::bind_cancellation_slot(
                signal.slot(), [&](std::exception_ptr e, const Result<std::string>&) { thrown = e; }));
        asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
        io.run_for(10s);
        REQUIRE(thrown);
        CHECK_THROWS_AS(std::rethrow_exception(thrown), boost::system::system_error);
        done->set("nobody waits");  // and this is harmless
        io.restart();
        io.run();
    }

    TEST_CASE("a value may be held by one pointer alone while it is set") {
        asio::io_context io;
        auto done = Text::create(io.get_executor());
        auto waiting = wait_for(done, 30s);
        std::move(done)->set("moved on");
        done.reset();
        CHECK(run_async(io, std::move(waiting)).value() == "moved on");
    }
}

}  // namespace sealpost
