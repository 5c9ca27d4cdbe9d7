#include "mta/cli/render.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "mta/admin/view.hpp"

using namespace sealpost;
using namespace sealpost::cli;
using namespace std::chrono_literals;

namespace json = boost::json;

namespace {

const queue::Time noon{std::chrono::milliseconds(1'800'000'000'000)};

json::object row() {
    json::object out;
    out["id"] = "00000000001";
    out["sender"] = "";
    out["recipient"] = "b@example.net";
    out["state"] = "queued";
    out["size"] = 2048;
    out["received_at"] = admin::format_time(noon - 26h);
    out["next_attempt"] = admin::format_time(noon + 25min);
    return out;
}

std::string line_of(json::object one) {
    json::array rows;
    rows.emplace_back(std::move(one));
    return render_rows(rows, noon);
}

bool fit_for_a_terminal(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

}  // namespace

TEST_SUITE("mta/cli/render") {
    TEST_CASE("a queue line tells id age size sender recipient state next attempt and reason") {
        json::object held = row();
        held["held"] = "dane-required";
        held["reply"] = "older words";
        CHECK(
            line_of(held) ==
            "00000000001    1d2h     2.0K  <>                            b@example.net                 held  "
            "   25m     dane-required\n");
        CHECK(line_of(row()).find("queued ") != std::string::npos);
        json::object active = row();
        active["state"] = "active";
        active["reply"] = "450 later";
        CHECK(line_of(active).find("active   -       450 later\n") != std::string::npos);
        json::object due = row();
        due["next_attempt"] = admin::format_time(noon);
        CHECK(line_of(due).find("now ") != std::string::npos);
        CHECK(queue_table_head().find("RECIPIENT") == line_of(row()).find("b@example.net"));
    }

    TEST_CASE("remote words cannot move the cursor or add a line") {
        json::object bad = row();
        bad["reply"] = "550 \x1b[2J\r\nsealpost: all is well \xE2\x80\xAE";
        const std::string line = line_of(bad);
        CHECK(fit_for_a_terminal(line));
        CHECK(line.find('\n') == line.size() - 1);
        json::object status;
        status["a\x1b[31m\n"] = "b\x07";
        CHECK(fit_for_a_terminal(render_members(status)));
        CHECK(fit_for_a_terminal(render_refusal(404, "{\"error\":\"x\\u001b\\n\",\"remedy\":\"y\\u0007\"}")));
    }

    TEST_CASE("a message says in words what it asks of TLS [REQTLS-04]") {
        const auto words = [](const char* tag) {
            const std::string text = render_message(json::object{{"tls", tag}}, noon);
            const std::size_t at = text.find("tls:");
            if (at == std::string::npos) return std::string();
            const std::size_t begin = text.find_first_not_of(' ', at + 4);
            return text.substr(begin, text.find('\n', begin) - begin);
        };
        CHECK(words("required") == "required on every hop (REQUIRETLS)");
        CHECK(words("optional") == "optional (TLS-Required: No)");
        CHECK(words("by-policy") == "by policy");
        CHECK(words("of a later version") == "of a later version");
        CHECK(words("").empty());
    }

    TEST_CASE("a message tells that it is on hold and that an attempt may have been a delivery") {
        json::object one = row();
        one["state"] = "on-hold";
        one["attempting"] = true;
        one["interrupted"] = 2;
        json::array rows;
        rows.emplace_back(std::move(one));
        const std::string text = render_message(json::object{{"recipients", rows}}, noon);
        CHECK(text.find("state:       on-hold\n") != std::string::npos);
        CHECK(text.find("next try:    -\n") != std::string::npos);
        CHECK(text.find("an attempt runs now") != std::string::npos);
        CHECK(text.find("2 attempts were cut off by the end of the daemon: possibly a duplicate\n") !=
              std::string::npos);
    }

    TEST_CASE("a shape is a table whose columns stand below one another") {
        const auto shape = json::parse(R"({"schema":1,"columns":["5m","older"],
            "total":{"recipients":12345,"ages":[1,12344]},
            "rows":[{"domain":"a\u001b.example","recipients":12,"ages":[1,11]}],
            "others":{"recipients":3,"ages":[0,3]}})")
                               .get_object();
        const std::string text = render_shape(shape);
        CHECK(fit_for_a_terminal(text));
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = text.find('\n', at);
            lines.push_back(text.substr(at, end - at));
            at = end + 1;
        }
        REQUIRE(lines.size() == 4);
        for (const std::string& line : lines) CHECK(line.size() == lines[0].size());
        CHECK(lines[1].ends_with("TOTAL   12345      1  12344"));
        CHECK(lines[3].ends_with("others       3      0      3"));
        CHECK(render_shape({}).find('\n') != std::string::npos);
    }

    TEST_CASE("rows with missing or wrong members are still shown") {
        json::array rows;
        rows.emplace_back(json::object());
        rows.emplace_back("not an object");
        json::object odd;
        odd["size"] = "big";
        odd["received_at"] = 7;
        rows.emplace_back(odd);
        const std::string text = render_rows(rows, noon);
        CHECK(std::count(text.begin(), text.end(), '\n') == 2);
    }

    TEST_CASE("an answer of another schema is refused with the remedy") {
        CHECK(parse_answer(R"({"schema":1})"));
        for (const char* bad : {"", "[]", "{}", R"({"schema":2})", "not json"}) {
            const auto answer = parse_answer(bad);
            REQUIRE_FALSE(answer);
            CHECK(answer.error().code == Errc::protocol);
        }
    }

    TEST_CASE("a refusal is one line of what is wrong and what to do") {
        CHECK(render_refusal(404, R"({"error":"no message X","remedy":"list them"})") ==
              "no message X; list them");
        CHECK(render_refusal(404, R"({"error":"no message X"})") == "no message X");
        CHECK(render_refusal(502, "<html>") == "the daemon answered with HTTP status 502; look at its log");
    }

    TEST_CASE("members of inner objects are named by their path") {
        const auto object =
            json::parse(R"({"schema":1,"queue":{"messages":3,"x":{"y":true}},"up":"1d"})").get_object();
        CHECK(render_members(object) == "queue.messages: 3\nqueue.x.y: true\nup: 1d\n");
    }

    TEST_CASE("all attempts are rendered and a damaged one says so") {
        const auto object = json::parse(R"({"schema":1,"id":"00000000001","attempts":[
            {"at":"2026-10-14T17:46:40.007Z","error":"the stored trace is damaged"},
            {"at":"2026-10-14T18:46:40.007Z","trace":{"schema":1,"domain":"example.net","outcome":"deferred",
             "summary":"held","rule":{"level":"auto","origin":"default"},"hops":[]}}]})")
                                .get_object();
        const std::string text = render_attempts(object);
        CHECK(text.find("00000000001 attempt 1 at 2026-10-14T17:46:40.007Z\nthe stored trace is damaged\n") ==
              0);
        CHECK(text.find("attempt 2 at") != std::string::npos);
        CHECK(text.find("example.net: deferred - held\n") != std::string::npos);
    }

    TEST_CASE("indented JSON means the same") {
        const std::string text = R"({"a":[1,{"b":"x\n"}],"c":{},"d":[],"e":null})";
        const std::string indented = indent_json(text).value();
        CHECK(json::parse(indented) == json::parse(text));
        CHECK(indented.starts_with("{\n  \"a\": [\n    1,\n    {\n      \"b\": \"x\\n\"\n    }\n  ],\n"));
        CHECK_FALSE(indent_json("{"));
    }

    TEST_CASE("durations and sizes are short") {
        CHECK(render_duration(-5s) == "0s");
        CHECK(render_duration(59'999ms) == "59s");
        CHECK(render_duration(60s) == "1m");
        CHECK(render_duration(3h + 12min) == "3h12m");
        CHECK(render_duration(51h) == "2d3h");
        CHECK(render_size(1023) == "1023");
        CHECK(render_size(1536) == "1.5K");
        CHECK(render_size(20U << 20) == "20.0M");
    }
}
