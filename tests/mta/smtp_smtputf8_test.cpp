#include <doctest/doctest.h>

#include "mta/smtp/mail_transaction.hpp"
#include "tests/mta/support/transaction_run.hpp"

using sealpost::Extensions;
using sealpost::MailEnvelope;
using sealpost::MailTransaction;
using sealpost::RecipientOutcome;
using Act = MailTransaction::Step::Act;
using Result = RecipientOutcome::Result;
using namespace sealpost::test;

namespace {

Extensions smtputf8(bool offered) {
    Extensions made = offering(false);
    made.smtputf8 = made.eight_bit_mime = offered;
    return made;
}

std::string mail_of(const MailEnvelope& envelope) {
    return MailTransaction(envelope, smtputf8(true)).start().bytes;
}

}  // namespace

TEST_SUITE("mta/smtp/mail_transaction") {
    TEST_CASE("SMTPUTF8 is said for an address or a header that needs it [EXT-15]") {
        MailEnvelope sender = envelope(1);
        sender.sender = address("s\xc3\xa4@example.org");
        CHECK(mail_of(sender) == "MAIL FROM:<s\xc3\xa4@example.org> SMTPUTF8\r\n");
        MailEnvelope recipient = envelope(2);
        recipient.recipients[1] = address("b\xc3\xbc@example.net");
        CHECK(mail_of(recipient) == "MAIL FROM:<s@example.org> SMTPUTF8\r\n");
        MailEnvelope header = envelope(1);
        header.smtputf8 = header.eight_bit = true;
        CHECK(mail_of(header) == "MAIL FROM:<s@example.org> BODY=8BITMIME SMTPUTF8\r\n");
    }

    TEST_CASE("what needs no SMTPUTF8 does not say it [EXT-16]") {
        MailEnvelope plain = envelope(1);
        CHECK(mail_of(plain) == "MAIL FROM:<s@example.org>\r\n");
        plain.eight_bit = true;
        CHECK(mail_of(plain) == "MAIL FROM:<s@example.org> BODY=8BITMIME\r\n");
    }

    TEST_CASE("an ASCII local part at a U-label domain needs no SMTPUTF8 [EXT-18 EXT-17]") {
        MailEnvelope u_label = envelope(1);
        u_label.recipients[0] = address(
            "b@b\xc3\xbc"
            "cher.example");
        const Run r = run({u_label, smtputf8(false)}, {ok});
        CHECK(r.sent == "MAIL FROM:<s@example.org>\r\nRCPT TO:<b@xn--bcher-kva.example>\r\n");
    }

    TEST_CASE("without SMTPUTF8 at the server only who needs it fails [EXT-15]") {
        MailEnvelope mixed = envelope(2);
        mixed.recipients[0] = address("b\xc3\xbc@example.net");
        const Run one = run({mixed, smtputf8(false)}, {ok, ok, go, queued});
        CHECK(one.used_all);
        CHECK(one.sent.find('\xc3') == std::string::npos);
        CHECK(one.outcomes[0].result == Result::failed);
        CHECK(one.outcomes[0].code == 553);
        CHECK(one.outcomes[0].enhanced == "5.6.7");
        CHECK(one.outcomes[0].command.empty());
        CHECK(one.outcomes[1].result == Result::delivered);

        MailEnvelope sender = envelope(2);
        sender.sender = address("s\xc3\xa4@example.org");
        MailEnvelope header = envelope(2);
        header.smtputf8 = header.eight_bit = true;
        struct Row {
            const MailEnvelope& envelope;
            int code;
            const char* enhanced;
        };
        for (const Row& row : {Row{sender, 553, "5.6.7"}, Row{header, 550, "5.6.9"}}) {
            const Run r = run({row.envelope, smtputf8(false)}, {});
            CHECK(r.act == Act::done);
            CHECK(r.sent.empty());
            for (const RecipientOutcome& outcome : r.outcomes) {
                CHECK(outcome.code == row.code);
                CHECK(outcome.enhanced == row.enhanced);
            }
        }
    }

}  // TEST_SUITE("mta/smtp/mail_transaction")
