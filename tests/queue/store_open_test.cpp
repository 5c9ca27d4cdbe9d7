#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "queue/reader.hpp"
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

namespace {

void change(const TempDirectory& dir, const char* sql) {
    Database db = value(Database::open(dir.database(), Database::Mode::read_write));
    const auto done = db.exec(sql);
    if (!done) FAIL(done.error().text);
    REQUIRE(db.exec("PRAGMA wal_checkpoint(TRUNCATE)"));
}

std::string contents(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

Error open_error(const TempDirectory& dir) {
    auto store = Store::open(test::options_for(dir.path()), noon);
    REQUIRE_FALSE(store);
    return store.error();
}

std::string names_in(const std::filesystem::path& directory) {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator{directory})
        names.insert(entry.path().filename());
    std::string all;
    for (const auto& name : names) all += name + " ";
    return all;
}

}  // namespace

TEST_SUITE("queue/store_open") {
    TEST_CASE("a database of a newer schema is refused and nothing changes on disk") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
        }
        change(dir, "PRAGMA user_version = 99");
        std::filesystem::remove(dir.path() / "lock");
        const std::string before = contents(dir.database());
        const std::string files = names_in(dir.path());
        const Error error = open_error(dir);
        CHECK(error.code == Errc::configuration);
        CHECK(error.text.find(fmt::format(
                  "has schema 99, this program knows {}: run the newer sealpost or restore a backup",
                  schema_version)) != std::string::npos);
        CHECK(contents(dir.database()) == before);
        CHECK(names_in(dir.path()) == files);
        const auto reader = Reader::open(dir.path());
        REQUIRE_FALSE(reader);
        CHECK(reader.error().code == Errc::configuration);
    }

    TEST_CASE("a file that is not a sealpost database is refused and left alone") {
        TempDirectory dir;
        SUBCASE("text") {
            std::ofstream{dir.database()} << "hello";
        }
        SUBCASE("long text") {
            std::ofstream{dir.database()} << std::string(5000, 'x');
        }
        SUBCASE("another program's database") {
            change(dir, "PRAGMA application_id = 7; CREATE TABLE t (x)");
        }
        SUBCASE("a database without a name") {
            change(dir, "CREATE TABLE t (x)");
        }
        const std::string before = contents(dir.database());
        const Error error = open_error(dir);
        CHECK(error.code == Errc::configuration);
        CHECK(error.text.find("is not a sealpost database") != std::string::npos);
        CHECK(contents(dir.database()) == before);
    }

    TEST_CASE("a start that was interrupted before the first migration is repeated") {
        TempDirectory dir;
        std::ofstream{dir.database()}.close();
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}));
        CHECK(std::filesystem::file_size(dir.database()) > 0);
        CHECK(check_header(dir.database()));
    }

    TEST_CASE("the state directory belongs to one process and the error names it") {
        TempDirectory dir;
        std::optional<Store> store = open_store(dir);
        const Error error = open_error(dir);
        CHECK(error.code == Errc::unavailable);
        CHECK(error.text.find("in use by process " + std::to_string(::getpid())) != std::string::npos);
        store.reset();
        CHECK(Store::open(test::options_for(dir.path()), noon));
    }

    TEST_CASE("a state directory that cannot be made or written is one clear error") {
        TempDirectory dir;
        StoreOptions options = test::options_for(dir.path() / "missing" / "deeper");
        auto store = Store::open(options, noon);
        REQUIRE_FALSE(store);
        CHECK(store.error().code == Errc::configuration);
        CHECK(store.error().text.find("cannot create the state directory") != std::string::npos);
        options = test::options_for(dir.path() / "fresh");
        CHECK(Store::open(options, noon));
        const auto mode = std::filesystem::status(dir.path() / "fresh").permissions();
        CHECK((mode & std::filesystem::perms::others_all) == std::filesystem::perms::none);
        const auto file_mode = std::filesystem::status(dir.path() / "fresh" / "sealpost.db").permissions();
        CHECK((file_mode & (std::filesystem::perms::others_all | std::filesystem::perms::group_all)) ==
              std::filesystem::perms::none);
    }

    TEST_CASE("leases end with the process and only an attempt under way counts as interrupted") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            enqueue(store, test::message(1, {"a@example.net", "b@example.net"}), Lease::yes);
            const std::vector begun{RecipientId{id_of(1), 1}};
            REQUIRE(committed(store, [&] { return store.begin_attempt(begun); }));
        }
        Store store = open_store(dir);
        CHECK(store.counters().messages == 1);
        CHECK(store.counters().recipients == 2);
        auto due = value(committed(store, [&] { return store.due(noon, 10, {}); }));
        REQUIRE(due.recipients.size() == 2);
        CHECK(due.recipients[0].interrupted + due.recipients[1].interrupted == 1);
        for (const auto& r : due.recipients) CHECK(r.interrupted == r.id.number);
    }

    TEST_CASE("a queue id is not used again after its message is gone and the clock was set back") {
        TempDirectory dir;
        MessageId first = id_of(1);
        {
            Store store = open_store(dir);
            MessageIdSource ids{store.high_water()};
            first = ids.next(noon);
            enqueue(store, test::message(first.value(), {"a@example.net"}));
            REQUIRE(committed(store, [&] { return store.remove(std::vector{RecipientId{first, 0}}); }));
        }
        Store store = open_store(dir, noon - 24h);
        MessageIdSource ids{store.high_water()};
        CHECK(ids.next(noon - 24h) > first);
    }

    TEST_CASE("mail of the first schema is delivered after the migration as by policy") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            enqueue(store, test::message(1, {"a@example.net"}));
        }
        // SHA-256 of the message as the first schema had it, without a tag.
        change(dir, test::undo_schema_4);
        change(dir,
               "UPDATE message SET checksum ="
               " x'65bef4c81f941076304b0c746a80395e6a573417c8e62f96cdca9071e560cde7';"
               "ALTER TABLE message DROP COLUMN tls;"
               "DROP INDEX sts_policy_refresh; DROP INDEX sts_policy_failing;"
               "ALTER TABLE sts_policy DROP COLUMN refresh_at;"
               "ALTER TABLE sts_policy DROP COLUMN failures;"
               "ALTER TABLE sts_policy DROP COLUMN failing_since;"
               "CREATE INDEX sts_policy_refresh ON sts_policy (fetched_at); PRAGMA user_version = 1");
        Store store = open_store(dir);
        auto loaded = value(committed(store, [&] { return store.load_message(id_of(1)); }));
        REQUIRE(std::holds_alternative<StoredMessage>(loaded));
        CHECK(std::get<StoredMessage>(loaded).envelope.tls == security::MessageTls::by_policy);
        CHECK(check_header(dir.database()));
    }

    TEST_CASE("a tag that was taken away in the database freezes the message [REQTLS-04]") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            NewMessage m = test::message(1, {"a@example.net"});
            m.envelope.tls = security::MessageTls::required;
            enqueue(store, m);
        }
        change(dir, "UPDATE message SET tls = 0");
        Store store = open_store(dir);
        const auto loaded = value(committed(store, [&] { return store.load_message(id_of(1)); }));
        CHECK(std::holds_alternative<Frozen>(loaded));
    }

    TEST_CASE("a damaged message is frozen and never sent") {
        const char* sql = "";
        SUBCASE("body") {
            sql = "UPDATE body SET data = CAST(replace(data, 'Hello', 'Hullo') AS BLOB)";
        }
        SUBCASE("body is cut") {
            sql = "DELETE FROM body";
        }
        SUBCASE("sender") {
            sql = "UPDATE message SET sender = 'other@example.org'";
        }
        SUBCASE("flags") {
            sql = "UPDATE message SET flags = 77";
        }
        SUBCASE("a TLS tag that was never written") {
            sql = "UPDATE message SET tls = 3";
        }
        SUBCASE("a negative TLS tag") {
            sql = "UPDATE message SET tls = -1";
        }
        SUBCASE("another TLS tag than was written") {
            sql = "UPDATE message SET tls = 2";
        }
        SUBCASE("negative date") {
            sql = "UPDATE message SET received_at = -5";
        }
        SUBCASE("huge date") {
            sql = "UPDATE message SET expires_at = 9223372036854775807";
        }
        SUBCASE("negative size") {
            sql = "UPDATE message SET body_size = -1";
        }
        SUBCASE("huge size") {
            sql = "UPDATE message SET body_size = 1099511627776";
        }
        SUBCASE("first chunk") {
            sql = "UPDATE message SET body_first = 9223372036854775807";
        }
        SUBCASE("checksum") {
            sql = "UPDATE message SET checksum = x'00'";
        }
        SUBCASE("message row") {
            sql = "DELETE FROM message";
        }
        TempDirectory dir;
        {
            Store store = open_store(dir);
            enqueue(store, test::message(1, {"a@example.net"}));
        }
        change(dir, sql);
        Store store = open_store(dir);
        REQUIRE(value(committed(store, [&] { return store.due(noon, 10, {}); })).recipients.size() == 1);
        auto loaded = value(committed(store, [&] { return store.load_message(id_of(1)); }));
        REQUIRE(std::holds_alternative<Frozen>(loaded));
        CHECK(std::get<Frozen>(loaded).reason.find(id_of(1).str()) != std::string::npos);
        const std::vector ids{RecipientId{id_of(1), 0}};
        REQUIRE(committed(store, [&] { return store.release(ids, noon); }));
        CHECK(value(committed(store, [&] { return store.due(noon + 1h, 10, {}); })).recipients.empty());
        Reader reader = value(Reader::open(dir.path()));
        Filter frozen;
        frozen.state = RecipientState::frozen;
        const auto page = value(reader.list(frozen, {}, 10));
        CHECK(page.rows.size() == 1);
    }

    TEST_CASE("a damaged recipient is frozen and reported and the others go on") {
        const char* sql = "";
        SUBCASE("address") {
            sql = "UPDATE recipient SET address = 'evil@example.com' WHERE number = 0";
        }
        SUBCASE("domain") {
            sql = "UPDATE recipient SET domain = 'example.com' WHERE number = 0";
        }
        SUBCASE("attempts") {
            sql = "UPDATE recipient SET attempts = -1 WHERE number = 0";
        }
        SUBCASE("interrupted") {
            sql = "UPDATE recipient SET interrupted = 99999999999 WHERE number = 0";
        }
        SUBCASE("number") {
            sql = "UPDATE recipient SET number = -9 WHERE number = 0";
        }
        SUBCASE("message") {
            sql = "UPDATE recipient SET message = -9 WHERE number = 0";
        }
        TempDirectory dir;
        {
            Store store = open_store(dir);
            enqueue(store, test::message(1, {"a@example.net", "b@example.net"}));
        }
        change(dir, sql);
        Store store = open_store(dir);
        const auto due = value(committed(store, [&] { return store.due(noon, 10, {}); }));
        CHECK(due.frozen.size() == 1);
        REQUIRE(due.recipients.size() == 1);
        CHECK(due.recipients[0].recipient.address == "b@example.net");
        CHECK(value(committed(store, [&] { return store.due(noon, 10, {}); })).frozen.empty());
    }

    TEST_CASE("a frozen message that is whole again can be thawed") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            enqueue(store, test::message(1, {"a@example.net"}));
        }
        change(dir, "UPDATE message SET sender = 'other@example.org'");
        std::optional<Store> store = open_store(dir);
        REQUIRE(committed(*store, [&] { return store->load_message(id_of(1)); }));
        store.reset();
        change(dir, "UPDATE message SET sender = 'sender@example.org'");
        store = open_store(dir);
        CHECK_FALSE(committed(*store, [&] { return store->thaw(id_of(2), noon); }));
        REQUIRE(committed(*store, [&] { return store->thaw(id_of(1), noon); }));
        CHECK(value(committed(*store, [&] { return store->due(noon, 10, {}); })).recipients.size() == 1);
        CHECK(std::holds_alternative<StoredMessage>(
            value(committed(*store, [&] { return store->load_message(id_of(1)); }))));
    }

    TEST_CASE("a disk that fails acknowledges nothing and the mail before it stays") {
        TempDirectory dir;
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            // In the child: no doctest, only an exit status.
            std::signal(SIGXFSZ, SIG_IGN);
            auto store = Store::open(test::options_for(dir.path()), noon);
            if (!store || !store->begin() ||
                !store->enqueue(test::message(1, {"a@example.net"}), Lease::no) || !store->commit())
                ::_exit(1);
            const rlimit limit{1 << 20, 1 << 20};
            ::setrlimit(RLIMIT_FSIZE, &limit);
            if (!store->begin()) ::_exit(2);
            const auto big = test::message(2, {"b@example.net"}, std::string(8U << 20, 'x') + "\r\n");
            const bool stored =
                store->in_savepoint([&] { return store->enqueue(big, Lease::no); }).has_value();
            const bool acknowledged = store->commit().has_value();
            if (stored && acknowledged) ::_exit(3);
            if (store->counters().messages != 1) ::_exit(4);
            ::_exit(0);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
        Store store = open_store(dir);
        CHECK(store.counters().messages == 1);
    }

    TEST_CASE("an index of due times that has lost its entries is made anew") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            REQUIRE(committed(store,
                              [&] { return store.enqueue(test::message(1, {"a@example.net"}), Lease::no); }));
        }
        // As if the disk had altered it: the index points to the pages of one that is empty.
        sqlite3* db = nullptr;
        REQUIRE(sqlite3_open(dir.database().c_str(), &db) == SQLITE_OK);
        CHECK(sqlite3_exec(db,
                           "CREATE INDEX other ON recipient (next_attempt) WHERE state = 77;"
                           "PRAGMA writable_schema = ON;"
                           "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE "
                           "name = 'other')"
                           " WHERE name = 'recipient_due';"
                           "DELETE FROM sqlite_schema WHERE name = 'other';",
                           nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(db);
        Store store = open_store(dir);
        const DueBatch due = value(committed(store, [&] { return store.due(noon + 1h, 10, {}); }));
        CHECK(due.recipients.size() == 1);
    }
}

}  // namespace sealpost::queue
