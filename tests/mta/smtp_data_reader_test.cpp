#include "mta/smtp/data_reader.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "mta/smtp/dot_stuffer.hpp"

using namespace std::string_literals;
using sealpost::DataError;
using sealpost::DataLimits;
using sealpost::DataReader;
using sealpost::dot_stuff;
using sealpost::DotStuffer;
using Reason = DataError::Reason;
using State = DataReader::State;

namespace {

struct Outcome {
    State state = State::more;
    std::size_t consumed = 0;
    std::string message;
    Reason reason{};
    bool ended = false;
    bool operator==(const Outcome&) const = default;
};

enum class Blocks { left, taken };

Outcome read(const std::vector<std::string_view>& pieces, DataLimits limits = {},
             Blocks blocks = Blocks::left) {
    DataReader reader(limits);
    Outcome outcome;
    std::string taken;
    for (const std::string_view piece : pieces) {
        const DataReader::Progress progress = reader.feed(piece);
        outcome.consumed += progress.consumed;
        outcome.state = progress.state;
        if (progress.state != State::more) break;
        if (blocks == Blocks::taken) {
            taken += reader.take_block();
            CHECK((!reader.header_ended() || reader.held() == 0));
        }
    }
    if (outcome.state == State::done) outcome.message = taken + reader.message();
    if (outcome.state == State::failed) {
        outcome.reason = reader.error().reason;
        outcome.ended = reader.error().ended;
    }
    return outcome;
}

/// The outcome, after making sure that no cut of the input changes it.
Outcome read_all_ways(const std::string& input, DataLimits limits = {}) {
    const Outcome whole = read({input}, limits);
    const std::string_view view = input;
    for (std::size_t cut = 0; cut <= input.size(); ++cut) {
        CAPTURE(cut);
        CHECK(read({view.substr(0, cut), view.substr(cut)}, limits) == whole);
        CHECK(read({view.substr(0, cut), view.substr(cut)}, limits, Blocks::taken) == whole);
    }
    std::vector<std::string_view> octets;
    for (std::size_t i = 0; i < input.size(); ++i) octets.push_back(view.substr(i, 1));
    CHECK(read(octets, limits) == whole);
    CHECK(read(octets, limits, Blocks::taken) == whole);
    return whole;
}

constexpr std::string_view smuggled =
    "MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n";

}  // namespace

