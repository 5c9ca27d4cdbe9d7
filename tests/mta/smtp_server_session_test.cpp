#include "mta/smtp/server_session.hpp"

#include <doctest/doctest.h>

using sealpost::BodyType;
using sealpost::DataError;
using sealpost::Domain;
using sealpost::IpAddress;
using sealpost::ListenerSettings;
using sealpost::Relay;
using sealpost::ServerAction;
using sealpost::ServerSession;
using sealpost::ServerTransaction;
using Next = ServerAction::Next;

namespace {

ListenerSettings limits() {
    ListenerSettings made;
    made.max_message_size = 1000;
    made.max_recipients = 3;
    made.max_errors = 4;
    made.max_transactions = 2;
    return made;
}

/// STARTTLS is offered: whether the file is any good is the shell's to know.
ListenerSettings with_certificate() {
    ListenerSettings made = limits();
    made.tls_certificate = "/etc/sealpost/mail.pem";
    return made;
}

ServerSession session(Relay relay = Relay::allowed, const ListenerSettings& settings = limits()) {
    return {Domain::parse("mail.example").value(), settings, IpAddress::parse("192.0.2.9").value(), relay};
}

/// "250 2.1.0" or, for replies without an enhanced code, "250".
std::string code(const ServerAction& action) {
    const std::string& r = action.reply;
    const bool enhanced = r.size() > 8 && r[5] == '.' && r[7] == '.';
    return r.substr(0, enhanced ? 9 : 3);
}

std::string say(ServerSession& s, std::string_view line) {
    return code(s.command(line, false));
}

ServerSession greeted(Relay relay = Relay::allowed, const ListenerSettings& settings = limits()) {
    ServerSession s = session(relay, settings);
    REQUIRE(say(s, "EHLO client.example") == "250");
    return s;
}

ServerSession at_data() {
    ServerSession s = greeted();
    REQUIRE(say(s, "MAIL FROM:<a@example.org>") == "250 2.1.0");
    REQUIRE(say(s, "RCPT TO:<b@example.net>") == "250 2.1.5");
    REQUIRE(say(s, "DATA") == "354");
    return s;
}

}  // namespace

