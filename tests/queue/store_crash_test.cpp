#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using test::noon;

namespace {

// Enqueues in groups for ever; an id is written to `acknowledge` after its commit alone. Never returns.
[[noreturn]] void enqueue_for_ever(const std::filesystem::path& directory, int acknowledge) {
    auto store = Store::open(test::options_for(directory), noon);
    if (!store) ::_exit(1);
    MessageIdSource ids{store->high_water()};
    for (;;) {
        std::array<std::int64_t, 5> group{};
        if (!store->begin()) ::_exit(2);
        for (auto& id : group) {
            id = ids.next(noon).value();
            const auto m =
                test::message(id, {"a@example.net", "b@example.org"}, std::string(3000, 'x') + "\r\n");
            if (!store->in_savepoint([&] { return store->enqueue(m, Lease::yes); })) ::_exit(3);
        }
        if (!store->commit()) ::_exit(4);
        if (::write(acknowledge, group.data(), sizeof group) != static_cast<ssize_t>(sizeof group))
            ::_exit(5);
    }
}

std::vector<std::int64_t> run_and_kill(const std::filesystem::path& directory,
                                       std::chrono::milliseconds after) {
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::close(pipe[0]);
        enqueue_for_ever(directory, pipe[1]);
    }
    ::close(pipe[1]);
    std::jthread killer{[child, after] {
        std::this_thread::sleep_for(after);
        ::kill(child, SIGKILL);
    }};
    std::vector<std::int64_t> acknowledged;
    std::int64_t id = 0;
    while (::read(pipe[0], &id, sizeof id) == static_cast<ssize_t>(sizeof id)) acknowledged.push_back(id);
    ::close(pipe[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    return acknowledged;
}

}  // namespace

TEST_SUITE("queue/store_crash") {
    TEST_CASE("after SIGKILL at any moment every acknowledged message is there and whole") {
        test::TempDirectory dir;
        std::set<std::int64_t> acknowledged;
        for (int cycle = 0; cycle < 6; ++cycle) {
            for (const auto id : run_and_kill(dir.path(), std::chrono::milliseconds(40 + 37 * cycle))) {
                CAPTURE(id);
                CHECK(acknowledged.insert(id).second);  // no id twice, over all lives
            }
            Store store = test::open_store(dir);
            CHECK(store.counters().recipients == 2 * store.counters().messages);
            CHECK(store.counters().messages >= acknowledged.size());
            REQUIRE(store.begin());
            for (const auto id : acknowledged) {
                auto loaded = store.load_message(test::id_of(id));
                REQUIRE(loaded);
                CHECK(std::holds_alternative<StoredMessage>(*loaded));
            }
            const auto due = test::value(store.due(noon, 1'000'000, {}));
            CHECK(due.recipients.size() == store.counters().recipients);
            store.rollback();
        }
        CHECK(acknowledged.size() > 50);
    }
}

}  // namespace sealpost::queue
