#include "mta/smtp/command.hpp"

#include <doctest/doctest.h>

using namespace std::string_literals;
using sealpost::BodyType;
using sealpost::Command;
using sealpost::CommandRefusal;
using sealpost::Domain;
using sealpost::must_be_last;
using sealpost::parse_command;
using sealpost::Verb;
using sealpost::verb_of;

namespace {

const Domain our_name = Domain::parse("mail.example").value();

auto parse(std::string_view line) {
    return parse_command(line, our_name);
}

int refusal(std::string_view line) {
    const auto result = parse(line);
    return result ? 0 : result.error().code;
}

}  // namespace

TEST_SUITE("mta/smtp/command") {
    TEST_CASE("a verb is known in any case and only as a whole word [5321 §2.4]") {
        CHECK(verb_of("mAiL FROM:<>") == Verb::mail);
        CHECK(verb_of("data") == Verb::data);
        CHECK(verb_of("DATAX") == Verb::unknown);
        CHECK(verb_of("") == Verb::unknown);
        CHECK(verb_of(" DATA") == Verb::unknown);
        CHECK(parse("noop  whatever ").value().verb == Verb::noop);
        CHECK(parse("QUIT   ").value().verb == Verb::quit);
    }

    TEST_CASE("REQUIRETLS stands behind MAIL alone and takes no value [REQTLS-02]") {
        CHECK(parse("MAIL FROM:<a@example.org> REQUIRETLS").value().requiretls);
        CHECK(parse("MAIL FROM:<> SIZE=5 requireTLS BODY=8BITMIME").value().requiretls);
        CHECK_FALSE(parse("MAIL FROM:<requiretls@example.org> SIZE=5").value().requiretls);
        for (const char* line : {"MAIL FROM:<> REQUIRETLS=", "MAIL FROM:<> REQUIRETLS=x",
                                 "MAIL FROM:<> SIZE=5 REQUIRETLS=NO", "MAIL FROM:<> REQUIRETLS REQUIRETLS"}) {
            CAPTURE(line);
            const auto refused = parse(line);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code == 501);
            CHECK(refused.error().enhanced == "5.5.4");
        }
        CHECK(refusal("RCPT TO:<a@example.org> REQUIRETLS") == 555);
        CHECK(refusal("MAIL FROM:<> REQUIRETLSX") == 555);
    }

    TEST_CASE("a MAIL line may be as long as all its extensions allow [REQTLS-03]") {
        // 512 octets with CR LF, and what SIZE, BODY and REQUIRETLS add; trailing blanks are tolerated.
        std::string line = "MAIL FROM:<a@example.org> SIZE=12345678901234567890 BODY=8BITMIME REQUIRETLS";
        line.resize(512 + 26 + 17 + 11 - 2, ' ');
        const auto longest = parse(line);
        REQUIRE(longest);
        CHECK(longest->requiretls);
        CHECK(longest->body == BodyType::eight_bit_mime);
    }

    TEST_CASE("STARTTLS takes no parameter [3207 §4]") {
        CHECK(parse("starttls").value().verb == Verb::starttls);
        CHECK(refusal("STARTTLS now") == 501);
    }

    TEST_CASE("a path keeps the octets of its local part [SMTP-28 SMTP-40]") {
        struct Row {
            const char* line;
            const char* path;
        };
        for (const Row& row : {
                 Row{"MAIL FROM:<a@example.org>", "a@example.org"},
                 Row{"mail from:<John.DOE@Example.ORG>", "John.DOE@example.org"},
                 Row{R"(RCPT TO:<"a b"@example.org>)", R"("a b"@example.org)"},
                 Row{R"(RCPT TO:<"a>b\"c@d"@example.org>)", R"("a>b\"c@d"@example.org)"},
                 Row{"RCPT TO:<a@[192.0.2.1]>", "a@[192.0.2.1]"},
                 Row{"RCPT TO:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
                 Row{"RCPT TO:<Postmaster>", "Postmaster@mail.example"},
                 Row{"RCPT TO:<postMASTER>", "postMASTER@mail.example"},
             }) {
            CAPTURE(row.line);
            const auto command = parse(row.line);
            REQUIRE(command.has_value());
            CHECK(command->path.value().str() == row.path);
        }
        CHECK_FALSE(parse("MAIL FROM:<>").value().path.has_value());
    }

    TEST_CASE("a source route is accepted and dropped [SMTP-26]") {
        CHECK(parse("MAIL FROM:<@a.example:u@c.example>").value().path->str() == "u@c.example");
        CHECK(parse("RCPT TO:<@a.example,@b.example:u@c.example>").value().path->str() == "u@c.example");
        for (const char* bad : {"RCPT TO:<@a.example:>", "RCPT TO:<@a.example,:u@c.example>",
                                "RCPT TO:<@a.example>", "RCPT TO:<@a.example,b.example:u@c.example>",
                                "RCPT TO:<@:u@c.example>", "MAIL FROM:<@a.example:>"}) {
            CAPTURE(bad);
            CHECK(refusal(bad) == 501);
        }
    }

    TEST_CASE("a path that breaks the grammar is refused with 501 [5321 §4.1.2]") {
        for (const char* bad : {"MAIL",
                                "MAIL FROM",
                                "MAIL FROM:",
                                "MAIL FROM:a@example.org",
                                "MAIL FROM: <a@example.org>",
                                "MAIL FROM :<a@example.org>",
                                "MAIL  FROM:<a@example.org>",
                                "MAIL TO:<a@example.org>",
                                "MAIL FROM:<a@example.org",
                                "MAIL FROM:<a@example.org>>",
                                "MAIL FROM:<<a@example.org>>",
                                "MAIL FROM:<a@example.org>SIZE=1",
                                "MAIL FROM:<a>",
                                "MAIL FROM:<postmaster>",
                                "MAIL FROM:<@>",
                                "MAIL FROM:<a@b@example.org>",
                                "MAIL FROM:<a b@example.org>",
                                "MAIL FROM:<\"a@example.org>",
                                "MAIL FROM:< >",
                                "RCPT TO:<>",
                                "RCPT TO:",
                                "RCPT FROM:<a@example.org>",
                                "RCPT TO:<a@>",
                                "RCPT TO:<@example.org>",
                                "RCPT TO:<a@[300.0.0.1]>",
                                "RCPT TO:<a@-x.example>"}) {
            CAPTURE(bad);
            CHECK(refusal(bad) == 501);
        }
        CHECK(refusal("RCPT TO:<" + std::string(65, 'a') + "@example.org>") == 501);
        CHECK(refusal("RCPT TO:<a@" + std::string(63, 'b') + "." + std::string(63, 'c') + "." +
                      std::string(63, 'd') + "." + std::string(63, 'e') + ".example>") == 501);
    }

    TEST_CASE("MAIL parameters are those on offer and each at most once [EXT-01 EXT-13 EXT-15]") {
        const Command command = parse("MAIL FROM:<a@example.org> size=12345 BODY=8bitmime").value();
        CHECK(command.size == 12345);
        CHECK(command.body == BodyType::eight_bit_mime);
        CHECK(parse("MAIL FROM:<> BODY=7BIT").value().body == BodyType::seven_bit);
        CHECK(parse("MAIL FROM:<> SIZE=99999999999999999999").value().size == UINT64_MAX);

        struct Row {
            const char* line;
            int code;
        };
        for (const Row& row : {
                 Row{"MAIL FROM:<> SIZE=", 501},
                 Row{"MAIL FROM:<> SIZE", 501},
                 Row{"MAIL FROM:<> SIZE=-1", 501},
                 Row{"MAIL FROM:<> SIZE=1x", 501},
                 Row{"MAIL FROM:<> SIZE=111111111111111111111", 501},
                 Row{"MAIL FROM:<> SIZE=1 SIZE=1", 501},
                 Row{"MAIL FROM:<> BODY=7BIT BODY=7BIT", 501},
                 Row{"MAIL FROM:<>  SIZE=1", 501},
                 Row{"MAIL FROM:<> =1", 501},
                 Row{"MAIL FROM:<> BODY=BINARYMIME", 555},
                 Row{"MAIL FROM:<> SMTPUTF8=", 501},
                 Row{"MAIL FROM:<> SMTPUTF8 SMTPUTF8", 501},
                 Row{"RCPT TO:<a@example.org> SMTPUTF8", 555},
                 Row{"MAIL FROM:<> AUTH=<>", 555},
                 Row{"MAIL FROM:<> NOTIFY=NEVER", 555},
                 Row{"MAIL FROM:<> ORCPT=rfc822;a@example.org", 555},
                 Row{"RCPT TO:<a@example.org> SIZE=1", 555},
                 Row{"RCPT TO:<a@example.org> RET=HDRS", 555},
                 Row{"RCPT TO:<a@example.org> ENVID=x", 555},
                 Row{"RCPT TO:<a@example.org> N\xc3\xb6TIFY=NEVER", 555},
             }) {
            CAPTURE(row.line);
            CHECK(refusal(row.line) == row.code);
        }
    }

    TEST_CASE("EHLO and HELO want a name or an address literal [5321 §4.1.1.1]") {
        CHECK(parse("EHLO client.example").value().argument == "client.example");
        CHECK(parse("HELO localhost").value().argument == "localhost");
        CHECK(parse("EHLO [192.0.2.1]").value().argument == "[192.0.2.1]");
        CHECK(parse("EHLO [IPv6:::1]").value().argument == "[IPv6:::1]");
        for (const char* bad :
             {"EHLO", "HELO ", "EHLO a b", "EHLO (x)", "EHLO [1.2.3]", "EHLO []", "EHLO <a>"}) {
            CAPTURE(bad);
            CHECK(refusal(bad) == 501);
        }
    }

    TEST_CASE("commands without arguments take none [5321 §4.1.1]") {
        for (const char* bad : {"DATA x", "RSET x", "QUIT x", "VRFY", "EXPN"}) {
            CAPTURE(bad);
            CHECK(refusal(bad) == 501);
        }
        CHECK(refusal("BOGUS") == 500);
        CHECK(refusal("") == 500);
    }

    TEST_CASE("control characters and octets above 127 are never part of a command [SMTP-31 EXT-15]") {
        CHECK(refusal("MAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>") == 500);
        CHECK(refusal("MAIL FROM:<a@example.org>\rRCPT TO:<b@example.org>") == 500);
        CHECK(refusal("NOOP \0"s) == 500);
        CHECK(refusal("NOOP\t") == 500);
        CHECK(refusal("NOOP \x7f") == 500);
        CHECK(refusal("NOOP \xc3\xbc") == 500);
        CHECK(refusal("DATA \xc3\xbc") == 500);
    }

    TEST_CASE("what is asked about notices is kept as it came [DSN-14]") {
        const Command mail =
            parse("MAIL FROM:<a@example.org> ret=Hdrs EnvId=QQ+2B3+20x SIZE=5 BODY=8BITMIME").value();
        CHECK(mail.ret == sealpost::Ret::headers);
        CHECK(mail.envid == "QQ+2B3+20x");
        CHECK(parse("MAIL FROM:<> RET=FULL").value().ret == sealpost::Ret::full);
        CHECK(parse("MAIL FROM:<>").value().ret == sealpost::Ret::unset);
        const Command rcpt =
            parse("RCPT TO:<b@example.org> NOTIFY=Success,DELAY ORCPT=RFC822;B+2Bb@Example.ORG").value();
        CHECK(rcpt.notify == "Success,DELAY");
        CHECK(rcpt.orcpt == "RFC822;B+2Bb@Example.ORG");
        CHECK(parse("RCPT TO:<b@example.org>").value().notify.empty());
        // RFC 3461 §5.4: what must be taken at least.
        const std::string envid(100, 'x');
        CHECK(parse("MAIL FROM:<> ENVID=" + envid).value().envid == envid);
        const std::string orcpt = "rfc822;" + std::string(493, 'x');
        CHECK(parse("RCPT TO:<b@example.org> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=" + orcpt).value().orcpt ==
              orcpt);
    }

    TEST_CASE("a malformed or repeated word about notices is refused by its name [DSN-14 DSN-15]") {
        struct Row {
            std::string parameters, name;
        };
        const std::string mail = "MAIL FROM:<a@example.org> ";
        const std::string rcpt = "RCPT TO:<a@example.org> ";
        for (const Row& row : {
                 Row{mail + "RET", "RET="},
                 Row{mail + "RET=", "RET="},
                 Row{mail + "RET=ALL", "RET="},
                 Row{mail + "RET=FULL RET=FULL", "RET="},
                 Row{mail + "ENVID", "ENVID="},
                 Row{mail + "ENVID=", "ENVID="},
                 Row{mail + "ENVID=a+2b", "ENVID="},
                 Row{mail + "ENVID=a=b", "ENVID="},
                 Row{mail + "ENVID=+0D+0ABcc:x", "ENVID="},
                 Row{mail + "ENVID=" + std::string(101, 'x'), "ENVID="},
                 Row{mail + "ENVID=a ENVID=a", "ENVID="},
                 Row{rcpt + "NOTIFY", "NOTIFY="},
                 Row{rcpt + "NOTIFY=", "NOTIFY="},
                 Row{rcpt + "NOTIFY=NEVER,DELAY", "NOTIFY="},
                 Row{rcpt + "NOTIFY=OFTEN", "NOTIFY="},
                 Row{rcpt + "NOTIFY=NEVER NOTIFY=NEVER", "NOTIFY="},
                 Row{rcpt + "ORCPT=a@example.org", "ORCPT="},
                 Row{rcpt + "ORCPT=rfc822;", "ORCPT="},
                 Row{rcpt + "ORCPT=rfc822;a+0Ab", "ORCPT="},
                 Row{rcpt + "ORCPT=rfc822;" + std::string(494, 'x'), "ORCPT="},
                 Row{rcpt + "ORCPT=rfc822;a ORCPT=rfc822;a", "ORCPT="},
                 Row{rcpt + "ORCPT=rfc822;\xc3\xb6@example.org", "ORCPT="},
                 Row{rcpt + "ORCPT=utf-8;\xc3@example.org", "ORCPT="},
             }) {
            CAPTURE(row.parameters);
            const auto refused = parse(row.parameters);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code == 501);
            CHECK(refused.error().enhanced == "5.5.4");
            CHECK(refused.error().text.starts_with(row.name));
        }
    }

    TEST_CASE("an address in UTF-8 is taken with SMTPUTF8 alone [6531 §3.5]") {
        CHECK(refusal("MAIL FROM:<j\xc3\xb6rg@example.org>") == 553);
        CHECK(refusal("MAIL FROM:<j\xc3\xb6rg@example.org> BODY=8BITMIME") == 553);
        const Command mail = parse("MAIL FROM:<j\xc3\xb6rg@example.org> BODY=8BITMIME smtputf8").value();
        CHECK(mail.smtputf8);
        CHECK(mail.path->str() == "j\xc3\xb6rg@example.org");
        CHECK(parse("MAIL FROM:<a@example.org> SMTPUTF8").value().smtputf8);
        CHECK_FALSE(parse("MAIL FROM:<a@example.org>").value().smtputf8);
        // Whether RCPT may be so is for the session to say.
        const Command rcpt = parse(
                                 "RCPT TO:<b@b\xc3\xbc"
                                 "cher.example>")
                                 .value();
        CHECK(rcpt.utf8);
        CHECK(rcpt.path->str() == "b@xn--bcher-kva.example");
        CHECK(parse("RCPT TO:<b@example.org> ORCPT=utf-8;\xc3\xb6@example.org").value().utf8);
        CHECK_FALSE(parse("RCPT TO:<b@example.org> ORCPT=utf-8;\\x{F6}@example.org").value().utf8);
        for (const char* bad : {"MAIL FROM:<\xc3@example.org> SMTPUTF8", "RCPT TO:<\xed\xa0\x80@example.org>",
                                "RCPT TO:<a@\xff.example>"}) {
            CAPTURE(bad);
            const auto refused = parse(bad);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code == 501);
            for (const char c : refused.error().text) CHECK((c >= ' ' && c <= '~'));
        }
    }

    TEST_CASE("a line has a limit [5321 §4.5.3.1.4]") {
        const std::string noop = "NOOP ";
        CHECK(refusal(noop + std::string(sealpost::max_command_line - 2 - noop.size(), 'x')) == 0);
        CHECK(refusal(noop + std::string(sealpost::max_command_line - 1 - noop.size(), 'x')) == 500);
    }

    TEST_CASE("commands whose reply decides how the next octets are read come last [EXT-05 TLS-03]") {
        for (const Verb verb : {Verb::ehlo, Verb::helo, Verb::data, Verb::starttls, Verb::auth, Verb::bdat})
            CHECK(must_be_last(verb));
        for (const Verb verb : {Verb::mail, Verb::rcpt, Verb::rset, Verb::quit, Verb::unknown})
            CHECK_FALSE(must_be_last(verb));
    }

}  // TEST_SUITE("mta/smtp/command")
