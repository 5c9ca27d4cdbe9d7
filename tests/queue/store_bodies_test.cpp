#include <doctest/doctest.h>

#include <array>

#include "queue/body_reader.hpp"
#include "queue/message_checksum.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using test::committed;
using test::enqueue;
using test::id_of;
using test::noon;
using test::open_store;
using test::TempDirectory;
using test::value;

namespace {

std::string body_of_size(std::size_t size) {
    std::string body;
    for (std::size_t i = 0; body.size() < size; ++i) body += fmt::format("line {} of many\r\n", i * 7919);
    body.resize(size);
    return body;
}

Reception begin_reception(Store& store, std::int64_t id, std::uint64_t limit = 1U << 20) {
    return value(committed(store, [&] { return store.begin_reception(id_of(id), limit); }));
}

Result<void> add(Store& store, const Reception& reception, std::uint64_t number, std::string_view piece) {
    return committed(store, [&] { return store.add_body(reception, number, piece); });
}

/// The pieces as transactions of their own, then the message.
NewMessage spool(Store& store, std::int64_t id, const std::string& body) {
    const Reception reception = begin_reception(store, id);
    std::uint64_t number = 0;
    for (std::string_view rest = body; !rest.empty(); rest.remove_prefix(std::min(body_chunk, rest.size())))
        REQUIRE(add(store, reception, number++, rest.substr(0, body_chunk)));
    NewMessage m = test::message(id, {"a@example.net"}, {});
    m.stored_body = StoredBody{.first = reception.first, .size = body.size(), .digest = body_digest(body)};
    return m;
}

std::variant<StoredMessage, Frozen> load(Store& store, std::int64_t id) {
    return value(committed(store, [&] { return store.load_message(id_of(id)); }));
}

StoredMessage load_whole(Store& store, std::int64_t id) {
    auto loaded = load(store, id);
    if (const auto* frozen = std::get_if<Frozen>(&loaded)) FAIL(frozen->reason);
    return std::get<StoredMessage>(std::move(loaded));
}

void change(const TempDirectory& dir, const std::string& sql) {
    Database db = value(Database::open(dir.database(), Database::Mode::read_write));
    const auto done = db.exec(sql.c_str());
    if (!done) FAIL(done.error().text);
}

std::int64_t count(const TempDirectory& dir, const std::string& table) {
    Database db = value(Database::open(dir.database(), Database::Mode::read_only));
    Statement statement = value(db.prepare("SELECT count(*) FROM " + table));
    Rows rows = value(statement.query());
    REQUIRE(value(rows.next()));
    return rows.integer(0);
}

std::string checksum_of(const TempDirectory& dir, std::int64_t id) {
    Database db = value(Database::open(dir.database(), Database::Mode::read_only));
    Statement statement = value(db.prepare("SELECT checksum FROM message WHERE id = ?"));
    Rows rows = value(statement.query(id));
    REQUIRE(value(rows.next()));
    return std::string{rows.text(0)};
}

void sweep_all(Store& store, std::size_t limit = 3) {
    for (int i = 0; i < 1000 && store.has_leftovers(); ++i)
        REQUIRE(committed(store, [&] { return store.sweep(limit); }));
    CHECK_FALSE(store.has_leftovers());
}

std::string hex(std::string_view octets) {
    std::string out;
    for (const char c : octets) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
    return out;
}

}  // namespace

