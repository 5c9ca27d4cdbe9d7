#include "mta/daemon/store_thread.hpp"

#include <doctest/doctest.h>

#include <future>

#include "mta/net/task_group.hpp"
#include "queue/reader.hpp"
#include "tests/mta/run_async.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using test::run_async;
namespace qtest = queue::test;

namespace {

using Job = std::function<Result<int>(queue::Store&)>;

/// What other connections see: whether a message is committed.
bool committed(const std::filesystem::path& directory, std::int64_t id) {
    auto reader = queue::Reader::open(directory);
    if (!reader) return false;
    return reader->show(qtest::id_of(id)).has_value();
}

Result<int> enqueue(queue::Store& store, std::int64_t id) {
    const auto message = qtest::message(id, {"a@example.net"});
    const Result<void> done = store.enqueue(message, queue::Lease::no);
    if (!done) return tl::unexpected(done.error());
    return static_cast<int>(id);
}

struct Answers {
    std::vector<Result<int>> all;
    std::vector<bool> visible;  ///< whether message 1 was committed when the answer came
};

struct Scene {
    qtest::TempDirectory directory;
    asio::io_context io;  // before the thread: what it still holds of an answer belongs to this executor
    StoreThread thread{qtest::open_store(directory), qtest::options_for(directory.path())};
    TaskGroup group{io.get_executor(), [](std::string_view what) { FAIL_CHECK(std::string(what)); }};
    Answers answers;

    Async<void> ask(Job job, std::size_t place) {
        const Result<int> answer = co_await thread.run<int>(std::move(job));
        answers.all[place] = answer;
        answers.visible[place] = committed(directory.path(), 1);
    }
    /// Jobs that are all in the queue before any of them runs: a first one holds the thread that long.
    void run_together(std::vector<Job> jobs) {
        answers.all.assign(jobs.size() + 1, fail(Errc::invalid, "no answer"));
        answers.visible.assign(jobs.size() + 1, false);
        std::promise<void> go;
        const std::shared_future<void> gate = go.get_future().share();
        std::promise<void> held;
        group.spawn(ask(
            [gate, &held](queue::Store&) -> Result<int> {
                held.set_value();
                gate.wait();
                return 0;
            },
            jobs.size()));
        io.poll();
        held.get_future().wait();
        for (std::size_t i = 0; i < jobs.size(); ++i) group.spawn(ask(std::move(jobs[i]), i));
        io.restart();
        io.poll();
        go.set_value();
        run_async(io, group.join());
    }
    Result<int> run(Job job) { return run_async(io, thread.run<int>(std::move(job))); }
};

Job enqueue_job(std::int64_t id) {
    return [id](queue::Store& store) { return enqueue(store, id); };
}

}  // namespace

