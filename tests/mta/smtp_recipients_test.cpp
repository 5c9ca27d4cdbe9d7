#include <doctest/doctest.h>

#include "mta/smtp/mail_transaction.hpp"
#include "tests/mta/support/transaction_run.hpp"

using sealpost::Extensions;
using sealpost::MailEnvelope;
using sealpost::MailTransaction;
using sealpost::RecipientOutcome;
using sealpost::Reply;
using sealpost::Ret;
using sealpost::Rset;
using Act = MailTransaction::Step::Act;
using Result = RecipientOutcome::Result;
using Split = RecipientOutcome::Split;
using namespace sealpost::test;

namespace {

MailEnvelope with_dsn() {
    MailEnvelope made = envelope(2);
    made.ret = Ret::headers;
    made.envid = "QQ+2B314159";
    made.recipients[0].notify = "SUCCESS,Failure";
    made.recipients[0].orcpt = "rfc822;Bob+2BX@Example.COM";
    return made;
}

Extensions dsn(bool offered) {
    Extensions made = offering(true);
    made.dsn = offered;
    return made;
}

}  // namespace

TEST_SUITE("mta/smtp/mail_transaction") {
    TEST_CASE("DSN parameters go to a server that offers DSN as they came and to no other [EXT-22 DSN-05]") {
        const Run passed = run({with_dsn(), dsn(true)}, {ok, ok, ok, go, queued});
        CHECK(passed.sent ==
              "MAIL FROM:<s@example.org> RET=HDRS ENVID=QQ+2B314159\r\n"
              "RCPT TO:<r0@example.net> NOTIFY=SUCCESS,Failure ORCPT=rfc822;Bob+2BX@Example.COM\r\n"
              "RCPT TO:<r1@example.net>\r\nDATA\r\n<body>");
        CHECK(passed.outcomes[0].dsn_passed_on);
        const Run kept = run({with_dsn(), dsn(false)}, {ok, ok, ok, go, queued});
        CHECK(kept.sent.starts_with("MAIL FROM:<s@example.org>\r\nRCPT TO:<r0@example.net>\r\nRCPT"));
        CHECK(kept.outcomes[0].result == Result::delivered);
        CHECK_FALSE(kept.outcomes[0].dsn_passed_on);
    }

    TEST_CASE("only who was delivered is passed on to the server's DSN [EXT-22]") {
        const Run r = run({with_dsn(), dsn(true)}, {ok, unknown_user, ok, go, {451, {"4.3.0 later"}}});
        CHECK_FALSE(r.outcomes[0].dsn_passed_on);
        CHECK_FALSE(r.outcomes[1].dsn_passed_on);
    }

    TEST_CASE("a malformed DSN parameter is never sent and not passed on [EXT-22 DSN-14]") {
        MailEnvelope hostile = with_dsn();
        hostile.envid = "a b";
        hostile.recipients[0].notify = "SUCCESS\r\nRSET";
        hostile.recipients[0].orcpt = "rfc822;a=b";
        const Run r = run({hostile, dsn(true)}, {ok, ok, ok, go, queued});
        CHECK(r.sent.starts_with("MAIL FROM:<s@example.org> RET=HDRS\r\nRCPT TO:<r0@example.net>\r\nRCPT"));
        CHECK(r.outcomes[0].result == Result::delivered);
        CHECK_FALSE(r.outcomes[0].dsn_passed_on);
    }

    TEST_CASE("the null sender may have RET and NOTIFY too [EXT-22]") {
        MailEnvelope bounce = with_dsn();
        bounce.sender.reset();
        bounce.ret = Ret::full;
        bounce.recipients[0].notify = "NEVER";
        CHECK(MailTransaction(bounce, dsn(true))
                  .start()
                  .bytes.starts_with("MAIL FROM:<> RET=FULL ENVID=QQ+2B314159\r\n"
                                     "RCPT TO:<r0@example.net> NOTIFY=NEVER ORCPT="));
    }

    TEST_CASE("RCPTMAX leaves the rest for the next transaction [SMTP-18]") {
        Extensions offered = offering(true);
        offered.limits.rcpt_max = 2;
        const Run r = run({envelope(4), offered}, {ok, ok, ok, go, queued});
        CHECK(r.act == Act::done);
        CHECK(r.used_all);
        CHECK(r.sent.find("r2@example.net") == std::string::npos);
        for (const std::size_t i : {0U, 1U}) CHECK(r.outcomes[i].result == Result::delivered);
        for (const std::size_t i : {2U, 3U}) {
            CHECK(r.outcomes[i].result == Result::deferred);
            CHECK(r.outcomes[i].split == Split::next_transaction);
            CHECK(r.outcomes[i].enhanced == "4.5.3");
            CHECK(r.outcomes[i].command.empty());
        }
        // What concerns the message concerns all of them.
        offered.size_limit = 1;
        const Run too_large = run({envelope(4), offered}, {});
        for (const RecipientOutcome& outcome : too_large.outcomes) CHECK(outcome.enhanced == "5.3.4");
    }

    TEST_CASE("RCPTDOMAINMAX leaves further domains for another session [SMTP-18]") {
        Extensions offered = offering(true);
        offered.limits.rcpt_domain_max = 1;
        MailEnvelope mixed = envelope(1);
        for (const char* to : {"a@other.example", "b@EXAMPLE.net"})
            mixed.recipients.emplace_back(address(to));
        const Run r = run({mixed, offered}, {ok, ok, ok, go, queued});
        CHECK(r.used_all);
        CHECK(r.outcomes[0].result == Result::delivered);
        CHECK(r.outcomes[1].split == Split::next_session);
        CHECK(r.outcomes[2].result == Result::delivered);
    }

    TEST_CASE("a recipient behind one that was left out still gets its own reply [EXT-06]") {
        Extensions offered = offering(true);
        offered.limits.rcpt_domain_max = 1;
        MailEnvelope mixed = envelope(1);
        for (const char* to : {"a@other.example", "b@example.net", "c@example.net"})
            mixed.recipients.emplace_back(address(to));
        const Run r = run({mixed, offered}, {ok, ok, unknown_user, {452, {"4.5.3 too many"}}, go, queued});
        CHECK(r.outcomes[1].split == Split::next_session);
        CHECK(r.outcomes[2].result == Result::failed);
        CHECK(r.outcomes[3].split == Split::next_transaction);
    }

    TEST_CASE("RSET is pipelined before MAIL and its reply is counted first [EXT-05 EXT-06]") {
        const MailTransaction t(envelope(1), offering(true), Rset::first);
        const Run r = run(t, {ok, ok, ok, go, queued});
        CHECK(r.act == Act::done);
        CHECK(r.used_all);
        CHECK(r.sent == "RSET\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<r0@example.net>\r\nDATA\r\n<body>");
        CHECK(r.outcomes[0].result == Result::delivered);
        CHECK_FALSE(r.reset_needed);

        const MailTransaction one_by_one(envelope(1), offering(false), Rset::first);
        CHECK(run(one_by_one, {ok, ok, ok, go, queued}).used_all);
        CHECK(run(one_by_one, {}).sent == "RSET\r\n");
        CHECK(run(one_by_one, {ok}).sent == "RSET\r\nMAIL FROM:<s@example.org>\r\n");
    }

    TEST_CASE("a refused RSET leaves nothing to rely on [SMTP-13]") {
        for (const Reply& no : {Reply{500, {"5.5.1 what"}}, Reply{451, {"4.3.0 later"}}, go, closing}) {
            CAPTURE(no.code);
            const Run r = run({envelope(1), offering(true), Rset::first}, {no});
            CHECK(r.act == Act::close);
            CHECK(r.outcomes[0].result == Result::deferred);
            CHECK(r.outcomes[0].command == "RSET");
        }
    }

    TEST_CASE("a transaction that sends nothing leaves RSET to the next one") {
        Extensions small = offering(true);
        small.size_limit = 1;
        CHECK(run({envelope(1), small, Rset::first}, {}).reset_needed);
        CHECK_FALSE(run({envelope(1), small}, {}).reset_needed);
    }

}  // TEST_SUITE("mta/smtp/mail_transaction")
