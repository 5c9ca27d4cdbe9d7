#include "mta/admin/request.hpp"

#include <doctest/doctest.h>

using namespace sealpost;
using namespace sealpost::admin;

namespace {

const queue::MessageId id = queue::MessageId::from_value(123'456'789).value();
const Domain example = Domain::parse("example.org").value();

Request parsed(const Call& call) {
    const auto request = parse_request(call);
    if (!request) FAIL(request.error().error);
    return *request;
}

Refusal refused(const Call& call) {
    const auto request = parse_request(call);
    CAPTURE(call.target);
    CAPTURE(call.body);
    REQUIRE_FALSE(request);
    CHECK_FALSE(request.error().error.empty());
    CHECK_FALSE(request.error().remedy.empty());
    return request.error();
}

}  // namespace

TEST_SUITE("mta/admin/request") {
    TEST_CASE("what a client encodes the server reads as the same request") {
        queue::Filter filter;
        const queue::Time now{std::chrono::days(20'000)};
        for (const auto& [key, value] :
             std::vector<std::pair<const char*, std::string>>{{"id", id.str()},
                                                              {"from", "a+b&c=d%e f\xC3\xA4@example.org"},
                                                              {"to", "*@example.net"},
                                                              {"domain", "[IPv6:2001:db8::1]"},
                                                              {"state", "parked"},
                                                              {"age", ">2h"},
                                                              {"reason", "a \"b\" & c"},
                                                              {"policy", "dane-*"},
                                                              {"until", queue::to_cursor({id, 9})}})
            REQUIRE(queue::set_filter(filter, key, value, now));
        const ListQueue full{filter, queue::RecipientId{id, 7}, 1000};
        queue::Filter null_sender;
        null_sender.from = "";
        const ChangeQueue bounce{QueueChange::bounce, filter, full.after, "because"};
        const queue::Day day = parse_day("2026-10-14").value();
        for (const Request& request :
             {Request(ShowStatus{}), Request(ShowMetrics{}), Request(ListQueue{}), Request(full),
              Request(ListQueue{null_sender, {}, 5}), Request(CountQueue{}), Request(CountQueue{filter}),
              Request(ShapeQueue{}), Request(ShapeQueue{filter, ShapeBy::sender, 7}),
              Request(ShowMessage{id}), Request(ChangeQueue{}),
              Request(ChangeQueue{QueueChange::hold, null_sender, full.after, {}}), Request(bounce),
              Request(ShowTrace{id}), Request(ListReports{day, "example.org", 5}),
              Request(ShowReport{day, example})}) {
            const Request again = parsed(encode(request));
            CHECK(again.index() == request.index());
            CHECK(encode(again) == encode(request));
        }
        const Request read = parsed(encode(full));
        const auto& list = std::get<ListQueue>(read);
        CHECK(list.filter == filter);
        CHECK(list.after == full.after);
        CHECK(list.limit == 1000);
        const Request changed = parsed(encode(bounce));
        CHECK(std::get<ChangeQueue>(changed).filter == filter);
        CHECK(std::get<ChangeQueue>(changed).text == "because");
    }

    TEST_CASE("unknown repeated or malformed parameters are refused") {
        for (const char* target : {"/v1/queue?colour=red",
                                   "/v1/queue?state=queued&state=queued",
                                   "/v1/queue?state",
                                   "/v1/queue?age=2h",
                                   "/v1/queue?id=short",
                                   "/v1/queue?id=00000000001,",
                                   "/v1/queue/count?limit=1",
                                   "/v1/queue/shape?by=colour",
                                   "/v1/queue/shape?limit=1001",
                                   "/v1/queue?limit=0",
                                   "/v1/queue?limit=1001",
                                   "/v1/queue?limit=-1",
                                   "/v1/queue?limit=1x",
                                   "/v1/queue?limit=",
                                   "/v1/queue?state=sleepy",
                                   "/v1/queue?domain=a..b",
                                   "/v1/queue?domain=",
                                   "/v1/queue?from=%4",
                                   "/v1/queue?from=%zz",
                                   "/v1/queue?after=x",
                                   "/v1/queue?&",
                                   "/v1/queue?after=00000000001.",
                                   "/v1/queue?after=00000000001.99999999999",
                                   "/v1/status?x=1",
                                   "/v1/metrics?x=1",
                                   "/v1/queue/short",
                                   "/v1/queue/00000000001?x=1",
                                   "/v1/trace/..",
                                   "/v1/report",
                                   "/v1/report?day=2026-02-30",
                                   "/v1/report?day=2026-1-01",
                                   "/v1/report?day=1969-12-31",
                                   "/v1/report?day=2026-10-14&domain=example.org&limit=2"})
            CHECK(refused({"GET", target, ""}).status == 400);
        CHECK(refused({"GET", "/v1/status", "body"}).status == 400);
    }

    TEST_CASE("an unknown path is 404 and a wrong method 405 with what is allowed") {
        for (const char* target : {"/", "", "/v2/status", "/v1/queue/", "/v1/queue/a/b", "/v1/trace",
                                   "/v1/queues", "/v1/status/", "*"})
            CHECK(refused({"GET", target, ""}).status == 404);
        CHECK(refused({"POST", "/v1/status", ""}).allow == "GET");
        CHECK(refused({"POST", "/v1/metrics", ""}).allow == "GET");
        for (const QueueChange change : queue_changes)
            CHECK(refused({"GET", "/v1/queue/" + std::string(to_string(change)), ""}).allow == "POST");
        CHECK(refused({"PUT", "/v1/queue/00000000001", ""}).allow == "GET");
        CHECK(refused({"DELETE", "/v1/queue", ""}).status == 405);
    }

    TEST_CASE("a change names a filter or all mail and never neither") {
        const auto hold = [](const char* body) { return Call{"POST", "/v1/queue/hold", body}; };
        CHECK(std::get<ChangeQueue>(parsed(hold(R"({"domain":"Example.ORG"})"))).filter.domain ==
              "example.org");
        CHECK(std::get<ChangeQueue>(parsed(hold(R"({"all":true})"))).filter.all());
        CHECK(std::get<ChangeQueue>(parsed(hold(R"({"id":"00000000001,00000000002"})"))).filter.ids.size() ==
              2);
        for (const char* body :
             {"", "[]", "{}", "{", R"({"all":false})", R"({"all":1})", R"({"id":"x"})", R"({"id":1})",
              R"({"all":true,"domain":"example.org"})", R"({"after":"00000000001.0"})",
              R"({"until":"00000000001.0"})", R"({"all":true,"after":7})", R"({"domain":"a b"})",
              R"({"age":"2h"})", R"({"colour":"red"})", R"({"all":true,"text":"only a bounce has one"})",
              R"({"all":true} x)"})
            CHECK(refused(hold(body)).status == 400);
    }

    TEST_CASE("what a refusal repeats of the request is printable") {
        const Refusal refusal = refused({"GET", "/v1/\x1b[31m\n", ""});
        CHECK(refusal.error.find('\x1b') == std::string::npos);
        CHECK(refusal.error.find('\n') == std::string::npos);
    }

    TEST_CASE("a day is a date of the calendar from 1970 on") {
        CHECK(format_day(parse_day("2024-02-29").value()) == "2024-02-29");
        CHECK(format_day(parse_day("1970-01-01").value()) == "1970-01-01");
        for (const char* bad : {"2023-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "20240101",
                                "-001-01-01", "2024-01-01 ", ""})
            CHECK_FALSE(parse_day(bad));
    }
}