TEST_SUITE("mta/smtp/server_session") {
    TEST_CASE("a message goes through and 250 comes from stored alone [SMTP-33]") {
        ServerSession s = session();
        CHECK(s.greeting().reply == "220 mail.example ESMTP Sealpost\r\n");
        CHECK(s.command("EHLO client.example", false).reply ==
              "250-mail.example\r\n250-PIPELINING\r\n250-SIZE "
              "1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250 "
              "ENHANCEDSTATUSCODES\r\n");
        CHECK(say(s, "MAIL FROM:<a@example.org> SIZE=500 BODY=8BITMIME") == "250 2.1.0");
        CHECK(say(s, "RCPT TO:<b@example.net>") == "250 2.1.5");
        CHECK(say(s, "RCPT TO:<c@example.net>") == "250 2.1.5");
        const ServerAction data = s.command("DATA", false);
        CHECK(data.reply == "354 End data with <CR><LF>.<CR><LF>\r\n");
        CHECK(data.next == Next::read_data);
        const ServerTransaction t = s.take_transaction();
        CHECK(t.sender->str() == "a@example.org");
        REQUIRE(t.recipients.size() == 2);
        CHECK(t.recipients[1].address.str() == "c@example.net");
        CHECK(t.body == BodyType::eight_bit_mime);
        CHECK(t.declared_size == 500);
        CHECK(t.helo == "client.example");
        CHECK(t.esmtp);
        const ServerAction stored = s.stored("0A1B");
        CHECK(stored.reply == "250 2.0.0 Ok: queued as 0A1B\r\n");
        CHECK(stored.next == Next::read_command);
        CHECK(say(s, "MAIL FROM:<>") == "250 2.1.0");
        const ServerAction bye = s.command("QUIT", false);
        CHECK(code(bye) == "221 2.0.0");
        CHECK(bye.next == Next::close);
    }

    TEST_CASE("without room MAIL is answered 452 and nothing is sent in vain [SMTP-33]") {
        ServerSession s = session();
        static_cast<void>(s.command("EHLO client.example", false));
        s.set_room(false);
        CHECK(say(s, "MAIL FROM:<a@example.org>") == "452 4.3.1");
        CHECK(say(s, "RCPT TO:<b@example.net>") == "503 5.5.1");
        s.set_room(true);
        CHECK(say(s, "MAIL FROM:<a@example.org>") == "250 2.1.0");
    }

    TEST_CASE("HELO opens a session without extensions [SMTP-11]") {
        ServerSession s = session();
        CHECK(s.command("HELO client.example", false).reply == "250 mail.example\r\n");
        CHECK(say(s, "MAIL FROM:<>") == "250 2.1.0");
        CHECK(say(s, "RCPT TO:<b@example.net>") == "250 2.1.5");
        CHECK(say(s, "DATA") == "354");
        CHECK_FALSE(s.take_transaction().esmtp);
    }

    TEST_CASE("a command out of order is refused and changes nothing [5321 §4.1.4]") {
        struct Row {
            std::vector<const char*> before;
            const char* line;
            const char* code;
        };
        const char* ehlo = "EHLO c.example";
        const char* mail = "MAIL FROM:<a@example.org>";
        const char* rcpt = "RCPT TO:<b@example.net>";
        for (const Row& row : {
                 Row{{}, mail, "503 5.5.1"},
                 Row{{}, rcpt, "503 5.5.1"},
                 Row{{}, "DATA", "503 5.5.1"},
                 Row{{}, "RSET", "250 2.0.0"},
                 Row{{}, "NOOP", "250 2.0.0"},
                 Row{{ehlo}, rcpt, "503 5.5.1"},
                 Row{{ehlo}, "DATA", "503 5.5.1"},
                 Row{{ehlo, mail}, mail, "503 5.5.1"},
                 Row{{ehlo, mail}, "DATA", "554 5.5.1"},
                 Row{{ehlo, mail, "RCPT TO:<bad>"}, "DATA", "554 5.5.1"},
                 Row{{ehlo, mail, rcpt}, mail, "503 5.5.1"},
                 Row{{ehlo, mail, rcpt, "RSET"}, "DATA", "503 5.5.1"},
                 Row{{ehlo, mail, rcpt, ehlo}, rcpt, "503 5.5.1"},
                 Row{{ehlo, mail, rcpt, mail}, "DATA", "354"},
                 Row{{ehlo, mail, rcpt, "BOGUS", "NOOP"}, "DATA", "354"},
                 Row{{ehlo, mail, "EHLO"}, rcpt, "250 2.1.5"},
             }) {
            CAPTURE(row.line);
            ServerSession s = session();
            for (const char* line : row.before) (void)s.command(line, false);
            CHECK(say(s, row.line) == row.code);
        }
    }

    TEST_CASE("commands that are not offered say so [EXT-11 EXT-09]") {
        ServerSession s = greeted();
        CHECK(say(s, "VRFY bob") == "252 2.0.0");
        CHECK(say(s, "HELP") == "214 2.0.0");
        CHECK(say(s, "STARTTLS") == "502 5.5.1");
        CHECK(say(s, "BDAT 5 LAST") == "502 5.5.1");
        CHECK(say(s, "EXPN list") == "502 5.5.1");
        CHECK(code(greeted().command("AUTH PLAIN", false)) == "502 5.5.1");
        CHECK(code(greeted().command("BOGUS", false)) == "500 5.5.1");
    }

    TEST_CASE("what is asked about notices goes with the transaction and ends with it") {
        ServerSession s = greeted();
        REQUIRE(say(s, "MAIL FROM:<a@example.org> RET=HDRS ENVID=QQ+2B3") == "250 2.1.0");
        REQUIRE(say(s, "RCPT TO:<b@example.net> NOTIFY=NEVER ORCPT=rfc822;B+2Bb@example.net") == "250 2.1.5");
        REQUIRE(say(s, "RCPT TO:<c@example.net>") == "250 2.1.5");
        REQUIRE(say(s, "DATA") == "354");
        const ServerTransaction t = s.take_transaction();
        CHECK(t.ret == sealpost::Ret::headers);
        CHECK(t.envid == "QQ+2B3");
        REQUIRE(t.recipients.size() == 2);
        CHECK(t.recipients[0].notify == "NEVER");
        CHECK(t.recipients[0].orcpt == "rfc822;B+2Bb@example.net");
        CHECK(t.recipients[1].notify.empty());
        CHECK(t.recipients[1].orcpt.empty());
        REQUIRE(say(s, "NOOP") == "250 2.0.0");
        REQUIRE(code(s.stored("X")) == "250 2.0.0");
        REQUIRE(say(s, "MAIL FROM:<a@example.org>") == "250 2.1.0");
        REQUIRE(say(s, "RCPT TO:<b@example.net>") == "250 2.1.5");
        REQUIRE(say(s, "DATA") == "354");
        const ServerTransaction next = s.take_transaction();
        CHECK(next.ret == sealpost::Ret::unset);
        CHECK(next.envid.empty());
        CHECK(next.recipients[0].notify.empty());
    }

    TEST_CASE("UTF-8 in RCPT belongs to a transaction with SMTPUTF8 [6531 §3.5]") {
        ServerSession s = greeted();
        REQUIRE(say(s, "MAIL FROM:<a@example.org>") == "250 2.1.0");
        CHECK(say(s, "RCPT TO:<j\xc3\xb6rg@example.net>") == "553 5.6.7");
        CHECK(say(s, "RCPT TO:<b@example.net> ORCPT=utf-8;j\xc3\xb6rg@example.net") == "553 5.6.7");
        REQUIRE(say(s, "RSET") == "250 2.0.0");
        REQUIRE(say(s, "MAIL FROM:<a@example.org> SMTPUTF8") == "250 2.1.0");
        CHECK(say(s, "RCPT TO:<j\xc3\xb6rg@example.net>") == "250 2.1.5");
        CHECK(say(s, "RCPT TO:<b@example.net> ORCPT=utf-8;j\xc3\xb6rg@example.net") == "250 2.1.5");
        REQUIRE(say(s, "DATA") == "354");
        const ServerTransaction t = s.take_transaction();
        CHECK(t.smtputf8);
        CHECK(t.recipients.at(0).address.str() == "j\xc3\xb6rg@example.net");
        CHECK(t.recipients.at(1).orcpt == "utf-8;j\xc3\xb6rg@example.net");
    }

    TEST_CASE("STARTTLS is offered with a certificate and REQUIRETLS inside TLS alone [REQTLS-01 EXT-09]") {
        ServerSession s = session(Relay::allowed, with_certificate());
        CHECK(s.command("EHLO client.example", false).reply ==
              "250-mail.example\r\n250-PIPELINING\r\n250-SIZE "
              "1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-STARTTLS\r\n250 "
              "ENHANCEDSTATUSCODES\r\n");
        const ServerAction go = s.command("STARTTLS", false);
        CHECK(go.reply == "220 2.0.0 Ready to start TLS\r\n");
        CHECK(go.next == Next::start_tls);
        s.tls_established();
        CHECK(s.command("EHLO client.example", false).reply ==
              "250-mail.example\r\n250-PIPELINING\r\n250-SIZE "
              "1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n250-REQUIRETLS\r\n250 "
              "ENHANCEDSTATUSCODES\r\n");
        CHECK(say(s, "STARTTLS") == "503 5.5.1");
    }

    TEST_CASE("nothing that was said before TLS holds inside it [3207 §4.2]") {
        ServerSession s = session(Relay::allowed, with_certificate());
        CHECK(say(s, "STARTTLS") == "503 5.5.1");  // no EHLO yet: nothing is offered
        CHECK(say(s, "EHLO before.example") == "250");
        CHECK(say(s, "MAIL FROM:<a@example.org>") == "250 2.1.0");
        CHECK(say(s, "STARTTLS") == "503 5.5.1");  // in the middle of a transaction
        CHECK(say(s, "RSET") == "250 2.0.0");
        CHECK(say(s, "STARTTLS") == "220 2.0.0");
        s.tls_established();
        CHECK(say(s, "MAIL FROM:<a@example.org>") == "503 5.5.1");  // EHLO anew
        CHECK(say(s, "EHLO after.example") == "250");
        CHECK(say(s, "MAIL FROM:<a@example.org>") == "250 2.1.0");
        CHECK(say(s, "RCPT TO:<b@example.net>") == "250 2.1.5");
        CHECK(say(s, "DATA") == "354");
        CHECK(s.take_transaction().helo == "after.example");
    }

    TEST_CASE("errors before TLS count inside it") {
        ServerSession s = session(Relay::allowed, with_certificate());
        (void)s.command("EHLO client.example", false);
        for (int i = 0; i < 3; ++i) CHECK(say(s, "BOGUS") == "500 5.5.1");
        (void)s.command("STARTTLS", false);
        s.tls_established();
        CHECK(say(s, "BOGUS") == "421 4.7.0");
    }

    TEST_CASE("REQUIRETLS in clear is refused with the way out [REQTLS-02]") {
        ServerSession offered = session(Relay::allowed, with_certificate());
        (void)offered.command("EHLO client.example", false);
        const ServerAction refused = offered.command("MAIL FROM:<a@example.org> REQUIRETLS", false);
        CHECK(code(refused) == "530 5.7.0");
        CHECK(refused.reply.find("STARTTLS first") != std::string::npos);
        CHECK(say(offered, "RCPT TO:<b@example.net>") == "503 5.5.1");
        ServerSession without = greeted();
        CHECK(say(without, "MAIL FROM:<a@example.org> REQUIRETLS") == "530 5.7.0");
        CHECK(say(without, "MAIL FROM:<a@example.org> REQUIRETLS=x") == "501 5.5.4");
    }

    TEST_CASE("REQUIRETLS inside TLS stands in the transaction and in no other [REQTLS-04]") {
        ServerSession s = session(Relay::allowed, with_certificate());
        (void)s.command("EHLO client.example", false);
        (void)s.command("STARTTLS", false);
        s.tls_established();
        (void)s.command("EHLO client.example", false);
        for (const bool requiretls : {true, false}) {
            CHECK(say(s, requiretls ? "MAIL FROM:<a@example.org> REQUIRETLS" : "MAIL FROM:<a@example.org>") ==
                  "250 2.1.0");
            CHECK(say(s, "RCPT TO:<b@example.net>") == "250 2.1.5");
            CHECK(say(s, "DATA") == "354");
            CHECK(s.take_transaction().requiretls == requiretls);
            (void)s.stored("1");
        }
    }

    TEST_CASE("octets ahead of a reply that decides how they are read close the session [SMTP-31 EXT-05]") {
        for (const char* line : {"EHLO client.example", "HELO client.example", "DATA", "STARTTLS", "BDAT 5",
                                 "data ", "DATA x"}) {
            CAPTURE(line);
            ServerSession s = session();
            const ServerAction action = s.command(line, true);
            CHECK(code(action) == "554 5.5.0");
            CHECK(action.next == Next::close);
            CHECK(s.command("NOOP", false).next == Next::close);
            CHECK(s.command("NOOP", false).reply.empty());
        }
        ServerSession s = greeted();
        CHECK(code(s.command("MAIL FROM:<>", true)) == "250 2.1.0");
        CHECK(code(s.command("RCPT TO:<b@example.net>", true)) == "250 2.1.5");
        CHECK(code(s.command("RSET", true)) == "250 2.0.0");
    }

    TEST_CASE("who may not relay is told why and what to change") {
        ServerSession s = greeted(Relay::refused);
        CHECK(say(s, "MAIL FROM:<a@example.org>") == "250 2.1.0");
        const ServerAction refused = s.command("RCPT TO:<b@example.net>", false);
        CHECK(code(refused) == "554 5.7.1");
        CHECK(refused.reply.find("192.0.2.9") != std::string::npos);
        CHECK(refused.reply.find("listener.relay_networks") != std::string::npos);
        CHECK(say(s, "DATA") == "554 5.5.1");
    }

    TEST_CASE("a recipient named twice is one and costs no room [SMTP-19 SMTP-28]") {
        ServerSession s = greeted();
        CHECK(say(s, "MAIL FROM:<>") == "250 2.1.0");
        for (const char* line :
             {"RCPT TO:<b@example.net>", "RCPT TO:<b@EXAMPLE.net>", "RCPT TO:<B@example.net>",
              "RCPT TO:<c@example.net>", "RCPT TO:<@r.example:c@example.net>"}) {
            CAPTURE(line);
            CHECK(say(s, line) == "250 2.1.5");
        }
        CHECK(say(s, "RCPT TO:<d@example.net>") == "452 4.5.3");
        CHECK(say(s, "RCPT TO:<b@example.net>") == "250 2.1.5");
        CHECK(say(s, "DATA") == "354");
        CHECK(s.take_transaction().recipients.size() == 3);
    }

    TEST_CASE("too many recipients are no errors [SMTP-18]") {
        ServerSession s = greeted();
        CHECK(say(s, "MAIL FROM:<>") == "250 2.1.0");
        for (int i = 0; i < 50; ++i) {
            const std::string line = fmt::format("RCPT TO:<r{}@example.net>", i);
            CHECK(say(s, line) == (i < 3 ? "250 2.1.5" : "452 4.5.3"));
        }
        CHECK(say(s, "DATA") == "354");
    }

    TEST_CASE("a declared size beyond the limit is refused at MAIL [EXT-02 EXT-03]") {
        ServerSession s = greeted();
        CHECK(say(s, "MAIL FROM:<> SIZE=1001") == "552 5.3.4");
        CHECK(say(s, "MAIL FROM:<> SIZE=99999999999999999999") == "552 5.3.4");
        CHECK(say(s, "MAIL FROM:<> SIZE=1000") == "250 2.1.0");
    }

    TEST_CASE("errors are counted between messages and end the session with 421") {
        ServerSession s = greeted();
        for (int i = 0; i < 3; ++i) CHECK(say(s, "BOGUS") == "500 5.5.1");
        const ServerAction last = s.command("BOGUS", false);
        CHECK(code(last) == "421 4.7.0");
        CHECK(last.next == Next::close);

        ServerSession good = at_data();
        for (int i = 0; i < 3; ++i) (void)good.command("BOGUS", false);
        (void)good.take_transaction();
        (void)good.stored("1");
        CHECK(say(good, "BOGUS") == "500 5.5.1");
    }

    TEST_CASE("messages per session have a limit") {
        ServerSession s = greeted();
        for (int i = 0; i < 2; ++i) {
            CHECK(say(s, "MAIL FROM:<>") == "250 2.1.0");
            CHECK(say(s, "RSET") == "250 2.0.0");
        }
        const ServerAction third = s.command("MAIL FROM:<>", false);
        CHECK(code(third) == "421 4.7.0");
        CHECK(third.next == Next::close);
    }

    TEST_CASE(
        "refused data is answered by its reason and closes where the end is unknown [SMTP-08 SMTP-29 "
        "SMTP-32]") {
        using Reason = DataError::Reason;
        struct Row {
            DataError error;
            const char* code;
            Next next;
        };
        for (const Row& row : {
                 Row{{Reason::bare_cr, false}, "521 5.5.2", Next::close},
                 Row{{Reason::bare_lf, false}, "521 5.5.2", Next::close},
                 Row{{Reason::nul, true}, "550 5.6.0", Next::read_command},
                 Row{{Reason::line_too_long, true}, "550 5.6.0", Next::read_command},
                 Row{{Reason::header_too_large, true}, "552 5.3.4", Next::read_command},
                 Row{{Reason::message_too_large, true}, "552 5.3.4", Next::read_command},
                 Row{{Reason::message_too_large, false}, "552 5.3.4", Next::close},
                 Row{{Reason::too_many_received, true}, "554 5.4.6", Next::read_command},
             }) {
            CAPTURE(row.code);
            ServerSession s = at_data();
            const ServerAction action = s.data_refused(row.error);
            CHECK(code(action) == row.code);
            CHECK(action.next == row.next);
            if (row.next == Next::read_command) CHECK(say(s, "MAIL FROM:<>") == "250 2.1.0");
        }
    }

    TEST_CASE("a message that could not be stored is temporary and leaves a clean session [SMTP-33]") {
        ServerSession failed = at_data();
        (void)failed.take_transaction();
        CHECK(code(failed.storage_failed()) == "451 4.3.0");
        CHECK(say(failed, "DATA") == "503 5.5.1");
        ServerSession full = at_data();
        (void)full.take_transaction();
        CHECK(code(full.queue_full()) == "452 4.3.1");
        CHECK(say(full, "MAIL FROM:<>") == "250 2.1.0");
    }

    TEST_CASE("what the server ends by itself is 421 [SMTP-12]") {
        ServerSession a = greeted();
        CHECK(code(a.timed_out()) == "421 4.4.2");
        CHECK(a.command("NOOP", false).next == Next::close);
        ServerSession b = at_data();
        CHECK(code(b.shutting_down()) == "421 4.3.2");
        ServerSession c = session();
        CHECK(code(c.too_many_sessions()) == "421 4.7.0");
        ServerSession d = greeted();
        const ServerAction overlong = d.overlong_line();
        CHECK(code(overlong) == "500 5.5.2");
        CHECK(overlong.next == Next::close);
    }

    TEST_CASE("every reply is one line end and short enough whatever is said [SMTP-13]") {
        for (const std::string& line :
             {std::string(sealpost::max_command_line, 'x'), "RCPT TO:<a@" + std::string(200, 'b') + ">",
              "MAIL FROM:<> " + std::string(500, 'K') + "=1", std::string("MAIL FROM:<a\r\nb>"),
              "EHLO " + std::string(900, 'c')}) {
            const std::string reply = greeted().command(line, false).reply;
            CHECK(reply.size() <= 512);
            CHECK(reply.find("\r\n") == reply.size() - 2);
        }
    }

}  // TEST_SUITE("mta/smtp/server_session")