TEST_SUITE("mta/smtp/data_reader") {
    TEST_CASE("only CR LF dot CR LF ends the data [SMTP-31]") {
        struct Row {
            std::string input;
            std::string message;
        };
        for (const Row& row : {
                 Row{".\r\n", ""},
                 Row{"\r\n.\r\n", "\r\n"},
                 Row{"a\r\n.\r\n", "a\r\n"},
                 Row{"Subject: x\r\n\r\nhello\r\n.\r\n", "Subject: x\r\n\r\nhello\r\n"},
                 Row{"a\r\n..\r\n.\r\n", "a\r\n.\r\n"},
                 Row{"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n"},
                 Row{".a\r\n.\r\n", "a\r\n"},
                 Row{"a.\r\n.\r\n", "a.\r\n"},
                 Row{"a\r\n. \r\n.\r\n", "a\r\n \r\n"},
                 Row{"a\r\n .\r\n.\r\n", "a\r\n .\r\n"},
             }) {
            CAPTURE(row.input);
            const Outcome outcome = read_all_ways(row.input);
            CHECK(outcome.state == State::done);
            CHECK(outcome.message == row.message);
            CHECK(outcome.consumed == row.input.size());
        }
        CHECK(read_all_ways("a\r\n.").state == State::more);
        CHECK(read_all_ways("a\r\n.\r").state == State::more);
        CHECK(read_all_ways("a\r\n").state == State::more);
    }

    TEST_CASE("what stands behind the end of data is left alone [SMTP-31 EXT-05]") {
        const std::string input = "a\r\n.\r\nQUIT\r\n";
        const Outcome outcome = read_all_ways(input);
        CHECK(outcome.state == State::done);
        CHECK(outcome.consumed == input.size() - 6);
    }

    TEST_CASE("the smuggling corpus ends no data and closes the connection [SMTP-29 SMTP-31]") {
        for (const std::string& fake_end :
             {"\n.\n"s, "\n.\r\n"s, "\r\n.\n"s, "\r.\r"s, "\r.\r\n"s, "\r\n.\r"s, "\r\r\n.\r\n"s,
              "\r\n.\r\r\n"s, "\n\r\n.\r\n"s, "\r\n\n.\r\n"s, "\n\n.\r\n"s, "\r\n.\n\r\n"s, "\n.\r"s,
              "\r.\n"s, "\r\n.\r.\r\n"s, "\n\r.\r\n"s, "\r\n\r.\r\n"s, "\r\n.\r\n"s.substr(1)}) {
            for (const std::string& before : {"Subject: x\r\n\r\nhello"s, "hello\r\n"s, ".."s, ""s}) {
                const std::string input = before + fake_end + std::string(smuggled) + "x\r\n.\r\n";
                CAPTURE(input);
                const Outcome outcome = read_all_ways(input);
                REQUIRE(outcome.state == State::failed);
                CHECK_FALSE(outcome.ended);
                CHECK((outcome.reason == Reason::bare_cr || outcome.reason == Reason::bare_lf));
                // No octet of what was smuggled in is even looked at as the end of something.
                CHECK(outcome.consumed <= before.size() + fake_end.size() + 1);
            }
        }
        // A NUL between the octets of the end makes it none, and does not hide a bare one.
        CHECK(read_all_ways("a\r\n.\0\r\nMAIL\r\n.\r\n"s).reason == Reason::nul);
        CHECK(read_all_ways("a\r\0\n.\r\n"s).reason == Reason::bare_cr);
        CHECK(read_all_ways("a\r\n\0.\r\nMAIL\r\n.\r\n"s).consumed == "a\r\n\0.\r\nMAIL\r\n.\r\n"s.size());
    }

    TEST_CASE("a bare CR or LF is refused wherever it stands [SMTP-29]") {
        for (const char* bad :
             {"\n", "a\nb\r\n", "a\rb\r\n", "\ra", ".\n", ".\ra", "..\n", "a\r\n\n", "Subject: a\n"}) {
            CAPTURE(bad);
            const Outcome outcome = read_all_ways(bad);
            CHECK(outcome.state == State::failed);
            CHECK_FALSE(outcome.ended);
        }
    }

    TEST_CASE("who takes blocks holds no more than a line of the header [SMTP-33]") {
        DataReader reader({});
        CHECK(reader.feed("Subject: x\r\nRecei").state == State::more);
        CHECK(reader.take_block() == "Subject: x\r\n");
        CHECK(reader.held() == 5);
        CHECK(reader.feed("ved: by here\r\n\r\nfirst\r").state == State::more);
        CHECK(reader.received_fields() == 1);
        CHECK(reader.header_ended());
        CHECK(reader.take_block() == "Received: by here\r\n\r\nfirst");
        CHECK(reader.take_block().empty());
        CHECK(reader.feed("\n.\r\n").state == State::done);
        CHECK(reader.take_block() == "\r\n");
    }

    TEST_CASE("the limits count what was taken too, and a refused message is held no more [SMTP-33]") {
        DataReader reader({.message = 100, .header = 1000, .line = 998, .received = 100});
        const std::string line = std::string(38, 'x') + "\r\n";
        CHECK(reader.feed("\r\n" + line + line).state == State::more);
        CHECK(reader.take_block().size() == 82);
        CHECK(reader.feed(line).state == State::more);
        CHECK(reader.held() == 0);
        CHECK(reader.feed(".\r\n").state == State::failed);
        CHECK(reader.error().reason == Reason::message_too_large);
        CHECK(reader.error().ended);
    }

    TEST_CASE("a failed reader takes nothing more [SMTP-31]") {
        DataReader reader({});
        CHECK(reader.feed("a\nb").state == State::failed);
        const DataReader::Progress more = reader.feed("\r\n.\r\n");
        CHECK(more.state == State::failed);
        CHECK(more.consumed == 0);
    }

    TEST_CASE("a NUL refuses the message and its end is still found [SMTP-29]") {
        const Outcome outcome = read_all_ways("a\0b\r\n.\r\n"s);
        CHECK(outcome.state == State::failed);
        CHECK(outcome.reason == Reason::nul);
        CHECK(outcome.ended);
    }

    TEST_CASE("a line longer than the limit is refused and never split [SMTP-32]") {
        const DataLimits limits{.line = 10};
        CHECK(read_all_ways("0123456789\r\n.\r\n", limits).state == State::done);
        CHECK(read_all_ways("..123456789\r\n.\r\n", limits).state ==
              State::done);  // the stuffing does not count
        const Outcome outcome = read_all_ways("ok\r\n0123456789a\r\n.\r\n", limits);
        CHECK(outcome.state == State::failed);
        CHECK(outcome.reason == Reason::line_too_long);
        CHECK(outcome.ended);
        CHECK(read({std::string(998, 'x') + "\r\n.\r\n"}).state == State::done);
        CHECK(read({std::string(999, 'x') + "\r\n.\r\n"}).state == State::failed);
    }

    TEST_CASE("the message size counts CR LF and not the stuffing [EXT-01 EXT-03]") {
        const DataLimits limits{.message = 6};
        CHECK(read_all_ways("abcd\r\n.\r\n", limits).state == State::done);
        CHECK(read_all_ways("..bcd\r\n.\r\n", limits).state == State::done);
        const Outcome outcome = read_all_ways("abcde\r\n.\r\n", limits);
        CHECK(outcome.reason == Reason::message_too_large);
        CHECK(outcome.ended);
    }

    TEST_CASE("beyond twice the largest size nobody reads on [SMTP-31]") {
        DataReader reader({.message = 100});
        const std::string line = std::string(48, 'x') + "\r\n";
        std::size_t fed = 0;
        while (reader.feed(line).state == State::more) REQUIRE((fed += line.size()) < 1000);
        CHECK(reader.error().reason == Reason::message_too_large);
        CHECK_FALSE(reader.error().ended);
        CHECK(reader.message().empty());
    }

    TEST_CASE("the header has its own limit and the body does not count [SMTP-08]") {
        const DataLimits limits{.header = 20};
        CHECK(read_all_ways("Subject: abc\r\n\r\n" + std::string(100, 'x') + "\r\n.\r\n", limits).state ==
              State::done);
        CHECK(read_all_ways("Subject: abc\r\nTo: abcdef\r\n\r\nx\r\n.\r\n", limits).reason ==
              Reason::header_too_large);
        CHECK(read_all_ways("Subject: abcdefghijklmnop\r\n\r\n.\r\n", limits).reason ==
              Reason::header_too_large);
    }

    TEST_CASE("too many Received fields are a loop and those in the body are none [SMTP-08]") {
        const DataLimits limits{.received = 2};
        const std::string field = "Received: from a\r\n\tby b\r\n";
        CHECK(read_all_ways(field + field + "\r\n" + field + ".\r\n", limits).state == State::done);
        const Outcome outcome = read_all_ways(field + "RECEIVED :x\r\n" + field + "\r\n.\r\n", limits);
        CHECK(outcome.reason == Reason::too_many_received);
        CHECK(outcome.ended);
        CHECK(read_all_ways(field + field + "Received-SPF: x\r\n Received: x\r\nX-Received: x\r\n\r\n.\r\n",
                            limits)
                  .state == State::done);
        std::string hundred;
        for (int i = 0; i < 100; ++i) hundred += "Received: x\r\n";
        CHECK(read({hundred + ".\r\n"}).state == State::done);
        CHECK(read({hundred + "Received: x\r\n.\r\n"}).state == State::failed);
    }

    TEST_CASE("8-bit content is noticed [EXT-13]") {
        DataReader plain({});
        CHECK(plain.feed("a\r\n.\r\n").state == State::done);
        CHECK_FALSE(plain.eight_bit());
        DataReader high({});
        CHECK(high.feed("a\xc3\xbc\r\n.\r\n").state == State::done);
        CHECK(high.eight_bit());
    }

}  // TEST_SUITE("mta/smtp/data_reader")

