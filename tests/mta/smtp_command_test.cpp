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
                 Row{"MAIL FROM:<> SMTPUTF8", 555},
                 Row{"MAIL FROM:<> AUTH=<>", 555},
                 Row{"MAIL FROM:<> RET=HDRS", 555},
                 Row{"RCPT TO:<a@example.org> SIZE=1", 555},
                 Row{"RCPT TO:<a@example.org> NOTIFY=NEVER", 555},
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
        CHECK(refusal("RCPT TO:<b\xc3\xbc@example.org>") == 553);
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
