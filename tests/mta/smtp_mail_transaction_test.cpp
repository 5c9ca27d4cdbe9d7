#include "mta/smtp/mail_transaction.hpp"

#include <doctest/doctest.h>

#include "tests/mta/support/transaction_run.hpp"

using sealpost::Extensions;
using sealpost::MailEnvelope;
using sealpost::MailTransaction;
using sealpost::RecipientOutcome;
using sealpost::Reply;
using Act = MailTransaction::Step::Act;
using Result = RecipientOutcome::Result;
using Split = RecipientOutcome::Split;
using namespace sealpost::test;

TEST_SUITE("mta/smtp/mail_transaction") {
    TEST_CASE(
        "a pipelined group is MAIL RCPT DATA in one write and DATA is last [EXT-04 EXT-05 EXT-06 SMTP-19]") {
        const Run r = run({envelope(2), offering(true)}, {ok, ok, ok, go, queued});
        CHECK(r.act == Act::done);
        CHECK(r.used_all);
        CHECK(r.sent ==
              "MAIL FROM:<s@example.org>\r\nRCPT TO:<r0@example.net>\r\nRCPT "
              "TO:<r1@example.net>\r\nDATA\r\n<body>");
        for (const RecipientOutcome& outcome : r.outcomes) {
            CHECK(outcome.result == Result::delivered);
            CHECK(outcome.code == 250);
            CHECK(outcome.enhanced == "2.0.0");
            CHECK(outcome.text == "2.0.0 Ok: queued as 1");
            CHECK(outcome.command == "end of DATA");
        }
        CHECK_FALSE(r.reset_needed);
    }

    TEST_CASE("without PIPELINING each command waits for its reply [EXT-04]") {
        MailTransaction t(envelope(2), offering(false));
        CHECK(t.start().bytes == "MAIL FROM:<s@example.org>\r\n");
        CHECK(t.next(ok).bytes == "RCPT TO:<r0@example.net>\r\n");
        CHECK(t.next(ok).bytes == "RCPT TO:<r1@example.net>\r\n");
        CHECK(t.next(ok).bytes == "DATA\r\n");
        CHECK_FALSE(t.awaiting_final());
        CHECK(t.next(go).act == Act::send_body);
        CHECK(t.awaiting_final());
        CHECK(t.next(queued).act == Act::done);
        CHECK(t.outcomes()[1].result == Result::delivered);
    }

    TEST_CASE("a group has a bounded number of commands [EXT-08]") {
        const std::size_t n = MailTransaction::max_group + 10;
        MailTransaction t(envelope(n), offering(true));
        MailTransaction::Step step = t.start();
        std::size_t commands = 0;
        for (const char c : step.bytes) commands += c == '\n';
        CHECK(commands == MailTransaction::max_group);
        std::size_t replies = 0;
        while (step.act != Act::send_body) {
            step = t.next(replies++ == n + 1 ? go : ok);
            REQUIRE(replies <= n + 2);
        }
        CHECK(replies == n + 2);
        CHECK(t.next(queued).act == Act::done);
    }

    TEST_CASE("the null sender and the parameters on offer [EXT-01 EXT-13 SMTP-24]") {
        MailEnvelope bounce = envelope(1);
        bounce.sender.reset();
        bounce.eight_bit = true;
        Extensions offered = offering(false);
        offered.size = offered.eight_bit_mime = true;
        CHECK(MailTransaction(bounce, offered).start().bytes == "MAIL FROM:<> SIZE=1000 BODY=8BITMIME\r\n");
        offered.size_limit = 1000;
        CHECK(MailTransaction(bounce, offered).start().act == Act::send);
        bounce.eight_bit = false;
        CHECK(MailTransaction(bounce, Extensions{}).start().bytes == "MAIL FROM:<>\r\n");
    }

    TEST_CASE("what the server cannot take is never sent [EXT-02 EXT-13]") {
        Extensions small = offering(true);
        small.size = true;
        small.size_limit = 999;
        const Run too_large = run({envelope(2), small}, {});
        CHECK(too_large.act == Act::done);
        CHECK(too_large.sent.empty());
        CHECK(too_large.outcomes[1].result == Result::failed);
        CHECK(too_large.outcomes[1].enhanced == "5.3.4");
        CHECK(too_large.outcomes[1].command.empty());

        MailEnvelope high = envelope(1);
        high.eight_bit = true;
        CHECK(run({high, offering(true)}, {}).outcomes[0].enhanced == "5.6.3");
        high.not_convertible = "it is signed";
        CHECK(
            run({high, offering(true)}, {}).outcomes[0].text.ends_with("cannot be converted: it is signed"));
    }

    TEST_CASE(
        "REQUIRETLS goes out with MAIL when the message is tagged and the server offers it [REQTLS-13]") {
        MailEnvelope tagged = envelope(1);
        tagged.requiretls = true;
        Extensions offered = offering(false);
        offered.size = offered.requiretls = true;
        CHECK(MailTransaction(tagged, offered).start().bytes ==
              "MAIL FROM:<s@example.org> SIZE=1000 REQUIRETLS\r\n");
        CHECK(MailTransaction(envelope(1), offered).start().bytes ==
              "MAIL FROM:<s@example.org> SIZE=1000\r\n");
    }

    TEST_CASE("a tagged message is not sent to a server without REQUIRETLS [REQTLS-11]") {
        MailEnvelope tagged = envelope(2);
        tagged.requiretls = true;
        const Run refused = run({tagged, offering(true)}, {});
        CHECK(refused.act == Act::done);
        CHECK(refused.sent.empty());
        for (const RecipientOutcome& outcome : refused.outcomes) {
            CHECK(outcome.result == Result::failed);
            CHECK(outcome.code == 550);
            CHECK(outcome.enhanced == "5.7.30");
            CHECK(outcome.command.empty());
            CHECK(outcome.text.find("REQUIRETLS") != std::string::npos);
        }
    }

    TEST_CASE("a bounce is tagged where that is possible and sent in any case [REQTLS-17 REQTLS-18]") {
        MailEnvelope bounce = envelope(1);
        bounce.sender.reset();
        bounce.requiretls = true;
        CHECK(MailTransaction(bounce, offering(false)).start().bytes == "MAIL FROM:<>\r\n");
        Extensions offered = offering(false);
        offered.requiretls = true;
        CHECK(MailTransaction(bounce, offered).start().bytes == "MAIL FROM:<> REQUIRETLS\r\n");
    }

    TEST_CASE("one refused recipient does not touch the others [SMTP-17 SMTP-35]") {
        for (const bool pipelining : {true, false}) {
            const Run r = run({envelope(4), offering(pipelining)}, {ok,
                                                                    ok,
                                                                    {550, {"5.1.1 unknown"}},
                                                                    {451, {"4.7.1 greylisted"}},
                                                                    {251, {"forwarded"}},
                                                                    go,
                                                                    queued});
            CHECK(r.act == Act::done);
            CHECK(r.outcomes[0].result == Result::delivered);
            CHECK(r.outcomes[1].result == Result::failed);
            CHECK(r.outcomes[1].enhanced == "5.1.1");
            CHECK(r.outcomes[1].text == "5.1.1 unknown");
            CHECK(r.outcomes[1].command == "RCPT TO");
            CHECK(r.outcomes[2].result == Result::deferred);
            CHECK(r.outcomes[3].result == Result::delivered);
        }
        CHECK(run({envelope(2), offering(true)}, {ok, {551, {"try there"}}, ok, go, queued})
                  .outcomes[0]
                  .result == Result::failed);
    }

    TEST_CASE("too many recipients is temporary for those beyond the first [SMTP-18 EXT-03]") {
        struct Row {
            Reply reply;
            Result first;
            Result second;
            Split split;  ///< of the second
        };
        for (const Row& row : {
                 Row{{452, {"4.5.3 too many"}}, Result::deferred, Result::deferred, Split::next_transaction},
                 Row{{452, {"too many"}}, Result::deferred, Result::deferred, Split::next_transaction},
                 Row{{552, {"too many"}}, Result::failed, Result::deferred, Split::next_transaction},
                 Row{{552, {"5.5.3 too many"}}, Result::failed, Result::deferred, Split::next_transaction},
                 Row{{452, {"4.2.2 mailbox full"}}, Result::deferred, Result::deferred, Split::no},
                 Row{{452, {"4.3.1 no room"}}, Result::deferred, Result::deferred, Split::no},
                 Row{{451, {"4.5.3 too many"}}, Result::deferred, Result::deferred, Split::no},
                 Row{{552, {"5.2.2 mailbox full"}}, Result::failed, Result::failed, Split::no},
                 Row{{552, {"5.3.4 too large"}}, Result::failed, Result::failed, Split::no},
             }) {
            CAPTURE(row.reply.text());
            const Run alone = run({envelope(2), offering(true)}, {ok, row.reply, ok, go, queued});
            CHECK(alone.outcomes[0].result == row.first);
            CHECK(alone.outcomes[0].split == Split::no);
            const Run r = run({envelope(2), offering(true)}, {ok, ok, row.reply, go, queued});
            CHECK(r.outcomes[1].result == row.second);
            CHECK(r.outcomes[1].split == row.split);
            CHECK(r.outcomes[1].enhanced.front() == (row.second == Result::deferred ? '4' : '5'));
            CHECK(r.outcomes[0].result == Result::delivered);
        }
        // Nobody was accepted: another transaction now would hear the same.
        const Run nobody =
            run({envelope(2), offering(true)}, {ok, unknown_user, {452, {"4.5.3 too many"}}, go, queued});
        CHECK(nobody.outcomes[1].split == Split::no);
    }

    TEST_CASE("octets that no command asked for end the session and settle nobody [SMTP-13 EXT-06]") {
        const std::vector<Reply> good{ok, unknown_user, ok, go};
        for (const bool pipelining : {true, false}) {
            for (std::size_t i = 0; i < good.size(); ++i) {
                CAPTURE(i);
                MailTransaction t(envelope(2), offering(pipelining));
                (void)t.start();
                for (std::size_t j = 0; j < i; ++j) (void)t.next(good[j], pipelining);
                const MailTransaction::Step step = t.next(good[i], true);
                // Replies to what was sent together may arrive together; behind the last of them nothing may.
                if (pipelining && i + 1 < good.size()) {
                    CHECK(step.act == Act::read);
                    continue;
                }
                CHECK(step.act == Act::close);
                for (const RecipientOutcome& outcome : t.outcomes()) {
                    CHECK(outcome.result == Result::deferred);  // the 550 may have been meant for another
                    CHECK(outcome.enhanced == "4.5.0");
                    CHECK(outcome.command.empty());
                }
            }
        }
        MailTransaction early(envelope(1), offering(true));
        CHECK(early.start(true).act == Act::close);
        CHECK(early.outcomes()[0].result == Result::deferred);
    }

    TEST_CASE("octets behind the last reply end the connection and change no outcome [SMTP-36]") {
        for (const Reply& last : {queued, Reply{550, {"5.7.1 no"}}}) {
            MailTransaction t(envelope(1), offering(true));
            (void)t.start();
            for (const Reply& reply : {ok, ok, go}) (void)t.next(reply);
            CHECK(t.next(last, true).act == Act::close);
            CHECK(t.outcomes()[0].code == last.code);
        }
        MailTransaction nobody(envelope(1), offering(true));
        (void)nobody.start();
        for (const Reply& reply : {ok, unknown_user, go}) (void)nobody.next(reply);
        CHECK(nobody.next(queued, true).act == Act::close);
        CHECK(nobody.outcomes()[0].enhanced == "5.1.1");
    }

    TEST_CASE("a pipelined 421 behind the replies that were due is told as itself [SMTP-12]") {
        MailTransaction t(envelope(1), offering(false));
        (void)t.start();
        CHECK(t.next(closing, true).act == Act::close);
        CHECK(t.outcomes()[0].enhanced == "4.3.2");
    }

    TEST_CASE("354 without an accepted recipient gets a lone dot whose reply says nothing [EXT-07]") {
        const Reply& no = unknown_user;
        for (const Reply& last : {queued, Reply{554, {"no recipients"}}}) {
            const Run r = run({envelope(2), offering(true)}, {ok, no, no, go, last});
            CHECK(r.act == Act::done);
            CHECK(r.sent.ends_with("DATA\r\n.\r\n"));
            CHECK(r.outcomes[0].result == Result::failed);
            CHECK(r.outcomes[0].enhanced == "5.1.1");
        }
        // One by one, DATA is not even tried, and the open transaction has to be dropped.
        const Run r = run({envelope(1), offering(false)}, {ok, no});
        CHECK(r.act == Act::done);
        CHECK(r.sent.find("DATA") == std::string::npos);
        CHECK(r.reset_needed);
    }

    TEST_CASE(
        "a refused MAIL settles all and the replies behind it are only counted [EXT-06 SMTP-20 EXT-03]") {
        const Reply after{503, {"5.5.1 need MAIL"}};
        for (const int code : {550, 552, 450, 452}) {
            CAPTURE(code);
            const Reply no{code, {"refused"}};
            const Run r = run({envelope(2), offering(true)}, {no, after, after, after});
            CHECK(r.act == Act::done);
            CHECK(r.used_all);
            for (const RecipientOutcome& outcome : r.outcomes) {
                CHECK(outcome.result == (code >= 500 ? Result::failed : Result::deferred));
                CHECK(outcome.code == code);
                CHECK(outcome.enhanced == (code >= 500 ? "5.0.0" : "4.0.0"));
                CHECK(outcome.command == "MAIL FROM");
            }
            const Run single = run({envelope(2), offering(false)}, {no});
            CHECK(single.act == Act::done);
            CHECK(single.sent.find("RCPT") == std::string::npos);
        }
        // A server that refuses MAIL, takes RCPT and wants data must not be given an end of data.
        const Run broken = run({envelope(1), offering(true)}, {{550, {"no"}}, ok, go});
        CHECK(broken.act == Act::close);
        CHECK(broken.sent.ends_with("DATA\r\n"));
        CHECK(broken.outcomes[0].result == Result::failed);
    }

    TEST_CASE("a refused DATA settles the accepted alone [SMTP-17 SMTP-21]") {
        const Run r =
            run({envelope(2), offering(true)}, {ok, {550, {"5.1.1 unknown"}}, ok, {451, {"4.3.0 later"}}});
        CHECK(r.act == Act::done);
        CHECK(r.reset_needed);
        CHECK(r.outcomes[0].result == Result::failed);
        CHECK(r.outcomes[1].result == Result::deferred);
        CHECK(r.outcomes[1].command == "DATA");
    }

    TEST_CASE("the final reply holds for all who were accepted [SMTP-21 SMTP-13]") {
        struct Row {
            Reply reply;
            Result result;
            Act act;
        };
        for (const Row& row : {
                 Row{queued, Result::delivered, Act::done},
                 Row{{299, {"odd"}}, Result::delivered, Act::done},
                 Row{{451, {"4.3.0 later"}}, Result::deferred, Act::done},
                 Row{{552, {"5.3.4 too large"}}, Result::failed, Act::done},
                 Row{{599, {"odd"}}, Result::failed, Act::done},
                 Row{closing, Result::deferred, Act::close},
                 Row{{354, {"more"}}, Result::deferred, Act::close},
             }) {
            CAPTURE(row.reply.code);
            const Run r =
                run({envelope(2), offering(true)}, {ok, ok, {550, {"5.1.1 unknown"}}, go, row.reply});
            CHECK(r.act == row.act);
            CHECK(r.outcomes[0].result == row.result);
            CHECK(r.outcomes[0].code == row.reply.code);
            CHECK(r.outcomes[1].enhanced == "5.1.1");
        }
    }

    TEST_CASE("421 at any step is temporary and ends the connection [SMTP-12]") {
        const std::vector<Reply> good{ok, ok, ok, go, queued};
        for (const bool pipelining : {true, false}) {
            for (std::size_t fail_at = 0; fail_at < good.size(); ++fail_at) {
                CAPTURE(fail_at);
                std::vector<Reply> replies(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(fail_at));
                replies.push_back(closing);
                const Run r = run({envelope(2), offering(pipelining)}, replies);
                CHECK(r.act == Act::close);
                CHECK(r.used_all);
                for (const RecipientOutcome& outcome : r.outcomes) {
                    CHECK(outcome.result == Result::deferred);
                    CHECK(outcome.enhanced == "4.3.2");
                }
            }
        }
    }

    TEST_CASE("a reply of the wrong class at any step is temporary and ends the connection [SMTP-13]") {
        const std::vector<Reply> good{ok, ok, go, queued};
        const std::vector<Reply> odd{go, go, ok, go};
        for (std::size_t fail_at = 0; fail_at < good.size(); ++fail_at) {
            CAPTURE(fail_at);
            std::vector<Reply> replies(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(fail_at));
            replies.push_back(odd[fail_at]);
            const Run r = run({envelope(1), offering(true)}, replies);
            CHECK(r.act == Act::close);
            CHECK(r.outcomes[0].result == Result::deferred);
            CHECK(r.outcomes[0].enhanced == "4.5.0");
        }
    }

    TEST_CASE(
        "a connection lost at any step defers who has no outcome and nobody else [SMTP-15 SMTP-16 SMTP-36]") {
        const std::vector<Reply> good{ok, ok, {550, {"5.1.1 unknown"}}, go, queued};
        for (std::size_t lost_after = 0; lost_after <= good.size(); ++lost_after) {
            CAPTURE(lost_after);
            MailTransaction t(envelope(2), offering(true));
            (void)t.start();
            for (std::size_t i = 0; i < lost_after; ++i) (void)t.next(good[i]);
            CHECK(t.awaiting_final() == (lost_after == 4));
            t.lost("4.4.2", "lost connection");
            CHECK_FALSE(t.awaiting_final());
            CHECK(t.outcomes()[0].result == (lost_after == 5 ? Result::delivered : Result::deferred));
            CHECK(t.outcomes()[1].result == (lost_after >= 3 ? Result::failed : Result::deferred));
            if (lost_after < 5) {
                CHECK(t.outcomes()[0].enhanced == "4.4.2");
                CHECK(t.outcomes()[0].code == 421);
                CHECK(t.outcomes()[0].text == "lost connection");
            }
            CHECK(t.next(queued).act == Act::close);  // a late reply changes nothing
            CHECK(t.outcomes()[0].result == (lost_after == 5 ? Result::delivered : Result::deferred));
        }
    }

    TEST_CASE("enhanced codes count only where they are offered [EXT-19]") {
        const Run r = run({envelope(1), Extensions{}}, {ok, {550, {"5.1.1 unknown"}}});
        CHECK(r.outcomes[0].enhanced == "5.0.0");
        CHECK(r.outcomes[0].text == "5.1.1 unknown");
    }

    TEST_CASE("nobody to send to is done at once") {
        const Run r = run({envelope(0), offering(true)}, {});
        CHECK(r.act == Act::done);
        CHECK(r.sent.empty());
    }

}  // TEST_SUITE("mta/smtp/mail_transaction")
