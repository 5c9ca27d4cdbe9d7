#include "queue/reader.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/schema.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using namespace std::chrono_literals;
using test::committed;
using test::enqueue;
using test::id_of;
using test::noon;
using test::open_store;
using test::TempDirectory;
using test::value;

TEST_SUITE("queue/reader") {
    TEST_CASE("there is no queue before the first start and the error says so") {
        TempDirectory dir;
        const auto reader = Reader::open(dir.path());
        REQUIRE_FALSE(reader);
        CHECK(reader.error().code == Errc::not_found);
        CHECK(std::filesystem::is_empty(dir.path()));
    }

    TEST_CASE("a reader beside the writer sees what is committed and nothing else") {
        TempDirectory dir;
        Store store = open_store(dir);
        Reader reader = value(Reader::open(dir.path()));
        REQUIRE(store.begin());
        REQUIRE(store.in_savepoint(
            [&] { return store.enqueue(test::message(1, {"a@example.net"}), Lease::yes); }));
        CHECK(value(reader.list({}, {}, 10)).rows.empty());
        REQUIRE(store.commit());
        const auto page = value(reader.list({}, {}, 10));
        REQUIRE(page.rows.size() == 1);
        CHECK(page.rows[0].state == RecipientState::active);
        CHECK(to_string(page.rows[0].state) == "active");
        CHECK(page.rows[0].sender == "sender@example.org");
        CHECK_FALSE(page.next);
    }

    TEST_CASE("opening a reader leaves the writer's lock on the database in place") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}));
        // Asked from another process, as a process does not see its own locks.
        const auto locked = [&dir] {
            const ::pid_t child = ::fork();
            if (child == 0) {
                const int fd = ::open(dir.database().c_str(), O_RDWR | O_CLOEXEC);
                struct ::flock lock{};
                lock.l_type = F_WRLCK;
                const bool held = ::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
                ::_exit(held ? 0 : 1);
            }
            int status = 1;
            REQUIRE(::waitpid(child, &status, 0) == child);
            return status == 0;
        };
        REQUIRE(locked());
        {
            const Reader reader = value(Reader::open(dir.path()));
        }
        CHECK(locked());
        CHECK(check_header(dir.database()));
        CHECK(locked());
    }

    TEST_CASE("pages follow one another without gap or repetition") {
        TempDirectory dir;
        Store store = open_store(dir);
        for (int i = 1; i <= 7; ++i) enqueue(store, test::message(i, {"a@one.example", "b@two.example"}));
        Reader reader = value(Reader::open(dir.path()));
        std::vector<RecipientId> seen;
        std::optional<RecipientId> after;
        do {
            const auto page = value(reader.list({}, after, 4));
            for (const auto& row : page.rows) seen.push_back(row.id);
            after = page.next;
        } while (after);
        REQUIRE(seen.size() == 14);
        CHECK(std::is_sorted(seen.begin(), seen.end()));
        CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    }

    TEST_CASE("the list can be narrowed by state and domain and sender and hold") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@one.example", "b@two.example"}), Lease::yes);
        NewMessage other = test::message(2, {"a@one.example"});
        other.envelope.sender = "other@example.org";
        enqueue(store, other);
        auto held = test::outcome({id_of(1), 0}, Outcome::deferred);
        held.held_reason = "dane-required: no TLSA record of mx.one.example";
        REQUIRE(committed(store, [&] { return store.settle(test::settlement(1, {held})); }));
        Reader reader = value(Reader::open(dir.path()));
        Filter filter;
        filter.domain = "one.example";
        CHECK(value(reader.list(filter, {}, 10)).rows.size() == 2);
        filter.policy = "dane-required";
        const auto page = value(reader.list(filter, {}, 10));
        REQUIRE(page.rows.size() == 1);
        CHECK(page.rows[0].held_reason == held.held_reason);
        CHECK(page.rows[0].attempts == 1);
        CHECK(page.rows[0].last_attempt == noon);
        CHECK(page.rows[0].last_host == "mx.example.net");
        CHECK(page.rows[0].last_status == "4.7.5");
        CHECK(page.rows[0].next_attempt == noon + 30min);
        filter = {};
        filter.from = "other@example.org";
        CHECK(value(reader.list(filter, {}, 10)).rows.size() == 1);
        filter = {};
        filter.state = RecipientState::active;
        const auto active = value(reader.list(filter, {}, 10));
        REQUIRE(active.rows.size() == 1);
        CHECK(active.rows[0].recipient.address == "b@two.example");
    }

    TEST_CASE("single messages are found by their ids and pages go on inside them") {
        TempDirectory dir;
        Store store = open_store(dir);
        for (int i = 1; i <= 4; ++i) enqueue(store, test::message(i, {"a@one.example", "b@two.example"}));
        Reader reader = value(Reader::open(dir.path()));
        Filter filter;
        filter.ids = {id_of(2), id_of(4)};
        const auto first = value(reader.list(filter, {}, 3));
        REQUIRE(first.rows.size() == 3);
        CHECK(first.rows[0].id == RecipientId{id_of(2), 0});
        CHECK(first.rows[2].id == RecipientId{id_of(4), 0});
        const auto second = value(reader.list(filter, first.next, 3));
        REQUIRE(second.rows.size() == 1);
        CHECK(second.rows[0].id == RecipientId{id_of(4), 1});
        CHECK_FALSE(second.next);
        filter.until = RecipientId{id_of(2), 0};
        CHECK(value(reader.list(filter, {}, 10)).rows.size() == 1);
        CHECK(reader.check_known(filter.ids));
        const auto unknown = reader.check_known({id_of(1), id_of(7)});
        REQUIRE_FALSE(unknown);
        CHECK(unknown.error().code == Errc::not_found);
        CHECK(unknown.error().text.find(id_of(7).str()) != std::string::npos);
    }

    TEST_CASE("a walk examines a bounded number of rows and goes on where it ended") {
        TempDirectory dir;
        Store store = open_store(dir);
        std::vector<std::string> many;
        for (int i = 0; i < 60'000; ++i) many.push_back("a@one.example");
        many.back() = "rare@two.example";
        enqueue(store, test::message(1, many));
        Reader reader = value(Reader::open(dir.path()));
        Filter filter;
        filter.domain = "two.example";
        const auto first = value(reader.list(filter, {}, 10));
        CHECK(first.rows.empty());
        REQUIRE(first.next);
        CHECK(first.next->number < 50'000);
        std::size_t found = 0;
        std::optional<RecipientId> after;
        do {
            const auto page = value(reader.list(filter, after, 10));
            found += page.rows.size();
            after = page.next;
        } while (after);
        CHECK(found == 1);
    }

    TEST_CASE("a message shows its envelope and what is left to do and its attempts") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@one.example", "b@two.example"}), Lease::yes);
        REQUIRE(committed(store, [&] {
            return store.settle(test::settlement(1, {test::outcome({id_of(1), 0}, Outcome::delivered)}));
        }));
        Reader reader = value(Reader::open(dir.path()));
        const auto detail = value(reader.show(id_of(1)));
        CHECK(detail.envelope.client_helo == "client.example");
        CHECK(detail.size == 24);
        REQUIRE(detail.recipients.size() == 1);
        CHECK(detail.recipients[0].recipient.address == "b@two.example");
        REQUIRE(detail.attempts.size() == 1);
        CHECK(detail.attempts[0].trace == R"({"hops":[]})");
        REQUIRE(committed(store, [&] {
            return store.settle(test::settlement(1, {test::outcome({id_of(1), 1}, Outcome::delivered)}));
        }));
        const auto gone = reader.show(id_of(1));
        REQUIRE_FALSE(gone);
        CHECK(gone.error().code == Errc::not_found);
        CHECK(value(reader.trace(id_of(1))).size() == 2);  // the traces stay
    }

    TEST_CASE("a reader cannot write") {
        TempDirectory dir;
        Store store = open_store(dir);
        Database db = value(Database::open(dir.database(), Database::Mode::read_only));
        CHECK_FALSE(db.exec("DELETE FROM message"));
        CHECK_FALSE(db.exec("PRAGMA user_version = 7"));
    }
}

}  // namespace sealpost::queue
