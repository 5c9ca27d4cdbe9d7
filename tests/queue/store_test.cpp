#include "queue/store.hpp"

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

DueBatch take_due(Store& store, Time now = noon, std::size_t limit = 100,
                  const std::set<std::string>& saturated = {}) {
    return value(committed(store, [&] { return store.due(now, limit, saturated); }));
}

StoredMessage load(Store& store, std::int64_t id) {
    auto loaded = value(committed(store, [&] { return store.load_message(id_of(id)); }));
    REQUIRE(std::holds_alternative<StoredMessage>(loaded));
    return std::get<StoredMessage>(std::move(loaded));
}

}  // namespace

TEST_SUITE("queue/store") {
    TEST_CASE("what was enqueued comes back octet for octet [SMTP-27 SMTP-28]") {
        TempDirectory dir;
        Store store = open_store(dir);
        std::string body;
        for (int i = 0; i < 200'000; ++i) body += static_cast<char>(i * 31 % 251);
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65536}, std::size_t{65537},
                                       std::size_t{131072}, body.size()}) {
            CAPTURE(size);
            const auto id = static_cast<std::int64_t>(size) + 1;
            NewMessage m = test::message(id, {"LocalPart@example.net", "\"quoted local\"@other.example"},
                                         body.substr(0, size));
            m.envelope.sender = "Case.Kept@example.org";
            m.envelope.smtputf8 = true;
            m.recipients[0].orcpt = "rfc822;x+2By@example.net";
            enqueue(store, m);
            const StoredMessage back = load(store, id);
            CHECK(test::body_of(dir, back) == m.body);
            CHECK(back.envelope.sender == "Case.Kept@example.org");
            CHECK(back.envelope.smtputf8);
            CHECK(back.envelope.body == BodyType::eight_bit_mime);
            CHECK(back.envelope.client_helo == "client.example");
            CHECK(back.envelope.received_at == noon);
            CHECK(back.envelope.expires_at == noon + 120h);
            const auto due = take_due(store);
            REQUIRE(due.recipients.size() == 2);
            CHECK(due.recipients[0].recipient.address == "LocalPart@example.net");
            CHECK(due.recipients[0].recipient.orcpt == "rfc822;x+2By@example.net");
            CHECK(due.recipients[1].recipient.address == "\"quoted local\"@other.example");
        }
    }

    TEST_CASE("the TLS tag of a message comes back at every load and to the reader [REQTLS-04]") {
        TempDirectory dir;
        std::int64_t id = 0;
        for (const auto tls : {security::MessageTls::by_policy, security::MessageTls::required,
                               security::MessageTls::optional}) {
            CAPTURE(to_string(tls));
            ++id;
            NewMessage m = test::message(id, {"a@example.net", "b@example.org"});
            m.envelope.tls = tls;
            {
                Store store = open_store(dir);
                enqueue(store, m);
            }
            // The next process, and after a first attempt that was deferred for one of the two.
            Store store = open_store(dir);
            CHECK(load(store, id).envelope.tls == tls);
            take_due(store);
            auto deferred = settlement(id, {outcome({id_of(id), 0}, Outcome::deferred),
                                            outcome({id_of(id), 1}, Outcome::delivered)});
            REQUIRE(committed(store, [&] { return store.settle(deferred); }));
            CHECK(load(store, id).envelope.tls == tls);
            Reader reader = value(Reader::open(dir.path()));
            CHECK(value(reader.show(id_of(id))).envelope.tls == tls);
        }
    }

    TEST_CASE("what the client asked about notices comes back and damage to it is found") {
        std::int64_t id = 0;
        for (const char* damage : {"", "UPDATE message SET envid = 'other'", "UPDATE message SET envid = ''",
                                   "UPDATE message SET ret = 1", "UPDATE message SET ret = 3",
                                   "UPDATE message SET envid = '', ret = 0"}) {
            CAPTURE(damage);
            TempDirectory dir;
            NewMessage m = test::message(++id, {"a@example.net"});
            m.envelope.envid = "QQ+2B314";
            m.envelope.ret = Ret::headers;
            m.recipients[0].notify = "Success,DELAY";
            m.recipients[0].orcpt = "rfc822;X+2By@example.net";
            {
                Store store = open_store(dir);
                enqueue(store, m);
            }
            if (*damage != '\0')
                REQUIRE(value(Database::open(dir.database(), Database::Mode::read_write)).exec(damage));
            Store store = open_store(dir);
            if (*damage != '\0') {
                const auto loaded = value(committed(store, [&] { return store.load_message(id_of(id)); }));
                CHECK(std::holds_alternative<Frozen>(loaded));
                continue;
            }
            const StoredMessage back = load(store, id);
            CHECK(back.envelope.envid == "QQ+2B314");
            CHECK(back.envelope.ret == Ret::headers);
            const auto due = take_due(store);
            REQUIRE(due.recipients.size() == 1);
            CHECK(due.recipients[0].recipient.notify == "Success,DELAY");
            CHECK(due.recipients[0].recipient.orcpt == "rfc822;X+2By@example.net");
        }
    }

    TEST_CASE("a sender was told of the delay from the settlement on that told it [DSN-07]") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}));
        const auto defer = [&store](bool notified) {
            const auto due = take_due(store, noon + 1h);
            REQUIRE(due.recipients.size() == 1);
            auto s = settlement(1, {outcome({id_of(1), 0}, Outcome::deferred)});
            s.recipients[0].notified = notified;
            REQUIRE(committed(store, [&] { return store.settle(s); }));
            return due.recipients[0].notified;
        };
        CHECK_FALSE(defer(false));
        CHECK_FALSE(defer(true));
        CHECK(defer(false));  // a later attempt does not forget it
        CHECK(defer(false));
    }

    TEST_CASE("each notice stands for itself when a recipient was removed meanwhile") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net", "b@example.net"}), Lease::yes);
        Settlement s =
            settlement(1, {outcome({id_of(1), 0}, Outcome::failed), outcome({id_of(1), 1}, Outcome::deferred),
                           outcome({id_of(1), 7}, Outcome::failed)});
        for (const std::int64_t about : {0, 1, 7}) {
            s.notices.push_back(test::notice(2 + about, 1));
            s.notices.back().about = {{id_of(1), static_cast<std::uint32_t>(about)}};
        }
        const auto settled = value(committed(store, [&] { return store.settle(s); }));
        CHECK(settled.unknown_recipients == 1);
        CHECK(settled.notices_enqueued == 2);
        CHECK(store.counters().messages == 3);
    }

    TEST_CASE("a recipient is leased once until it is released") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}));
        enqueue(store, test::message(2, {"b@example.net"}), Lease::yes);
        const auto due = take_due(store);
        REQUIRE(due.recipients.size() == 1);
        CHECK(due.recipients[0].id.message == id_of(1));
        CHECK(take_due(store).recipients.empty());
        const std::vector ids{due.recipients[0].id, RecipientId{id_of(2), 0}};
        REQUIRE(committed(store, [&] { return store.release(ids, noon + 5min); }));
        CHECK(take_due(store).recipients.empty());
        CHECK(value(store.next_due()) == noon + 5min);
        CHECK(take_due(store, noon + 5min).recipients.size() == 2);
        CHECK_FALSE(value(store.next_due()));
    }

    TEST_CASE("due recipients come oldest first and at most as many as asked for") {
        TempDirectory dir;
        Store store = open_store(dir);
        for (int i = 1; i <= 5; ++i) {
            NewMessage m = test::message(i, {"a@example.net"});
            m.envelope.received_at = noon - std::chrono::seconds(i);
            enqueue(store, m);
        }
        const auto due = take_due(store, noon, 3);
        REQUIRE(due.recipients.size() == 3);
        CHECK(due.recipients[0].id.message == id_of(5));
        CHECK(due.recipients[2].id.message == id_of(3));
    }

    TEST_CASE("recipients of a saturated destination are parked and do not stand before others") {
        TempDirectory dir;
        Store store = open_store(dir);
        for (int i = 1; i <= 10; ++i) enqueue(store, test::message(i, {"a@big.example"}));
        enqueue(store, test::message(11, {"b@small.example"}));
        auto due = take_due(store, noon, 10, {"big.example"});
        CHECK(due.recipients.empty());
        CHECK(due.parked == std::set<std::string>{"big.example"});
        due = take_due(store, noon, 10, {"big.example"});
        REQUIRE(due.recipients.size() == 1);
        CHECK(due.recipients[0].recipient.domain == "small.example");
        due = value(committed(store, [&] { return store.due_parked("big.example", noon, 4); }));
        CHECK(due.recipients.size() == 4);
        std::vector<RecipientId> back;
        for (const auto& r : due.recipients) back.push_back(r.id);
        REQUIRE(committed(store, [&] { return store.park(back); }));
        due = value(committed(store, [&] { return store.due_parked("big.example", noon, 100); }));
        CHECK(due.recipients.size() == 10);
    }

    TEST_CASE("each recipient has its own end and the last one takes the message away [SMTP-17]") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net", "b@example.net", "c@example.net"}));
        CHECK(store.counters().messages == 1);
        CHECK(store.counters().recipients == 3);
        CHECK(take_due(store).recipients.size() == 3);
        auto settled = value(committed(store, [&] {
            return store.settle(settlement(
                1, {outcome({id_of(1), 0}, Outcome::delivered), outcome({id_of(1), 1}, Outcome::failed),
                    outcome({id_of(1), 2}, Outcome::deferred)}));
        }));
        CHECK_FALSE(settled.message_removed);
        CHECK(store.counters().recipients == 1);
        const auto due = take_due(store, noon + 30min);
        REQUIRE(due.recipients.size() == 1);
        CHECK(due.recipients[0].id.number == 2);
        CHECK(due.recipients[0].attempts == 1);
        settled = value(committed(store, [&] {
            return store.settle(settlement(1, {outcome({id_of(1), 2}, Outcome::delivered)}));
        }));
        CHECK(settled.message_removed);
        CHECK(store.counters().messages == 0);
        CHECK(store.counters().recipients == 0);
        const auto gone = committed(store, [&] { return store.load_message(id_of(1)); });
        REQUIRE_FALSE(gone);
        CHECK(gone.error().code == Errc::not_found);
        Database db = value(Database::open(dir.database(), Database::Mode::read_only));
        Statement rest =
            value(db.prepare("SELECT (SELECT count(*) FROM body) + (SELECT count(*) FROM recipient)"));
        auto rows = value(rest.query());
        REQUIRE(value(rows.next()));
        CHECK(rows.integer(0) == 0);
    }

    TEST_CASE("a failure notice becomes true together with the failure or not at all [DSN-04]") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}), Lease::yes);
        Settlement s = settlement(1, {outcome({id_of(1), 0}, Outcome::failed)});
        s.notices.push_back(test::notice(2, 1));
        REQUIRE(store.begin());
        REQUIRE(value(store.in_savepoint([&] { return store.settle(s); })).notices_enqueued == 1);
        store.rollback();
        CHECK(store.counters().messages == 1);
        const auto settled = value(committed(store, [&] { return store.settle(s); }));
        CHECK(settled.message_removed);
        CHECK(settled.notices_enqueued == 1);
        CHECK(take_due(store).recipients.at(0).id.message == id_of(2));
        CHECK(load(store, 2).envelope.sender.empty());
    }

    TEST_CASE(
        "a settlement after the administrator removed the message changes nothing and sends no notice") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net"}), Lease::yes);
        const std::vector all{RecipientId{id_of(1), 0}};
        CHECK(value(committed(store, [&] { return store.remove(all); })).messages == 1);
        CHECK(value(committed(store, [&] { return store.remove(all); })).recipients == 0);
        CHECK(store.counters().recipients == 0);
        Settlement s = settlement(1, {outcome({id_of(1), 0}, Outcome::failed)});
        s.notices.push_back(test::notice(2, 1));
        const auto settled = value(committed(store, [&] { return store.settle(s); }));
        CHECK(settled.unknown_recipients == 1);
        CHECK(settled.notices_enqueued == 0);
        CHECK(store.counters().messages == 0);
    }

    TEST_CASE("a job that fails undoes itself and leaves the others of its group") {
        TempDirectory dir;
        Store store = open_store(dir);
        REQUIRE(store.begin());
        REQUIRE(store.in_savepoint(
            [&] { return store.enqueue(test::message(1, {"a@example.net"}), Lease::no); }));
        // Same id: the recipient rows are never reached, the body row is taken back.
        CHECK_FALSE(store.in_savepoint(
            [&] { return store.enqueue(test::message(1, {"x@example.net"}), Lease::no); }));
        CHECK_THROWS(static_cast<void>(store.in_savepoint([&]() -> Result<void> {
            REQUIRE(store.enqueue(test::message(7, {"x@example.net"}), Lease::no));
            throw std::runtime_error{"a bug"};
        })));
        REQUIRE(store.in_savepoint(
            [&] { return store.enqueue(test::message(2, {"b@example.net"}), Lease::no); }));
        REQUIRE(store.commit());
        CHECK(store.counters().messages == 2);
        CHECK(store.counters().recipients == 2);
        CHECK(take_due(store).recipients.size() == 2);
        CHECK(load(store, 1).body == load(store, 2).body);
    }

    TEST_CASE("no job runs outside a transaction and the store says so at commit") {
        TempDirectory dir;
        Store store = open_store(dir);
        CHECK_FALSE(store.in_savepoint(
            [&] { return store.enqueue(test::message(1, {"a@example.net"}), Lease::no); }));
        CHECK_FALSE(store.commit());
        CHECK(store.broken());
        CHECK_FALSE(store.begin());
    }

    TEST_CASE("the administrator can make waiting mail due now") {
        TempDirectory dir;
        Store store = open_store(dir);
        enqueue(store, test::message(1, {"a@example.net", "b@example.net"}), Lease::yes);
        REQUIRE(committed(store, [&] {
            return store.settle(settlement(
                1, {outcome({id_of(1), 0}, Outcome::deferred), outcome({id_of(1), 1}, Outcome::deferred)}));
        }));
        CHECK(take_due(store).recipients.empty());
        const std::vector one{RecipientId{id_of(1), 1}, RecipientId{id_of(5), 0}};
        CHECK(value(committed(store, [&] { return store.retry_now(one, noon); })) == 1);
        CHECK(take_due(store).recipients.size() == 1);
        const std::vector both{RecipientId{id_of(1), 0}, RecipientId{id_of(1), 1}};
        CHECK(value(committed(store, [&] { return store.retry_now(both, noon); })) == 1);
        CHECK(take_due(store).recipients.size() == 1);
    }

    TEST_CASE("traces are bounded in number and size and go with age") {
        TempDirectory dir;
        StoreOptions options = test::options_for(dir.path());
        options.max_traces = 3;
        options.max_trace_size = 50;
        Store store = value(Store::open(options, noon));
        enqueue(store, test::message(1, {"a@example.net"}), Lease::yes);
        for (int i = 0; i < 5; ++i) {
            Settlement s = settlement(1, {outcome({id_of(1), 0}, Outcome::deferred)});
            s.at = noon + std::chrono::minutes(i);
            s.trace = i == 4 ? std::string(51, 'x') : std::to_string(i);
            REQUIRE(committed(store, [&] { return store.settle(s); }));
        }
        Reader reader = value(Reader::open(dir.path()));
        auto traces = value(reader.trace(id_of(1)));
        REQUIRE(traces.size() == 3);
        CHECK(traces[0].trace == "2");
        CHECK(traces[0].at == noon + 2min);
        CHECK(traces[2].trace == R"({"note":"a trace of 51 octets was not kept"})");
        CHECK(value(committed(store, [&] { return store.prune(noon + 4min, day_of(noon), 2); })));
        CHECK_FALSE(value(committed(store, [&] { return store.prune(noon + 4min, day_of(noon), 2); })));
        CHECK(value(reader.trace(id_of(1))).size() == 1);
    }
}

}  // namespace sealpost::queue
