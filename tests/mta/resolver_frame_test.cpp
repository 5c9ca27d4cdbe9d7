#include "mta/resolver/frame.hpp"

#include <doctest/doctest.h>

#include <array>

namespace sealpost::resolver {

using security::DnsAnswer;
using security::DnsData;
using security::DnsStatus;
using security::RrType;
using namespace std::string_literals;

namespace {

constexpr std::array all_types{RrType::a, RrType::cname, RrType::mx, RrType::txt, RrType::aaaa, RrType::tlsa};

AnswerFrame answer(DnsStatus status, DnsData data, std::vector<std::vector<std::uint8_t>> rdata) {
    AnswerFrame frame{.id = 7, .answer = {}};
    frame.answer.name = "_25._tcp.mx.example.net";
    frame.answer.canonical = "tlsa.example.net";
    frame.answer.type = RrType::tlsa;
    frame.answer.status = status;
    frame.answer.data = data;
    frame.answer.rdata = std::move(rdata);
    frame.answer.ttl = std::chrono::seconds(300);
    return frame;
}

/// Records that use up both limits at once: as many as allowed, of as many octets as allowed together.
std::vector<std::vector<std::uint8_t>> largest_rdata() {
    std::vector<std::vector<std::uint8_t>> rdata(max_records, std::vector<std::uint8_t>(1, 0x5a));
    rdata.back().resize(max_rdata_total - (max_records - 1), 0xff);
    return rdata;
}

/// What take_frame() gives of one whole frame.
std::string payload_of(std::string frame, std::size_t max_length) {
    const auto payload = take_frame(frame, max_length);
    REQUIRE(payload);
    REQUIRE(*payload);
    CHECK(frame.empty());
    return **payload;
}

/// Offsets in an answer's payload: kind, id, type, status, data, ttl.
constexpr std::size_t at_kind = 0;
constexpr std::size_t at_type = 5;
constexpr std::size_t at_status = 7;
constexpr std::size_t at_data = 8;

}  // namespace

TEST_SUITE("mta/resolver/frame") {
    TEST_CASE("a question survives the trip at its limits") {
        for (const RrType type : all_types)
            for (const std::size_t length : {1U, 23U, 255U}) {
                const QuestionFrame sent{.id = 0xfffffffe, .question = {std::string(length, 'q'), type}};
                const auto got = decode_question(payload_of(encode(sent), max_question));
                REQUIRE(got);
                CHECK(got->id == sent.id);
                CHECK(got->question.name == sent.question.name);
                CHECK(got->question.type == type);
            }
    }

    TEST_CASE("an answer survives the trip with its DNSSEC state [DNS-02]") {
        for (const DnsStatus status : {DnsStatus::secure, DnsStatus::insecure})
            for (const DnsData data : {DnsData::data, DnsData::nodata, DnsData::nxdomain}) {
                AnswerFrame sent = answer(status, data, {});
                if (data == DnsData::data) sent.answer.rdata = {{3, 1, 1, 0xab}, {}, {0}};
                const auto got = decode_answer(payload_of(encode(sent), max_answer));
                REQUIRE(got);
                CHECK(got->id == sent.id);
                CHECK(got->answer == sent.answer);
            }
        for (const DnsStatus status : {DnsStatus::bogus, DnsStatus::indeterminate, DnsStatus::error}) {
            AnswerFrame sent = answer(status, DnsData::nodata, {});
            sent.answer.why = "signature expired";
            const auto got = decode_answer(payload_of(encode(sent), max_answer));
            REQUIRE(got);
            CHECK(got->answer == sent.answer);
            CHECK(got->answer.failed());
        }
    }

    TEST_CASE("the keys of the root travel with their signatures and both count for the limits") {
        const auto question = decode_question(payload_of(
            encode(QuestionFrame{.id = 1, .question = {".", security::dnskey_type}}), max_question));
        REQUIRE(question);
        CHECK(question->question.type == security::dnskey_type);
        AnswerFrame sent = answer(DnsStatus::secure, DnsData::data, {{1, 2}, {3}});
        sent.answer.type = security::dnskey_type;
        sent.answer.rrsig = {{4, 5, 6}, {}};
        const std::string payload = payload_of(encode(sent), max_answer);
        const auto got = decode_answer(payload);
        REQUIRE(got);
        CHECK(got->answer == sent.answer);
        for (std::size_t n = 0; n < payload.size(); ++n) CHECK_FALSE(decode_answer(payload.substr(0, n)));
        sent.answer.rrsig = largest_rdata();  // three octets more than allowed
        CHECK(decode_answer(payload_of(encode(sent), max_answer))->answer.status == DnsStatus::error);
        sent.answer.rrsig.assign(max_records + 1, {});
        CHECK(decode_answer(payload_of(encode(sent), max_answer))->answer.status == DnsStatus::error);
    }

    TEST_CASE("the largest answer fits the largest frame") {
        AnswerFrame sent = answer(DnsStatus::secure, DnsData::data, largest_rdata());
        sent.id = 0xffffffff;
        sent.answer.name = std::string(255, 'n');
        sent.answer.canonical = std::string(255, 'c');
        sent.answer.why = std::string(max_why, 'w');
        sent.answer.ttl = std::chrono::seconds(0x7fffffff);
        const auto got = decode_answer(payload_of(encode(sent), max_answer));
        REQUIRE(got);
        CHECK(got->id == sent.id);
        CHECK(got->answer == sent.answer);
    }

    TEST_CASE("an answer beyond a limit becomes an error with the same id and name and never an absence") {
        std::array<AnswerFrame, 4> sent{
            answer(DnsStatus::secure, DnsData::data, largest_rdata()),
            answer(DnsStatus::secure, DnsData::data, largest_rdata()),
            answer(DnsStatus::insecure, DnsData::data, {{1}}),
            answer(DnsStatus::secure, DnsData::nxdomain, {}),
        };
        sent[0].answer.rdata.front().push_back(0);  // one octet too many
        sent[1].answer.rdata.back().resize(1);
        sent[1].answer.rdata.emplace_back();  // one record too many
        sent[2].answer.canonical.assign(256, 'c');
        sent[3].answer.name.assign(256, 'n');
        for (const AnswerFrame& frame : sent) {
            const auto got = decode_answer(payload_of(encode(frame), max_answer));
            REQUIRE(got);
            CHECK(got->id == frame.id);
            CHECK(got->answer.name == frame.answer.name.substr(0, 255));
            CHECK(got->answer.type == frame.answer.type);
            CHECK(got->answer.status == DnsStatus::error);
            CHECK(got->answer.rdata.empty());
            CHECK(got->answer.why.find("exceeds a limit") != std::string::npos);
        }
    }

    TEST_CASE("a long reason is cut and a time to live outside its range is clamped") {
        AnswerFrame sent = answer(DnsStatus::bogus, DnsData::nodata, {});
        sent.answer.why = std::string(max_why + 1, 'w');
        sent.answer.ttl = std::chrono::seconds(-1);
        auto got = decode_answer(payload_of(encode(sent), max_answer));
        REQUIRE(got);
        CHECK(got->answer.why == std::string(max_why, 'w'));
        CHECK(got->answer.ttl == std::chrono::seconds(0));
        sent.answer.ttl = std::chrono::seconds(0x1'0000'0001);
        got = decode_answer(payload_of(encode(sent), max_answer));
        REQUIRE(got);
        CHECK(got->answer.ttl == std::chrono::seconds(0x7fffffff));
    }

    TEST_CASE("every cut of a payload is refused and so is one octet too many") {
        const std::string question =
            payload_of(encode(QuestionFrame{.id = 1, .question = {"example.net", RrType::mx}}), max_question);
        AnswerFrame frame = answer(DnsStatus::secure, DnsData::data, {{3, 1, 1, 0xab}, {}, {1, 2}});
        frame.answer.why = "none";
        const std::string whole = payload_of(encode(frame), max_answer);
        REQUIRE(decode_question(question));
        REQUIRE(decode_answer(whole));
        for (std::size_t n = 0; n < question.size(); ++n) CHECK_FALSE(decode_question(question.substr(0, n)));
        for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(decode_answer(whole.substr(0, n)));
        CHECK_FALSE(decode_question(question + '\0'));
        CHECK_FALSE(decode_answer(whole + '\0'));
        CHECK_FALSE(decode_answer(question));
        CHECK_FALSE(decode_question(whole));
    }

    TEST_CASE("records without data and data without records are refused") {
        for (const DnsStatus status : {DnsStatus::secure, DnsStatus::insecure}) {
            for (const AnswerFrame& frame :
                 {answer(status, DnsData::data, {}), answer(status, DnsData::nodata, {{1}}),
                  answer(status, DnsData::nxdomain, {{1}})}) {
                const auto got = decode_answer(payload_of(encode(frame), max_answer));
                REQUIRE_FALSE(got);
                CHECK(got.error().code == Errc::protocol);
            }
        }
    }

    TEST_CASE("no unknown kind or type or status comes through") {
        const std::string good =
            payload_of(encode(answer(DnsStatus::secure, DnsData::data, {{1}})), max_answer);
        for (const auto& [at, value] :
             {std::pair{at_kind, '\0'}, std::pair{at_kind, '\3'}, std::pair{at_type, '\1'},
              std::pair{at_type + 1, '\2'}, std::pair{at_status, '\5'}, std::pair{at_status, '\xff'},
              std::pair{at_data, '\3'}, std::pair{at_data, '\xff'}}) {
            std::string bad = good;
            bad[at] = value;
            CAPTURE(at);
            CHECK_FALSE(decode_answer(bad));
        }
    }

    TEST_CASE("a question's name is not empty and not too long and holds no NUL") {
        for (const std::string& name :
             {std::string(), std::string(256, 'a'), std::string("example\0.net", 12)}) {
            const std::string frame = encode(QuestionFrame{.id = 1, .question = {name, RrType::a}});
            CHECK_FALSE(decode_question(std::string_view(frame).substr(4)));
        }
    }

    TEST_CASE("names and reasons and records over their limits are refused whoever encoded them") {
        // The other side does not use our encode(): rebuild the payload with a longer field.
        const auto payload = [](std::size_t name, std::size_t why, std::size_t records, std::size_t octets) {
            std::string out("\x02\0\0\0\x07\0\x34\0\0\0\0\0\1", 13);
            const auto u16 = [&](std::size_t v) {
                out.push_back(static_cast<char>(v >> 8));
                out.push_back(static_cast<char>(v & 0xff));
            };
            u16(name);
            out.append(name, 'n');
            u16(name);
            out.append(name, 'n');
            u16(why);
            out.append(why, 'w');
            u16(records);
            for (std::size_t i = 0; i < records; ++i) {
                u16(octets >> 16);
                u16(octets & 0xffff);
                out.append(octets, 'r');
            }
            u16(0);  // no signatures
            return out;
        };
        CHECK(decode_answer(payload(255, max_why, max_records, max_rdata_total / max_records)));
        CHECK_FALSE(decode_answer(payload(256, 0, 1, 1)));
        CHECK_FALSE(decode_answer(payload(1, max_why + 1, 1, 1)));
        CHECK_FALSE(decode_answer(payload(1, 0, max_records + 1, 0)));
        CHECK_FALSE(decode_answer(payload(1, 0, 1, max_rdata_total + 1)));
    }

    TEST_CASE("a length that promises more than follows is an error and no allocation") {
        std::string bad = payload_of(encode(answer(DnsStatus::secure, DnsData::data, {{1}})), max_answer);
        bad.replace(bad.size() - 7, 4, "\xff\xff\xff\xff");
        CHECK_FALSE(decode_answer(bad));
    }

    TEST_CASE("frames are taken whole whatever pieces they come in") {
        const std::string first = encode(QuestionFrame{.id = 1, .question = {"a.example", RrType::a}});
        const std::string second = encode(QuestionFrame{.id = 2, .question = {"b.example", RrType::aaaa}});
        std::string buffer;
        for (const char c : first) {
            const auto early = take_frame(buffer, max_question);
            REQUIRE(early);
            CHECK_FALSE(*early);
            buffer.push_back(c);
        }
        buffer += second + "\0\0"s;
        auto taken = take_frame(buffer, max_question);
        REQUIRE((taken && *taken));
        CHECK(decode_question(**taken)->id == 1);
        taken = take_frame(buffer, max_question);
        REQUIRE((taken && *taken));
        CHECK(decode_question(**taken)->id == 2);
        taken = take_frame(buffer, max_question);
        REQUIRE(taken);
        CHECK_FALSE(*taken);
        CHECK(buffer.size() == 2);
    }

    TEST_CASE("a frame is refused by its length alone before its octets are waited for") {
        std::string empty("\0\0\0\0", 4);
        CHECK(take_frame(empty, max_question).error().code == Errc::protocol);
        std::string huge("\xff\xff\xff\xff", 4);
        CHECK_FALSE(take_frame(huge, max_answer));
        std::string over("\0\0\x04\x01", 4);
        CHECK_FALSE(take_frame(over, max_question));
        std::string at("\0\0\x04\0", 4);
        CHECK(take_frame(at, max_question));
    }
}

}  // namespace sealpost::resolver
