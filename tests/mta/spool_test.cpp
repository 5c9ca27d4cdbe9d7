#include "mta/listener/spool.hpp"

#include <doctest/doctest.h>

#include "queue/message_checksum.hpp"
#include "tests/mta/run_async.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost {

using test::run_async;
namespace qtest = queue::test;

namespace {

struct Scene {
    qtest::TempDirectory directory;
    asio::io_context io;
    StoreThread thread{qtest::open_store(directory), qtest::options_for(directory.path())};

    std::unique_ptr<Spool> begin(std::int64_t id, std::uint64_t limit = 4U << 20) {
        return std::make_unique<Spool>(thread, io.get_executor(), qtest::id_of(id), limit);
    }
    static Async<Result<queue::StoredBody>> fill(Spool& spool, std::string body, std::size_t piece) {
        for (std::size_t at = 0; at < body.size(); at += piece) {
            std::string next = body.substr(at, piece);
            co_await spool.add(std::move(next));
            CHECK(spool.held() <= 5 * queue::body_chunk);
        }
        co_return co_await spool.finish();
    }
    Result<int> run(std::function<Result<int>(queue::Store&)> work) {
        return run_async(io, thread.run<int>(std::move(work)));
    }
    std::int64_t rows(const std::string& table) {
        auto db = qtest::value(queue::Database::open(directory.database(), queue::Database::Mode::read_only));
        auto statement = qtest::value(db.prepare("SELECT count(*) FROM " + table));
        auto rows = qtest::value(statement.query());
        REQUIRE(qtest::value(rows.next()));
        return rows.integer(0);
    }
    bool becomes_empty() {
        for (int i = 0; i < 500 && rows("reception") > 0; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        return rows("reception") == 0 && rows("body") == 0;
    }
};

std::string body_of_size(std::size_t size) {
    std::string body;
    for (std::size_t i = 0; body.size() < size; ++i) body += fmt::format("line {}\r\n", i);
    body.resize(size);
    return body;
}

}  // namespace

TEST_SUITE("mta/listener/spool") {
    TEST_CASE("pieces of any size become rows of one size, and the message is whole [SMTP-27 SMTP-33]") {
        std::int64_t id = 0;
        Scene scene;
        for (const std::size_t piece : {std::size_t{999}, queue::body_chunk, 3 * queue::body_chunk + 1}) {
            CAPTURE(piece);
            ++id;
            const std::string body = body_of_size(12 * queue::body_chunk + 345);
            const auto spool = scene.begin(id);
            const Result<queue::StoredBody> stored = run_async(scene.io, Scene::fill(*spool, body, piece));
            REQUIRE(stored);
            CHECK(stored->size == body.size());
            CHECK(stored->digest == queue::body_digest(body));
            auto message = qtest::message(id, {"a@example.net"}, {});
            message.stored_body = *stored;
            REQUIRE(scene.run([&](queue::Store& store) {
                return store.enqueue(message, queue::Lease::no).map([] { return 0; });
            }));
            spool->keep();
            REQUIRE(scene.run([&](queue::Store& store) -> Result<int> {
                auto loaded = store.load_message(qtest::id_of(id));
                if (!loaded) return tl::unexpected(loaded.error());
                CHECK(qtest::body_of(scene.directory, std::get<queue::StoredMessage>(*loaded)) == body);
                return 0;
            }));
        }
    }

    TEST_CASE("what is given up is deleted by the store's thread [SMTP-33]") {
        Scene scene;
        {
            const auto spool = scene.begin(1);
            REQUIRE(run_async(scene.io, Scene::fill(*spool, body_of_size(50 * queue::body_chunk), 100'000)));
            CHECK(scene.rows("body") == 50);
        }
        CHECK(scene.becomes_empty());
    }

    TEST_CASE("after a failure what comes is dropped and the end says why [SMTP-33]") {
        Scene scene;
        const auto spool = scene.begin(1, 2 * queue::body_chunk);
        const auto stored =
            run_async(scene.io, Scene::fill(*spool, body_of_size(40 * queue::body_chunk), queue::body_chunk));
        REQUIRE_FALSE(stored);
        CHECK(stored.error().code == Errc::invalid);
        CHECK(spool->held() == 0);
    }
}

}  // namespace sealpost