TEST_SUITE("mta/smtp/dot_stuffer") {
    TEST_CASE("a body leaves with CR LF line ends and doubled dots and one end [SMTP-29 SMTP-30]") {
        struct Row {
            std::string body;
            std::string wire;
        };
        for (const Row& row : {
                 Row{"", ".\r\n"},
                 Row{"a\r\n", "a\r\n.\r\n"},
                 Row{"a", "a\r\n.\r\n"},
                 Row{"a\r\n\r\n", "a\r\n\r\n.\r\n"},
                 Row{".", "..\r\n.\r\n"},
                 Row{".\r\n", "..\r\n.\r\n"},
                 Row{"..\r\n.a\r\nb.\r\n", "...\r\n..a\r\nb.\r\n.\r\n"},
                 Row{"a\nb\n", "a\r\nb\r\n.\r\n"},
                 Row{"a\rb", "a\r\nb\r\n.\r\n"},
                 Row{"a\r", "a\r\n.\r\n"},
                 Row{"a\r\r\nb", "a\r\n\r\nb\r\n.\r\n"},
                 Row{"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
                 Row{"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
                 Row{"a\r\n.\r\nMAIL FROM:<>\r\n", "a\r\n..\r\nMAIL FROM:<>\r\n.\r\n"},
             }) {
            CAPTURE(row.body);
            CHECK(dot_stuff(row.body) == row.wire);
            for (std::size_t cut = 0; cut <= row.body.size(); ++cut) {
                DotStuffer stuffer;
                std::string out;
                stuffer.append(std::string_view(row.body).substr(0, cut), out);
                stuffer.append(std::string_view(row.body).substr(cut), out);
                stuffer.finish(out);
                CHECK(out == row.wire);
            }
        }
    }

    TEST_CASE("what was read is what is sent [SMTP-27 SMTP-30]") {
        for (const char* body : {"", "\r\n", ".\r\n", "a\r\n..\r\n.b\r\n\r\n", "Subject: x\r\n\r\n.\r\n"}) {
            CAPTURE(body);
            const Outcome outcome = read_all_ways(dot_stuff(body));
            CHECK(outcome.state == State::done);
            CHECK(outcome.message == body);
        }
    }

}  // TEST_SUITE("mta/smtp/dot_stuffer")
