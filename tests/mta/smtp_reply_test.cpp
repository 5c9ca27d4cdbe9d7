#include "mta/smtp/reply.hpp"

#include <doctest/doctest.h>

#include "mta/smtp/extensions.hpp"

using namespace std::string_literals;
using sealpost::Extensions;
using sealpost::Reply;
using sealpost::ReplyLimits;
using sealpost::ReplyParser;
using sealpost::SessionLimits;
using State = ReplyParser::State;

namespace {

Reply parse_one(std::string_view text) {
    ReplyParser parser;
    const ReplyParser::Progress progress = parser.feed(text);
    REQUIRE(progress.state == State::done);
    CHECK(progress.consumed == text.size());
    return parser.take();
}

State state_after(std::string_view text, ReplyLimits limits = {}) {
    ReplyParser whole(limits);
    const State state = whole.feed(text).state;
    ReplyParser octets(limits);
    State last = State::more;
    for (std::size_t i = 0; i < text.size() && last == State::more; ++i)
        last = octets.feed(text.substr(i, 1)).state;
    CHECK(last == state);
    return state;
}

}  // namespace

TEST_SUITE("mta/smtp/reply") {
    TEST_CASE("a reply is its code and its lines however it is cut [SMTP-13]") {
        const std::string text = "250-mx.example\r\n250-SIZE 1000\r\n250 8BITMIME\r\n";
        for (std::size_t cut = 0; cut < text.size(); ++cut) {
            ReplyParser parser;
            CHECK(parser.feed(std::string_view(text).substr(0, cut)).state == State::more);
            CHECK(parser.idle() == (cut == 0));
            CHECK(parser.feed(std::string_view(text).substr(cut)).state == State::done);
            CHECK(parser.take() == Reply{250, {"mx.example", "SIZE 1000", "8BITMIME"}});
            CHECK(parser.idle());
        }
    }

    TEST_CASE("a code alone and an empty text are replies [SMTP-13]") {
        CHECK(parse_one("220\r\n") == Reply{220, {""}});
        CHECK(parse_one("220 \r\n") == Reply{220, {""}});
        CHECK(parse_one("220-\r\n220\r\n") == Reply{220, {"", ""}});
        CHECK(parse_one("599 odd\r\n").severity() == 5);
        CHECK(parse_one("299 odd\r\n").severity() == 2);
    }

    TEST_CASE("a malformed reply fails the connection [SMTP-13]") {
        for (const char* bad : {"\r\n", "25\r\n", "2500 x\r\n", "abc\r\n", "150 x\r\n", "650 x\r\n",
                                "050 x\r\n", "2x0 x\r\n", "250\tx\r\n", "250_x\r\n", "250-a\r\n251 b\r\n",
                                "250-a\r\nb\r\n", "250 a\n", "250 a\rb\r\n", "250 a\r\r\n", " 250 a\r\n",
                                "-250 a\r\n", "HTTP/1.1 400 Bad Request\r\n", "\x16\x03\x01\r\n"}) {
            CAPTURE(bad);
            CHECK(state_after(bad) == State::failed);
        }
    }

    TEST_CASE("a failed parser stays failed and says why [SMTP-13]") {
        ReplyParser parser;
        CHECK(parser.feed("xyz\r\n").state == State::failed);
        CHECK_FALSE(parser.why().empty());
        CHECK(parser.feed("250 ok\r\n").state == State::failed);
        CHECK(parser.feed("250 ok\r\n").consumed == 0);
    }

    TEST_CASE("lines and size have limits [SMTP-13]") {
        const ReplyLimits limits{.line = 20, .lines = 3, .total = 50};
        CHECK(state_after("250 " + std::string(14, 'x') + "\r\n", limits) == State::done);
        CHECK(state_after("250 " + std::string(15, 'x') + "\r\n", limits) == State::failed);
        CHECK(state_after(std::string(21, '2'), limits) == State::failed);
        CHECK(state_after("250-a\r\n250-b\r\n250 c\r\n", limits) == State::done);
        CHECK(state_after("250-a\r\n250-b\r\n250-c\r\n250 d\r\n", limits) == State::failed);
        const std::string line = "250-" + std::string(14, 'x') + "\r\n";
        CHECK(state_after(line + line + line, limits) == State::failed);
        // 512 octets are what RFC 5321 allows; twice that is still read.
        CHECK(state_after("250 " + std::string(1000, 'x') + "\r\n") == State::done);
    }

    TEST_CASE("what follows a reply is left for the caller to see [TLS-04 EXT-06]") {
        ReplyParser parser;
        const std::string_view text = "220 go ahead\r\n250 injected\r\n";
        const ReplyParser::Progress progress = parser.feed(text);
        CHECK(progress.state == State::done);
        CHECK(progress.consumed == 14);
        CHECK(parser.take().code == 220);
        CHECK(parser.feed(text.substr(14)).state == State::done);
        CHECK(parser.take() == Reply{250, {"injected"}});
    }

    TEST_CASE("text holds printable ASCII alone [SMTP-13]") {
        CHECK(parse_one("550 a\tb\0c\x1b[31m\xff\r\n"s).text() == "a?b?c?[31m?");
        CHECK(parse_one("550-one\r\n550 two\r\n").text() == "one two");
        Reply reply{550, std::vector<std::string>(100, std::string(500, 'x'))};
        CHECK(reply.text().size() == 1000);
    }

    TEST_CASE("an enhanced code counts only at the start and in its class [EXT-19]") {
        struct Row {
            const char* text;
            const char* status;
        };
        for (const Row& row : {
                 Row{"550 5.1.1 no such user\r\n", "5.1.1"},
                 Row{"550 5.7.999 x\r\n", "5.7.999"},
                 Row{"550 5.1.1\r\n", "5.1.1"},
                 Row{"450-4.2.0 a\r\n450 4.2.0 b\r\n", "4.2.0"},
                 Row{"250 2.0.0 Ok\r\n", "2.0.0"},
                 Row{"550 4.1.1 class of another\r\n", ""},
                 Row{"450 5.1.1 class of another\r\n", ""},
                 Row{"354 3.0.0 no such class\r\n", ""},
                 Row{"550 no 5.1.1\r\n", ""},
                 Row{"550 5.1\r\n", ""},
                 Row{"550 5.1.1x\r\n", ""},
                 Row{"550 5.1.1.1\r\n", ""},
                 Row{"550 5.1234.1 x\r\n", ""},
                 Row{"550 5..1 x\r\n", ""},
                 Row{"550 55.1.1 x\r\n", ""},
                 Row{"550\r\n", ""},
             }) {
            CAPTURE(row.text);
            CHECK(parse_one(row.text).enhanced_status().value_or("") == row.status);
        }
    }

}  // TEST_SUITE("mta/smtp/reply")

