#include <doctest/doctest.h>

#include "mta/smtp/mail_transaction.hpp"
#include "tests/mta/support/transaction_run.hpp"

using sealpost::Extensions;
using sealpost::MailEnvelope;
using sealpost::MailTransaction;
using sealpost::RecipientOutcome;
using sealpost::Reply;
using Act = MailTransaction::Step::Act;
using Result = RecipientOutcome::Result;
using namespace sealpost::test;

namespace {

constexpr std::uint64_t chunk = MailTransaction::max_chunk;

MailEnvelope sized(std::uint64_t size, std::size_t recipients = 1) {
    MailEnvelope made = envelope(recipients);
    made.size = size;
    return made;
}

Extensions chunking(bool pipelining) {
    Extensions made = offering(pipelining);
    made.chunking = true;
    return made;
}

const std::string opening = "MAIL FROM:<s@example.org>\r\nRCPT TO:<r0@example.net>\r\n";

}  // namespace

TEST_SUITE("mta/smtp/mail_transaction") {
    TEST_CASE("BDAT is for a server that offers CHUNKING and never stands beside DATA [EXT-09 EXT-11]") {
        for (const bool pipelining : {true, false}) {
            const Run by_chunk = run({sized(1000), chunking(pipelining)}, {ok, ok, queued});
            CHECK(by_chunk.act == Act::done);
            CHECK(by_chunk.used_all);
            CHECK(by_chunk.sent == opening + "BDAT 1000 LAST\r\n<1000>");
            CHECK(by_chunk.outcomes[0].result == Result::delivered);
            CHECK(by_chunk.outcomes[0].command == "BDAT");
            CHECK_FALSE(by_chunk.reset_needed);
            const Run by_data = run({sized(1000), offering(pipelining)}, {ok, ok, go, queued});
            CHECK(by_data.sent == opening + "DATA\r\n<body>");
        }
    }

    TEST_CASE("the octets of all chunks are those of the message and the last one says LAST [EXT-09]") {
        struct Row {
            std::uint64_t size;
            const char* sent;
        };
        for (const Row& row : {
                 Row{0, "BDAT 0 LAST\r\n<0>"},
                 Row{1, "BDAT 1 LAST\r\n<1>"},
                 Row{chunk, "BDAT 1048576 LAST\r\n<1048576>"},
                 Row{chunk + 1, "BDAT 1048576\r\n<1048576>BDAT 1 LAST\r\n<1>"},
                 Row{3 * chunk,
                     "BDAT 1048576\r\n<1048576>BDAT 1048576\r\n<1048576>BDAT 1048576 LAST\r\n<1048576>"},
             }) {
            for (const bool pipelining : {true, false}) {
                CAPTURE(row.size);
                const Run r = run({sized(row.size), chunking(pipelining)}, {ok, ok, ok, ok, ok});
                CHECK(r.act == Act::done);
                CHECK(r.sent == opening + row.sent);
                CHECK(r.outcomes[0].result == Result::delivered);
            }
        }
    }

    TEST_CASE("no chunk goes out before every recipient has its reply and none without one [EXT-09 EXT-07]") {
        for (const bool pipelining : {true, false}) {
            const Run r = run({sized(10, 2), chunking(pipelining)}, {ok, unknown_user, unknown_user});
            CHECK(r.act == Act::done);
            CHECK(r.used_all);
            CHECK(r.sent.find("BDAT") == std::string::npos);
            CHECK(r.reset_needed);
            CHECK(r.outcomes[1].enhanced == "5.1.1");

            const Run refused =
                run({sized(10, 1), chunking(pipelining)}, {{550, {"5.7.1 no"}}, {503, {"5.5.1 need MAIL"}}});
            CHECK(refused.act == Act::done);
            CHECK(refused.sent.find("BDAT") == std::string::npos);
            CHECK(refused.outcomes[0].command == "MAIL FROM");
        }
        const Run one = run({sized(10, 2), chunking(true)}, {ok, unknown_user, ok, queued});
        CHECK(one.sent.ends_with("RCPT TO:<r1@example.net>\r\nBDAT 10 LAST\r\n<10>"));
        CHECK(one.outcomes[0].result == Result::failed);
        CHECK(one.outcomes[1].result == Result::delivered);
    }

    TEST_CASE(
        "two chunks are under way with PIPELINING and one without and the last is alone [EXT-09 EXT-08]") {
        MailTransaction t(sized(4 * chunk), chunking(true));
        (void)t.start();
        (void)t.next(ok);
        CHECK(t.next(ok).bytes == "BDAT 1048576\r\n");
        CHECK(t.chunk_sent().act == Act::send_chunk);  // the second
        CHECK(t.chunk_sent().act == Act::read);
        CHECK(t.next(ok).act == Act::send_chunk);  // the third
        CHECK(t.chunk_sent().act == Act::read);
        CHECK(t.next(ok, true).act == Act::read);  // the reply to the third is there too
        CHECK_FALSE(t.awaiting_final());
        const MailTransaction::Step last = t.next(ok);
        CHECK(last.bytes == "BDAT 1048576 LAST\r\n");
        CHECK(t.awaiting_final());
        CHECK(t.chunk_sent().act == Act::read);
        CHECK(t.next(queued).act == Act::done);

        MailTransaction one_by_one(sized(2 * chunk), chunking(false));
        (void)one_by_one.start();
        (void)one_by_one.next(ok);
        CHECK(one_by_one.next(ok).bytes == "BDAT 1048576\r\n");
        CHECK(one_by_one.chunk_sent().act == Act::read);
        CHECK(one_by_one.next(ok).bytes == "BDAT 1048576 LAST\r\n");
    }

    TEST_CASE("a refused chunk ends the transaction and the chunk behind it is answered first [EXT-10]") {
        struct Row {
            Reply refusal;
            Result result;
        };
        for (const Row& row : {Row{{452, {"4.3.1 no room"}}, Result::deferred},
                               Row{{552, {"5.3.4 too large"}}, Result::failed},
                               Row{{503, {"5.5.1 sequence"}}, Result::failed}}) {
            CAPTURE(row.refusal.code);
            // The first is refused, the second was sent already; a late 250 to it changes nothing.
            for (const Reply& second : {row.refusal, ok}) {
                const Run r = run({sized(5 * chunk), chunking(true)}, {ok, ok, row.refusal, second});
                CHECK(r.act == Act::done);
                CHECK(r.used_all);
                CHECK(r.reset_needed);
                CHECK(r.sent == opening + "BDAT 1048576\r\n<1048576>BDAT 1048576\r\n<1048576>");
                CHECK(r.outcomes[0].result == row.result);
                CHECK(r.outcomes[0].text == row.refusal.text());
                CHECK(r.outcomes[0].command == "BDAT");
            }
            const Run single = run({sized(2 * chunk), chunking(false)}, {ok, ok, row.refusal});
            CHECK(single.act == Act::done);
            CHECK(single.reset_needed);
            CHECK(single.sent.find("LAST") == std::string::npos);
            const Run last = run({sized(10), chunking(true)}, {ok, ok, row.refusal});
            CHECK(last.act == Act::done);
            CHECK(last.reset_needed);
            CHECK(last.outcomes[0].result == row.result);
        }
    }

    TEST_CASE("a server that offers BDAT and does not know it has read the body as commands [EXT-10]") {
        for (const int code : {500, 502}) {
            for (const std::uint64_t size : {std::uint64_t{10}, 3 * chunk}) {
                const Run r = run({sized(size), chunking(true)}, {ok, ok, {code, {"5.5.1 what"}}});
                CHECK(r.act == Act::close);
                CHECK(r.outcomes[0].result == Result::deferred);
                CHECK(r.outcomes[0].enhanced == "4.5.0");
            }
        }
    }

    TEST_CASE("a reply that no chunk can have and 421 end the connection as temporary [EXT-10 SMTP-12]") {
        for (const std::uint64_t size : {std::uint64_t{10}, 3 * chunk}) {
            for (const Reply& odd : {closing, go}) {
                const Run r = run({sized(size), chunking(true)}, {ok, ok, odd});
                CHECK(r.act == Act::close);
                CHECK(r.outcomes[0].result == Result::deferred);
            }
        }
        MailTransaction t(sized(3 * chunk), chunking(false));
        (void)t.start();
        (void)t.next(ok);
        (void)t.next(ok);
        (void)t.chunk_sent();
        CHECK(t.next(ok, true).act == Act::close);  // a second reply to one chunk
        CHECK(t.outcomes()[0].enhanced == "4.5.0");
    }

    TEST_CASE("a connection lost between chunks is temporary and leaves no second copy [SMTP-15 SMTP-16]") {
        MailTransaction t(sized(2 * chunk, 2), chunking(true));
        (void)t.start();
        (void)t.next(ok);
        (void)t.next(unknown_user);
        CHECK(t.next(ok).act == Act::send_chunk);
        CHECK_FALSE(t.awaiting_final());
        MailTransaction later = t;
        t.lost("4.4.2", "lost");
        CHECK(t.outcomes()[0].result == Result::failed);
        CHECK(t.outcomes()[1].result == Result::deferred);
        CHECK(t.chunk_sent().act == Act::close);

        (void)later.chunk_sent();
        CHECK(later.next(ok).bytes == "BDAT 1048576 LAST\r\n");
        CHECK(later.awaiting_final());  // as long as it is being written, too: nobody sees how far it came
        later.lost("4.4.2", "lost");
        CHECK(later.outcomes()[1].result == Result::deferred);
    }

    TEST_CASE("what is sent is never called binary [EXT-12]") {
        // Binary content is refused at intake, so that BODY=BINARYMIME is never needed.
        MailEnvelope high = sized(10);
        high.eight_bit = true;
        Extensions offered = chunking(true);
        offered.binary_mime = offered.eight_bit_mime = true;
        CHECK(MailTransaction(high, offered)
                  .start()
                  .bytes.starts_with("MAIL FROM:<s@example.org> BODY=8BITMIME\r\n"));
        offered.eight_bit_mime = false;
        CHECK(run({high, offered}, {}).outcomes[0].enhanced == "5.6.3");
    }

}  // TEST_SUITE("mta/smtp/mail_transaction")