TEST_SUITE("queue/store_bodies") {
    TEST_CASE("a body that came in pieces is the same message as one that came whole [SMTP-27 SMTP-28]") {
        TempDirectory dir;
        Store store = open_store(dir);
        std::int64_t id = 0;
        for (const std::size_t size :
             {body_chunk - 1, body_chunk, body_chunk + 1, 3 * body_chunk, 3 * body_chunk + 17}) {
            CAPTURE(size);
            const std::string body = body_of_size(size);
            ++id;
            enqueue(store, spool(store, id, body));
            const StoredMessage in_pieces = load_whole(store, id);
            CHECK(in_pieces.size() == size);
            CHECK(in_pieces.stored_body.has_value() == (size > body_chunk));
            CHECK(test::body_of(dir, in_pieces) == body);
            const std::string checksum = checksum_of(dir, id);
            REQUIRE(committed(store, [&] { return store.remove(std::array{RecipientId{id_of(id), 0}}); }));

            enqueue(store, test::message(id, {"a@example.net"}, body));
            CHECK(test::body_of(dir, load_whole(store, id)) == body);
            CHECK(checksum_of(dir, id) == checksum);
            CHECK(checksum.size() == checksum_size);
        }
    }

    TEST_CASE("bodies that come in at the same time do not mix") {
        TempDirectory dir;
        Store store = open_store(dir);
        const std::string one = body_of_size(2 * body_chunk + 5);
        const std::string two(2 * body_chunk + 9, 'x');
        const Reception first = begin_reception(store, 1);
        const Reception second = begin_reception(store, 2);
        enqueue(store, test::message(3, {"a@example.net"}));
        for (const std::uint64_t number : {2U, 0U, 1U}) {  // in whatever order
            REQUIRE(add(store, first, number, std::string_view(one).substr(number * body_chunk, body_chunk)));
            REQUIRE(
                add(store, second, number, std::string_view(two).substr(number * body_chunk, body_chunk)));
        }
        for (const auto& [reception, body] : {std::pair{first, &one}, std::pair{second, &two}}) {
            NewMessage m = test::message(reception.message.value(), {"a@example.net"}, {});
            m.stored_body =
                StoredBody{.first = reception.first, .size = body->size(), .digest = body_digest(*body)};
            enqueue(store, m);
            CHECK(test::body_of(dir, load_whole(store, reception.message.value())) == *body);
        }
        CHECK(load_whole(store, 3).body == test::message(3, {"a@example.net"}).body);
        CHECK(count(dir, "reception") == 0);
    }

    TEST_CASE("what is missing of a body is never acknowledged [SMTP-27]") {
        TempDirectory dir;
        Store store = open_store(dir);
        const std::string body = body_of_size(3 * body_chunk);
        NewMessage m = spool(store, 1, body);
        const auto tried = [&] { return committed(store, [&] { return store.enqueue(m, Lease::no); }); };
        change(dir, fmt::format("DELETE FROM body WHERE id = {}", m.stored_body->first + 1));
        CHECK(tried().error().code == Errc::not_found);
        // More than is said is as wrong as less.
        NewMessage other = spool(store, 2, body);
        other.stored_body->size -= body_chunk;
        CHECK_FALSE(committed(store, [&] { return store.enqueue(other, Lease::no); }));
        // A place of its own, and none beyond what was asked for.
        const Reception reception = begin_reception(store, 3, body_chunk);
        CHECK_FALSE(add(store, reception, 2, "x"));
        CHECK_FALSE(add(store, reception, 0, ""));
        CHECK_FALSE(add(store, reception, 0, std::string(body_chunk + 1, 'x')));
        CHECK(store.counters().messages == 0);
    }

    TEST_CASE("a reception that is given up leaves nothing, and takes nothing more") {
        TempDirectory dir;
        Store store = open_store(dir);
        NewMessage m = spool(store, 1, body_of_size(8 * body_chunk + 1));
        enqueue(store, test::message(2, {"a@example.net"}));
        const Reception reception{
            .message = m.id, .first = m.stored_body->first, .end = m.stored_body->first + 17};
        store.abandon(m.id);
        REQUIRE(committed(store, [&] { return store.sweep(3); }));
        CHECK(count(dir, "body") == 7);
        sweep_all(store);
        CHECK(count(dir, "body") == 1);
        CHECK(count(dir, "reception") == 0);
        CHECK(add(store, reception, 9, "x").error().code == Errc::not_found);
        CHECK(committed(store, [&] { return store.enqueue(m, Lease::no); }).error().code == Errc::not_found);

        // Given up too late: it is a message, and stays one.
        enqueue(store, spool(store, 3, body_of_size(2 * body_chunk)));
        store.abandon(id_of(3));
        sweep_all(store);
        CHECK(test::body_of(dir, load_whole(store, 3)) == body_of_size(2 * body_chunk));
    }

    TEST_CASE("what a process that died had received in part is gone after the next start [SMTP-28]") {
        TempDirectory dir;
        Reception old{.message = id_of(1)};
        {
            Store store = open_store(dir);
            old = begin_reception(store, 1, 100 * body_chunk);
            for (std::uint64_t i = 0; i < 10; ++i) REQUIRE(add(store, old, i, std::string(body_chunk, 'x')));
            enqueue(store, spool(store, 2, body_of_size(2 * body_chunk)));
        }
        Store store = open_store(dir);
        CHECK(store.has_leftovers());
        // Before it is swept a new body comes in: the ids do not meet.
        enqueue(store, spool(store, 3, body_of_size(3 * body_chunk)));
        CHECK(add(store, old, 10, "x"));
        sweep_all(store);
        CHECK(count(dir, "body") == 5);
        CHECK(count(dir, "reception") == 0);
        CHECK_FALSE(add(store, old, 11, "x"));
        CHECK(test::body_of(dir, load_whole(store, 2)) == body_of_size(2 * body_chunk));
        CHECK(test::body_of(dir, load_whole(store, 3)) == body_of_size(3 * body_chunk));
    }

    TEST_CASE("a large message that is gone is deleted in steps; when that is undone it is still whole") {
        TempDirectory dir;
        Store store = open_store(dir);
        const std::string body = body_of_size(8 * body_chunk);
        enqueue(store, spool(store, 1, body));
        REQUIRE(store.begin());
        REQUIRE(store.in_savepoint([&] { return store.remove(std::array{RecipientId{id_of(1), 0}}); }));
        store.rollback();
        sweep_all(store);
        CHECK(test::body_of(dir, load_whole(store, 1)) == body);

        enqueue(store, test::message(2, {"a@example.net"}));
        REQUIRE(committed(store, [&] { return store.remove(std::array{RecipientId{id_of(1), 0}}); }));
        CHECK(store.counters().messages == 1);
        CHECK(count(dir, "body") == 9);
        {
            Store again = std::move(store);
        }
        Store next = open_store(dir);
        sweep_all(next);
        CHECK(count(dir, "body") == 1);
        CHECK(count(dir, "reception") == 0);
    }

    TEST_CASE("the checksum of rows from before is still verified, large bodies too") {
        TempDirectory dir;
        for (const std::size_t size : {std::size_t{100}, 2 * body_chunk + 100}) {
            CAPTURE(size);
            const std::string body = body_of_size(size);
            const auto id = static_cast<std::int64_t>(size);
            NewMessage m = test::message(id, {"a@example.net"}, body);
            m.envelope.tls = security::MessageTls::optional;
            {
                Store store = open_store(dir);
                enqueue(store, m);
            }
            SingleChecksum old(m.id, m.envelope, size);
            old.append(body);
            change(dir,
                   fmt::format("UPDATE message SET checksum = x'{}' WHERE id = {}", hex(old.finish()), id));
            {
                Store store = open_store(dir);
                CHECK(test::body_of(dir, load_whole(store, id)) == body);
            }
            change(dir, fmt::format("UPDATE body SET data = zeroblob(length(data)) WHERE message = {}", id));
            Store store = open_store(dir);
            CHECK(std::holds_alternative<Frozen>(load(store, id)));
        }
    }

    TEST_CASE("an altered envelope of a large message freezes it before anything is sent") {
        TempDirectory dir;
        {
            Store store = open_store(dir);
            enqueue(store, spool(store, 1, body_of_size(2 * body_chunk)));
        }
        change(dir, "UPDATE message SET sender = 'other@example.org'");
        Store store = open_store(dir);
        CHECK(std::holds_alternative<Frozen>(load(store, 1)));
    }

    TEST_CASE("the last block of an altered body is held back") {
        TempDirectory dir;
        const std::string body = body_of_size(3 * body_chunk + 100);
        Store store = open_store(dir);
        enqueue(store, spool(store, 1, body));
        const StoredMessage message = load_whole(store, 1);
        BodyReader reader = value(BodyReader::open(dir.path()));
        CHECK(value(reader.prefix(message.id, *message.stored_body, body_chunk + 1)) ==
              body.substr(0, body_chunk + 1));
        CHECK(value(reader.prefix(message.id, *message.stored_body, 1U << 30)) == body);

        for (std::int64_t altered = 0; altered < 4; ++altered) {
            CAPTURE(altered);
            const std::int64_t row = message.stored_body->first + altered;
            change(dir,
                   fmt::format("UPDATE body SET data = CAST(replace(CAST(data AS TEXT), 'many', 'MANY') AS "
                               "BLOB) WHERE id = {}",
                               row));
            BodyStream stream(reader, message.id, *message.stored_body);
            std::string sent;
            Result<std::string> next = stream.next();
            for (; next && !next->empty(); next = stream.next()) sent += *next;
            REQUIRE_FALSE(next);
            CHECK(next.error().code == Errc::invalid);
            CHECK(sent.size() == 3 * body_chunk);
            change(dir,
                   fmt::format("UPDATE body SET data = CAST(replace(CAST(data AS TEXT), 'MANY', 'many') AS "
                               "BLOB) WHERE id = {}",
                               row));
            CHECK(test::body_of(dir, message) == body);
        }

        // A row that is missing or has another size is damage; a message that is gone is none.
        change(dir, fmt::format("DELETE FROM body WHERE id = {}", message.stored_body->first + 1));
        CHECK(reader.block(message.id, *message.stored_body, 1).error().code == Errc::invalid);
        change(dir, fmt::format("UPDATE body SET data = x'00' WHERE id = {}", message.stored_body->first));
        CHECK(reader.block(message.id, *message.stored_body, 0).error().code == Errc::invalid);
        CHECK(reader.block(message.id, *message.stored_body, 4).error().code == Errc::invalid);
        REQUIRE(committed(store, [&] { return store.freeze(message.id, "its body is damaged"); }));
        CHECK(std::get<Frozen>(load(store, 1)).reason == "its body is damaged");
        CHECK(value(committed(store, [&] { return store.due(noon, 10, {}); })).recipients.empty());
        REQUIRE(committed(store, [&] { return store.remove(std::array{RecipientId{message.id, 0}}); }));
        CHECK(reader.block(message.id, *message.stored_body, 2).error().code == Errc::not_found);
    }
}

}  // namespace sealpost::queue