TEST_SUITE("mta/smtp/extensions") {
    TEST_CASE("keywords are known in any case and unknown ones ignored [EXT-21 EXT-17]") {
        const Extensions found = Extensions::parse(parse_one(
            "250-mx.example STARTTLS\r\n250-pipelining\r\n250-Size 35882577\r\n250-X-UNKNOWN a=b c\r\n"
            "250-8bitmime\r\n250-SMTPUTF8 ignored parameters\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n"
            "250-REQUIRETLS\r\n250-LIMITS RCPTMAX=20 MAILMAX=5\r\n250-STARTTLSX\r\n250-\r\n"
            "250 ENHANCEDSTATUSCODES\r\n"));
        Extensions expected;
        expected.pipelining = expected.size = expected.eight_bit_mime = expected.smtputf8 = true;
        expected.chunking = expected.binary_mime = expected.dsn = expected.requiretls = true;
        expected.enhanced_status_codes = true;
        expected.size_limit = 35882577;
        expected.limits = {.mail_max = 5, .rcpt_max = 20, .rcpt_domain_max = 0};
        CHECK(found == expected);  // STARTTLS of the first line is part of the greeting
    }

    TEST_CASE("a SIZE without a usable number means no known limit [EXT-02]") {
        for (const char* line :
             {"SIZE", "SIZE 0", "SIZE x", "SIZE -1", "SIZE 99999999999999999999", "SIZE 12x"}) {
            CAPTURE(line);
            const Extensions found = Extensions::parse(Reply{250, {"mx.example", line}});
            CHECK(found.size);
            CHECK(found.size_limit == 0);
        }
        CHECK(Extensions::parse(Reply{250, {"mx", "SIZE 7 more"}}).size_limit == 7);
    }

    TEST_CASE("LIMITS are small numbers and what is no limit is ignored [EXT-21]") {
        struct Row {
            const char* line;
            SessionLimits limits;
        };
        for (const Row& row : {
                 Row{"LIMITS", {}},
                 Row{"LIMITS RCPTMAX=1", {0, 1, 0}},
                 Row{"limits rcptmax=999999 RcptDomainMax=1 mailmax=10", {10, 999999, 1}},
                 Row{"LIMITS  X-OTHER=3  RCPTMAX=7 ", {0, 7, 0}},
                 Row{"LIMITS RCPTMAX=9 RCPTMAX=4 RCPTMAX=6", {0, 4, 0}},
                 Row{"LIMITS RCPTMAX=0 MAILMAX=01", {}},
                 Row{"LIMITS RCPTMAX=1000000 MAILMAX=-1", {}},
                 Row{"LIMITS RCPTMAX= MAILMAX=1x RCPTDOMAINMAX", {}},
                 Row{"LIMITS =5 RCPTMAX==5", {}},
             }) {
            CAPTURE(row.line);
            CHECK(Extensions::parse(Reply{250, {"mx.example", row.line}}).limits == row.limits);
        }
    }

    TEST_CASE("a single line offers nothing [EXT-21]") {
        CHECK(Extensions::parse(Reply{250, {"STARTTLS"}}) == Extensions{});
        CHECK(Extensions::parse(Reply{250, {}}) == Extensions{});
    }

}  // TEST_SUITE("mta/smtp/extensions")
