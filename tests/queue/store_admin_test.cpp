#include <doctest/doctest.h>

#include "queue/reader.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using namespace std::chrono_literals;
using test::committed;
using test::enqueue;
using test::id_of;
using test::noon;
using test::open_store;
using test::outcome;
using test::settlement;
using test::TempDirectory;
using test::value;

namespace {

const RecipientId one{id_of(1), 0};
const RecipientId two{id_of(1), 1};

DueBatch take_due(Store& store, Time now = noon) {
    return value(committed(store, [&] { return store.due(now, 100, {}); }));
}
std::size_t hold(Store& store, const std::vector<RecipientId>& ids) {
    return value(committed(store, [&] { return store.hold(ids); }));
}
std::size_t unhold(Store& store, const std::vector<RecipientId>& ids) {
    return value(committed(store, [&] { return store.unhold(ids); }));
}
std::vector<RecipientId> begin(Store& store, const std::vector<RecipientId>& ids) {
    return value(committed(store, [&] { return store.begin_attempt(ids); }));
}
RecipientRow row_of(const TempDirectory& dir, const RecipientId& id) {
    Reader reader = value(Reader::open(dir.path()));
    std::vector<RecipientRow> rows = value(reader.show(id.message)).recipients;
    std::erase_if(rows, [&id](const RecipientRow& row) { return row.id != id; });
    REQUIRE(rows.size() == 1);
    return rows.front();
}

}  // namespace

TEST_SUITE("queue/store_admin") {
    TEST_CASE("a recipient on hold is not due however late it is until it is released") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net", "b@example.net"}));
        CHECK(hold(store, {one}) == 1);
        CHECK(hold(store, {one}) == 0);
        CHECK(row_of(dir, one).state == RecipientState::on_hold);
        const auto due = take_due(store, noon + 24h * 30);
        REQUIRE(due.recipients.size() == 1);
        CHECK(due.recipients[0].id == two);
        CHECK_FALSE(value(store.next_due()));
        CHECK(value(committed(store, [&] { return store.retry_now(std::vector{one}, noon - 1h); })) == 0);
        CHECK(unhold(store, {one, two}) == 1);
        REQUIRE(take_due(store).recipients.size() == 1);
    }

    TEST_CASE("what is parked or leased can be put on hold and its lease cannot be used any more") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net", "b@example.net"}), Lease::yes);
        REQUIRE(committed(store, [&] { return store.park(std::vector{two}); }));
        CHECK(hold(store, {one, two}) == 2);
        CHECK(begin(store, {one, two}).empty());
        CHECK(value(committed(store, [&] {
                  return store.due_parked("example.net", noon, 10);
              })).recipients.empty());
        // What the daemon does with leases of its memory must not touch them.
        REQUIRE(committed(store, [&] { return store.park(std::vector{one}); }));
        REQUIRE(committed(store, [&] { return store.release(std::vector{two}, noon); }));
        CHECK(row_of(dir, one).state == RecipientState::on_hold);
        CHECK(row_of(dir, two).state == RecipientState::on_hold);
        CHECK(take_due(store).recipients.empty());
    }

    TEST_CASE("an attempt that runs ends normally and what it defers stays on hold") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net", "b@example.net"}), Lease::yes);
        CHECK(begin(store, {one, two}) == std::vector{one, two});
        CHECK(hold(store, {one, two}) == 2);
        CHECK(row_of(dir, one).attempting);
        const auto ended = settlement(1, {outcome(one, Outcome::delivered), outcome(two, Outcome::deferred)});
        const Settled settled = value(committed(store, [&] { return store.settle(ended); }));
        CHECK(settled.unknown_recipients == 0);
        const RecipientRow left = row_of(dir, two);
        CHECK(left.state == RecipientState::on_hold);
        CHECK(left.attempts == 1);
        CHECK_FALSE(left.attempting);
        CHECK(left.last_status == "4.7.5");
        CHECK(take_due(store, noon + 1h).recipients.empty());
        CHECK(unhold(store, {two}) == 1);
        CHECK(take_due(store, noon + 29min).recipients.empty());  // it waits as the attempt said
        CHECK(take_due(store, noon + 30min).recipients.size() == 1);
    }

    TEST_CASE("released while its attempt still runs a recipient is not due beside it") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}), Lease::yes);
        CHECK(begin(store, {one}).size() == 1);
        CHECK(hold(store, {one}) == 1);
        CHECK(unhold(store, {one}) == 1);
        CHECK(row_of(dir, one).state == RecipientState::active);
        CHECK(take_due(store, noon + 1h).recipients.empty());
    }

    TEST_CASE("giving back a lease that is none any more leaves the time of the next attempt") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}), Lease::yes);
        const auto ended = settlement(1, {outcome(one, Outcome::deferred)});
        REQUIRE(committed(store, [&] { return store.settle(ended); }));
        REQUIRE(committed(store, [&] { return store.release(std::vector{one}, noon); }));
        CHECK(take_due(store).recipients.empty());
        CHECK(value(store.next_due()) == noon + 30min);
    }

    TEST_CASE("the hold outlasts a restart and an attempt that it cut off is known") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            enqueue(store, test::message(1, {"a@example.net", "b@example.net"}), Lease::yes);
            CHECK(begin(store, {one}).size() == 1);
            CHECK(hold(store, {one, two}) == 2);
        }
        Store store = open_store(dir);
        const RecipientRow cut_off = row_of(dir, one);
        CHECK(cut_off.state == RecipientState::on_hold);
        CHECK(cut_off.interrupted == 1);
        CHECK_FALSE(cut_off.attempting);
        CHECK(row_of(dir, two).interrupted == 0);
        CHECK(take_due(store, noon + 24h).recipients.empty());
    }

    TEST_CASE("a frozen message is neither put on hold nor released") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}));
        {
            Database db = value(Database::open(dir.database(), Database::Mode::read_write));
            REQUIRE(db.exec("UPDATE message SET sender = 'other@example.org'"));
        }
        REQUIRE(committed(store, [&] { return store.load_message(id_of(1)); }));
        CHECK(row_of(dir, one).state == RecipientState::frozen);
        CHECK(hold(store, {one}) == 0);
        CHECK(unhold(store, {one}) == 0);
        CHECK(value(committed(store, [&] { return store.idle(std::vector{one}); })).empty());
    }

    TEST_CASE("removing recipients takes the message along when none is left") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net", "b@example.net"}));
        enqueue(store, test::message(2, {"c@example.net"}));
        const RecipientId other{id_of(2), 0};
        const Removed part = value(committed(store, [&] { return store.remove(std::vector{one}); }));
        CHECK(part.recipients == 1);
        CHECK(part.messages == 0);
        CHECK(store.counters().recipients == 2);
        CHECK(store.counters().messages == 2);
        const Removed rest =
            value(committed(store, [&] { return store.remove(std::vector{one, two, other}); }));
        CHECK(rest.recipients == 2);
        CHECK(rest.messages == 2);
        CHECK(store.counters().recipients == 0);
        CHECK(store.counters().messages == 0);
        CHECK_FALSE(committed(store, [&] { return store.load_message(id_of(1)); }));
    }

    TEST_CASE("only what no attempt is about is idle") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net", "b@example.net"}), Lease::yes);
        CHECK(begin(store, {one}).size() == 1);
        const RecipientId gone{id_of(1), 7};
        CHECK(value(committed(store, [&] { return store.idle(std::vector{one, two, gone}); })) ==
              std::vector{two});
    }
}

}  // namespace sealpost::queue
