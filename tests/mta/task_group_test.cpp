#include "mta/net/task_group.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "config/settings.hpp"
#include "tests/mta/run_async.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using test::run_async;

namespace {

struct Scene {
    asio::io_context io;
    std::vector<std::string> reported;
    TaskGroup group{io.get_executor(), [this](std::string_view what) { reported.emplace_back(what); }};
};

Async<void> count_after(Millis time, int& ended) {
    asio::steady_timer timer(co_await asio::this_coro::executor, time);
    co_await timer.async_wait(asio::use_awaitable);
    ++ended;
}

struct Leaving {
    explicit Leaving(int& count) : count_(count) {}
    Leaving(const Leaving&) = delete;
    Leaving& operator=(const Leaving&) = delete;
    ~Leaving() { ++count_; }
    int& count_;
};

Async<void> wait_for_ever(int& left) {
    const Leaving leaving(left);
    asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    co_await timer.async_wait(asio::use_awaitable);
}

Async<void> throw_words(std::string words) {
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    co_await timer.async_wait(asio::use_awaitable);
    throw std::runtime_error(words);
}

Async<void> throw_code(boost::system::error_code code) {
    throw boost::system::system_error(code);
    co_return;
}

Async<void> spawn_another(TaskGroup& group, int& ended) {
    group.spawn(count_after(1ms, ended));
    co_return;
}

Async<void> join_with(TaskGroup& group, std::size_t& left) {
    co_await group.join();
    left = group.size();
}

}  // namespace

TEST_SUITE("mta/net/task_group") {
    TEST_CASE("join waits until every member has ended") {
        Scene scene;
        int ended = 0;
        for (const Millis time : {1ms, 20ms, 5ms}) scene.group.spawn(count_after(time, ended));
        CHECK(scene.group.size() == 3);
        run_async(scene.io, scene.group.join());
        CHECK(ended == 3);
        CHECK(scene.group.size() == 0);
        CHECK(scene.reported.empty());
    }

    TEST_CASE("an empty group is joined at once") {
        Scene scene;
        run_async(scene.io, scene.group.join());
        CHECK(scene.group.size() == 0);
    }

    TEST_CASE("a member may spawn another which join waits for too") {
        Scene scene;
        int ended = 0;
        scene.group.spawn(spawn_another(scene.group, ended));
        run_async(scene.io, scene.group.join());
        CHECK(ended == 1);
    }

    TEST_CASE("stop cancels every member and is no exception to report") {
        Scene scene;
        int left = 0;
        for (int i = 0; i < 20; ++i) scene.group.spawn(wait_for_ever(left));
        scene.io.poll();
        scene.io.restart();
        scene.group.stop();
        CHECK(scene.group.stopping());
        run_async(scene.io, scene.group.join());
        CHECK(left == 20);
        CHECK(scene.reported.empty());
    }

    TEST_CASE("stop reaches members that have not begun") {
        Scene scene;
        int left = 0;
        int ended = 0;
        scene.group.spawn(wait_for_ever(left));
        scene.group.spawn(count_after(1h, ended));
        scene.group.stop();
        run_async(scene.io, scene.group.join());
        CHECK(scene.group.size() == 0);
        CHECK(ended == 0);
    }

    TEST_CASE("nothing is started after stop") {
        Scene scene;
        scene.group.stop();
        int ended = 0;
        scene.group.spawn(count_after(0ms, ended));
        CHECK(scene.group.size() == 0);
        run_async(scene.io, scene.group.join());
        scene.io.restart();
        scene.io.run_for(20ms);
        CHECK(ended == 0);
    }

    TEST_CASE("an exception of a member is reported and ends that member alone") {
        Scene scene;
        int ended = 0;
        scene.group.spawn(count_after(30ms, ended));
        scene.group.spawn(throw_words("a bug"));
        scene.group.spawn(throw_code(asio::error::connection_reset));
        run_async(scene.io, scene.group.join());
        CHECK(ended == 1);
        REQUIRE(scene.reported.size() == 2);
        const bool reset_first = scene.reported[0] != "a bug";
        CHECK(scene.reported[reset_first ? 1 : 0] == "a bug");
        CHECK_FALSE(scene.reported[reset_first ? 0 : 1].empty());
    }

    TEST_CASE("cancellation is not reported whoever asked for it") {
        Scene scene;
        scene.group.spawn(throw_code(asio::error::operation_aborted));
        run_async(scene.io, scene.group.join());
        CHECK(scene.reported.empty());
    }

    TEST_CASE("several may join the same group") {
        Scene scene;
        int ended = 0;
        std::size_t left = 99;
        scene.group.spawn(count_after(10ms, ended));
        TaskGroup waiting(scene.io.get_executor(), [](std::string_view) {});
        waiting.spawn(join_with(scene.group, left));
        run_async(scene.io, scene.group.join());
        run_async(scene.io, waiting.join());
        CHECK(left == 0);
    }
}

}  // namespace sealpost
