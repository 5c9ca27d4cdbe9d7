#include "mta/delivery/body_source.hpp"

#include <doctest/doctest.h>

#include "mta/smtp/dot_stuffer.hpp"
#include "tests/mta/support/delivery_scene.hpp"

namespace sealpost {

namespace qtest = queue::test;
using Said = RecipientOutcome::Result;
using test::Scene;
using test::ScriptedServer;

namespace {

constexpr std::int64_t id = 7;

std::string large_body() {
    std::string body = "Subject: large\r\n\r\n";
    while (body.size() < 3 * queue::body_chunk + 1000) body += fmt::format(".line {}\r\n", body.size());
    return body;
}

/// The large body in a store, under the message id 7.
struct Stored {
    qtest::TempDirectory directory;
    queue::Store store = qtest::open_store(directory);
    std::string body = large_body();
    queue::StoredBody stored = put();

    queue::StoredBody put() {
        qtest::enqueue(store, qtest::message(id, {"a@example.net"}, body));
        auto loaded =
            qtest::value(qtest::committed(store, [&] { return store.load_message(qtest::id_of(id)); }));
        return std::get<queue::StoredMessage>(loaded).stored_body.value();
    }
    std::shared_ptr<BodySource> source() {
        auto reader =
            std::make_shared<queue::BodyReader>(qtest::value(queue::BodyReader::open(directory.path())));
        return std::make_shared<BodySource>(std::move(reader), qtest::id_of(id), stored);
    }
    void damage_last_row() {
        auto db =
            qtest::value(queue::Database::open(directory.database(), queue::Database::Mode::read_write));
        REQUIRE(
            db.exec("UPDATE body SET data = CAST(replace(CAST(data AS TEXT), 'line', 'LINE') AS BLOB)"
                    " WHERE id = (SELECT max(id) FROM body)"));
    }
};

std::string read_all(BodySource& source) {
    std::string all;
    for (;;) {
        const Result<std::string_view> block = source.next();
        REQUIRE(block);
        CHECK(block->size() <= queue::body_chunk);
        if (block->empty()) return all;
        all += *block;
    }
}

}  // namespace

TEST_SUITE("mta/delivery/body_source") {
    TEST_CASE("a body comes the same from memory and from the store, as often as it is sent [SMTP-27]") {
        Stored stored;
        BodySource memory(stored.body);
        const std::shared_ptr<BodySource> store = stored.source();
        for (int time = 0; time < 2; ++time) {
            memory.rewind();
            store->rewind();
            CHECK(read_all(memory) == stored.body);
            CHECK(read_all(*store) == stored.body);
        }
        CHECK(memory.size() == stored.body.size());
        CHECK(store->size() == stored.body.size());
        BodySource empty(std::string_view{});
        CHECK(read_all(empty).empty());
    }

    TEST_CASE("a large message is delivered out of the store [SMTP-27 SMTP-30]") {
        Stored stored;
        Scene scene;
        scene.two_hosts();
        test::Script busy;
        busy.replies[""] = "421 busy\r\n";
        ScriptedServer& first = scene.server("127.0.0.2", busy);
        ScriptedServer& second = scene.server("127.0.0.3", {});
        scene.body = stored.source();
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK_FALSE(report.body_error);
        CHECK(second.body() + ".\r\n" == dot_stuff(stored.body));
        CHECK_FALSE(first.heard("MAIL"));
    }

    TEST_CASE("a message that was altered on disk is never completed on the wire [SMTP-27]") {
        Stored stored;
        stored.damage_last_row();
        Scene scene;
        scene.two_hosts();
        ScriptedServer& first = scene.server("127.0.0.2", {});
        ScriptedServer& second = scene.server("127.0.0.3", {});
        scene.body = stored.source();
        const DeliveryReport report = scene.deliver();
        first.stop();
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK(report.recipients[0].outcome.enhanced == "4.3.0");
        REQUIRE(report.body_error);
        CHECK(report.body_error->code == Errc::invalid);
        CHECK(first.heard("DATA"));
        CHECK_FALSE(first.heard("QUIT"));
        CHECK_FALSE(second.heard("CONNECT"));
    }
}

}  // namespace sealpost