TEST_SUITE("mta/daemon/store_thread") {
    TEST_CASE("a job's value comes back after its commit") {
        Scene scene;
        const auto got = scene.run(enqueue_job(1));
        REQUIRE(got);
        CHECK(*got == 1);
        CHECK(committed(scene.directory.path(), 1));
        CHECK(scene.thread.messages() == 1);
        CHECK(scene.thread.recipients() == 1);
        CHECK(scene.thread.healthy());
    }

    TEST_CASE("jobs that wait together are committed together and none is acknowledged before") {
        Scene scene;
        std::vector<Job> jobs;
        for (int i = 1; i <= 40; ++i)
            jobs.emplace_back([i, &scene](queue::Store& store) -> Result<int> {
                if (auto done = enqueue(store, i); !done) return done;
                return committed(scene.directory.path(), 1) ? 1 : 0;  // seen from outside: not yet
            });
        scene.run_together(std::move(jobs));
        for (std::size_t i = 0; i < 40; ++i) {
            REQUIRE(scene.answers.all[i]);
            CHECK(*scene.answers.all[i] == 0);
            CHECK(scene.answers.visible[i]);
        }
        CHECK(scene.thread.messages() == 40);
    }

    TEST_CASE("a group is bounded and what is over goes into the next one") {
        Scene scene;
        std::vector<Job> jobs;
        for (int i = 1; i <= 600; ++i)
            jobs.emplace_back([i, &scene](queue::Store& store) -> Result<int> {
                if (auto done = enqueue(store, i); !done) return done;
                if (i != 512 && i != 513) return 0;
                return committed(scene.directory.path(), 1) ? 1 : 0;
            });
        scene.run_together(std::move(jobs));
        REQUIRE(scene.answers.all[511]);
        REQUIRE(scene.answers.all[512]);
        CHECK(*scene.answers.all[511] == 0);
        CHECK(*scene.answers.all[512] == 1);
        CHECK(scene.thread.messages() == 600);
    }

    TEST_CASE("a job that fails is undone alone and tells its own error") {
        Scene scene;
        std::vector<Job> jobs{enqueue_job(1),
                              [](queue::Store& store) -> Result<int> {
                                  if (auto done = enqueue(store, 2); !done) return done;
                                  return fail(Errc::invalid, "thought better of it");
                              },
                              enqueue_job(3)};
        scene.run_together(std::move(jobs));
        CHECK(scene.answers.all[0]);
        REQUIRE_FALSE(scene.answers.all[1]);
        CHECK(scene.answers.all[1].error().code == Errc::invalid);
        CHECK(scene.answers.all[1].error().text == "thought better of it");
        CHECK(scene.answers.all[2]);
        CHECK(committed(scene.directory.path(), 1));
        CHECK_FALSE(committed(scene.directory.path(), 2));
        CHECK(committed(scene.directory.path(), 3));
        CHECK(scene.thread.messages() == 2);
        CHECK(scene.thread.healthy());
    }

    TEST_CASE("a job that the disk failed takes no other with it") {
        Scene scene;
        std::vector<Job> jobs{enqueue_job(1),
                              [](queue::Store& store) -> Result<int> {
                                  if (auto done = enqueue(store, 2); !done) return done;
                                  return fail(Errc::storage, "this row cannot be read");
                              },
                              enqueue_job(3)};
        scene.run_together(std::move(jobs));
        CHECK(scene.answers.all[0]);
        REQUIRE_FALSE(scene.answers.all[1]);
        CHECK(scene.answers.all[1].error().code == Errc::storage);
        CHECK(scene.answers.all[2]);
        CHECK(committed(scene.directory.path(), 1));
        CHECK_FALSE(committed(scene.directory.path(), 2));
        CHECK(committed(scene.directory.path(), 3));
        CHECK(scene.thread.messages() == 2);
    }

    TEST_CASE("after a storage failure the thread is unhealthy until a commit succeeds") {
        Scene scene;
        CHECK_FALSE(scene.run([](queue::Store&) -> Result<int> { return fail(Errc::storage, "gone"); }));
        CHECK_FALSE(scene.thread.healthy());
        CHECK(scene.thread.messages() == 0);
        CHECK(scene.run(enqueue_job(4)));
        CHECK(scene.thread.healthy());
        CHECK(scene.thread.messages() == 1);
    }

    TEST_CASE("a commit that fails fails every job; the database is opened again") {
        Scene scene;
        std::vector<Job> jobs{enqueue_job(1), enqueue_job(2), [](queue::Store& store) -> Result<int> {
                                  // As a disk that fails: SQLite ends the transaction by itself.
                                  store.rollback();
                                  return fail(Errc::invalid, "this job only");
                              }};
        scene.run_together(std::move(jobs));
        for (std::size_t i = 0; i < 3; ++i) {
            REQUIRE_FALSE(scene.answers.all[i]);
            CHECK(scene.answers.all[i].error().code == Errc::storage);
        }
        CHECK(scene.answers.all[0].error().text == "the disk failed inside the transaction");
        CHECK_FALSE(committed(scene.directory.path(), 1));
        CHECK(scene.run(enqueue_job(5)));
        CHECK(committed(scene.directory.path(), 5));
        CHECK(scene.thread.healthy());
    }

    TEST_CASE("stop commits what waits and later jobs fail") {
        Scene scene;
        std::vector<Job> jobs;
        scene.answers.all.assign(50, fail(Errc::invalid, "no answer"));
        scene.answers.visible.assign(50, false);
        for (int i = 1; i <= 50; ++i)
            scene.group.spawn(scene.ask(enqueue_job(i), static_cast<std::size_t>(i - 1)));
        scene.io.poll();
        scene.thread.stop();
        run_async(scene.io, scene.group.join());
        for (const Result<int>& answer : scene.answers.all) CHECK(answer);
        CHECK(committed(scene.directory.path(), 50));
        CHECK_FALSE(scene.run(enqueue_job(51)));
        CHECK_FALSE(committed(scene.directory.path(), 51));
        scene.thread.stop();  // once more is nothing
    }
}

}  // namespace sealpost
