#include "mta/daemon/queue_admin.hpp"

#include <doctest/doctest.h>

#include "queue/reader.hpp"
#include "tests/queue/temp_store.hpp"

using namespace sealpost;
using namespace std::chrono_literals;

namespace test = sealpost::queue::test;

namespace {

const QueueSettings settings;

std::vector<queue::RecipientRow> rows_of(const test::TempDirectory& dir) {
    queue::Reader reader = test::value(queue::Reader::open(dir.path()));
    return test::value(reader.list({}, {}, 1000)).rows;
}

ChangeDone bounce(queue::Store& store, const std::vector<queue::RecipientRow>& rows) {
    queue::MessageIdSource ids(1'000'000);
    const BounceContext context{"mail.sender.example", &settings, &ids, "no longer wanted", test::noon};
    return test::value(test::committed(store, [&] { return bounce_recipients(store, context, rows); }));
}

}  // namespace

TEST_SUITE("mta/daemon/queue_admin") {
    TEST_CASE("NOTIFY decides whether a failure is told") {
        struct Row {
            const char* notify;
            bool told;
        };
        for (const Row& row :
             {Row{"", true}, Row{"NEVER", false}, Row{"FAILURE", true}, Row{"failure,delay", true},
              Row{"SUCCESS", false}, Row{"DELAY,SUCCESS", false}}) {
            CAPTURE(row.notify);
            CHECK(notify_or_default(row.notify).failure == row.told);
        }
    }

    TEST_CASE("one job reads whole messages up to a size and one at least") {
        std::vector<queue::RecipientRow> rows;
        const auto add = [&rows](std::int64_t message, std::uint32_t number, std::uint64_t size) {
            rows.push_back({.id = {test::id_of(message), number},
                            .sender = {},
                            .recipient = {},
                            .last_attempt = std::nullopt,
                            .last_host = {},
                            .last_status = {},
                            .last_reply = {},
                            .held_reason = {},
                            .size = size});
        };
        add(1, 0, 50ULL << 20);
        add(1, 1, 50ULL << 20);
        CHECK(bounce_batch(rows) == 2);
        add(2, 0, 100);
        CHECK(bounce_batch(rows) == 2);
        rows.erase(rows.begin(), rows.begin() + 2);
        add(3, 0, 4ULL << 20);
        add(4, 0, 5ULL << 20);
        CHECK(bounce_batch(rows) == 2);
        CHECK(bounce_batch({}) == 0);
    }

    TEST_CASE("a bounce leaves alone what is being sent and what is damaged") {
        test::TempDirectory dir;
        queue::Store store = test::open_store(dir);
        test::enqueue(store, test::message(1, {"a@one.example", "b@one.example"}), queue::Lease::yes);
        test::enqueue(store, test::message(2, {"c@one.example"}));
        const std::vector sent{queue::RecipientId{test::id_of(1), 0}};
        REQUIRE(test::committed(store, [&] { return store.begin_attempt(sent); }));
        {
            auto db = test::value(queue::Database::open(dir.database(), queue::Database::Mode::read_write));
            REQUIRE(db.exec("UPDATE message SET sender = 'other@example.org' WHERE id = 2"));
        }
        const ChangeDone done = bounce(store, rows_of(dir));
        CHECK(done.changed.recipients == 1);
        CHECK(done.changed.left_alone == 2);
        CHECK(done.changed.notices == 1);
        CHECK(done.changed.messages == 0);
        const auto left = rows_of(dir);
        REQUIRE(left.size() == 3);  // the notice is the third
        CHECK(left[0].recipient.address == "a@one.example");
        CHECK(left[1].state == queue::RecipientState::frozen);
        CHECK(left[2].sender.empty());
        CHECK(left[2].recipient.address == "sender@example.org");
    }

    TEST_CASE("who asked not to be told of a failure is not told by a bounce either") {
        test::TempDirectory dir;
        queue::Store store = test::open_store(dir);
        queue::NewMessage quiet = test::message(1, {"a@one.example"});
        quiet.recipients[0].notify = "NEVER";
        test::enqueue(store, quiet);
        const ChangeDone done = bounce(store, rows_of(dir));
        CHECK(done.changed.recipients == 1);
        CHECK(done.changed.notices == 0);
        CHECK(done.changed.messages == 1);
        CHECK(rows_of(dir).empty());
    }

    TEST_CASE("what is gone meanwhile is passed over by every change") {
        test::TempDirectory dir;
        queue::Store store = test::open_store(dir);
        test::enqueue(store, test::message(1, {"a@one.example"}));
        const auto rows = rows_of(dir);
        CHECK(bounce(store, rows).changed.recipients == 1);
        for (const QueueChange change :
             {QueueChange::retry, QueueChange::hold, QueueChange::release, QueueChange::remove}) {
            const auto done = test::committed(
                store, [&] { return change_recipients(store, change, rows, test::noon - 1h); });
            REQUIRE(done);
            CHECK(done->changed.recipients == 0);
        }
        CHECK(bounce(store, rows).changed.notices == 0);
    }

    TEST_CASE("the log has a line for each message that is deleted or bounced") {
        test::TempDirectory dir;
        queue::Store store = test::open_store(dir);
        for (int i = 1; i <= 2; ++i)
            test::enqueue(store, test::message(i, {"a@one.example", "b@one.example"}));
        const auto rows = rows_of(dir);
        CHECK(bounce(store, {rows[0]}).lines.size() == 1);
        const auto done = test::value(test::committed(
            store, [&] { return change_recipients(store, QueueChange::remove, rows, test::noon); }));
        REQUIRE(done.lines.size() == 2);
        CHECK(done.lines[1] == test::id_of(2).str() + ": 2 recipients deleted by the administrator");
    }
}
