#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "mta/admin/handler.hpp"
#include "mta/admin/view.hpp"
#include "tests/mta/support/admin_scene.hpp"

using namespace sealpost;
using namespace std::chrono_literals;

namespace json = boost::json;
namespace test = sealpost::queue::test;

namespace {

const std::string first = test::id_of(1).str();
const std::string second = test::id_of(2).str();

std::vector<json::object> lines(const std::string& text) {
    std::vector<json::object> out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        out.push_back(json::parse(text.substr(at, end - at)).get_object());
        at = end + 1;
    }
    return out;
}

/// Three messages to one.example and two.example each.
void fill(AdminScene& daemon) {
    for (int i = 1; i <= 3; ++i)
        test::enqueue(daemon.store(), test::message(i, {"a@one.example", "b@two.example"}));
}

std::size_t count_of(const AdminScene& daemon, std::vector<std::string> filter) {
    filter.insert(filter.begin(), {"queue", "list", "--json"});
    return lines(daemon.run(filter).out).size();
}

}  // namespace

TEST_SUITE("mta/admin/queue") {
    TEST_CASE("the queue is listed one recipient a line in pages and filtered") {
        AdminScene daemon;
        fill(daemon);
        const auto all = daemon.run({"queue", "list", "--json"});
        CHECK(all.code == 0);
        CHECK(all.err.empty());
        REQUIRE(lines(all.out).size() == 6);
        for (const char* member : {"schema", "id", "sender", "recipient", "state", "size", "attempts",
                                   "next_attempt", "expires_at", "received_at"})
            CHECK(lines(all.out)[0].contains(member));

        const auto two = daemon.run({"queue", "list", "--domain", "two.*", "--limit", "2", "--json"});
        CHECK(lines(two.out).size() == 2);
        const std::size_t at = two.err.find("--after ");
        REQUIRE(at != std::string::npos);
        const std::string next = two.err.substr(at + 8, two.err.find('\n', at) - at - 8);
        const auto rest = daemon.run({"queue", "list", "--domain", "two.example", "--after", next});
        CHECK(std::count(rest.out.begin(), rest.out.end(), '\n') == 2);
        CHECK(rest.out.find(test::id_of(3).str()) != std::string::npos);
        CHECK(daemon.run({"queue", "list", "--held"}).out == "nothing is queued that matches\n");
        CHECK(count_of(daemon, {first, second, "--to", "a@*"}) == 2);
        const auto unknown = daemon.run({"queue", "list", first, "0000000000Z"});
        CHECK(unknown.code == 66);
        CHECK(unknown.out.empty());
        CHECK(unknown.err ==
              "sealpost: no message 0000000000Z in the queue; `sealpost queue list` shows what is "
              "there\n");
    }

    TEST_CASE("a message is shown retried and deleted and then unknown") {
        AdminScene daemon;
        test::enqueue(daemon.store(), test::message(1, {"a@one.example", "b@two.example"}));
        const auto shown = daemon.run({"queue", "show", first});
        CHECK(shown.code == 0);
        CHECK(shown.out.find("b@two.example") != std::string::npos);
        CHECK(daemon.run({"queue", "retry", first}).out == "2 recipients are due now\n");
        CHECK(daemon.run({"queue", "retry", "--domain", "one.example"}).out == "1 recipient is due now\n");
        CHECK(daemon.run({"queue", "delete", first}).out == "2 recipients are deleted\n");
        for (const char* verb : {"show", "retry", "hold", "release", "delete", "bounce"}) {
            const auto gone = daemon.run({"queue", verb, first});
            CHECK(gone.code == 66);
            CHECK(gone.out.empty());
            CHECK(gone.err.find(first) != std::string::npos);
            CHECK(std::count(gone.err.begin(), gone.err.end(), '\n') == 1);
        }
    }

    TEST_CASE("more than one message is changed only when that was agreed to") {
        AdminScene daemon;
        fill(daemon);
        const auto refused = daemon.run({"queue", "delete", "--all"});
        CHECK(refused.code == 64);
        CHECK(refused.out.empty());
        CHECK(refused.err.find("3 messages with 6 recipients of 2 domains") != std::string::npos);
        CHECK(refused.err.find("--yes") != std::string::npos);
        const auto looked = daemon.run({"queue", "delete", "--domain", "one.example", "--dry-run"});
        CHECK(looked.code == 0);
        CHECK(looked.out.find("3 messages with 3 recipients of 1 domain;") != std::string::npos);
        const auto machine = daemon.run({"queue", "bounce", "--all", "-n", "--json"});
        CHECK(lines(machine.out)[0].at("recipients") == 6);
        CHECK(lines(machine.out)[0].at("dry_run") == true);
        CHECK(count_of(daemon, {}) == 6);

        CHECK(daemon.run({"queue", "delete", "--domain", "one.example", "--yes"}).out ==
              "3 recipients are deleted\n");
        CHECK(count_of(daemon, {}) == 3);
        const auto all = daemon.run({"queue", "delete", "--all", "--yes", "--json"});
        CHECK(lines(all.out)[0].at("recipients") == 3);
        CHECK(lines(all.out)[0].at("messages_gone") == 3);
        CHECK(daemon.store().counters().messages == 0);
        CHECK(daemon.run({"queue", "delete", "--all"}).out == "nothing is queued that matches\n");
    }

    TEST_CASE("a change of much mail goes on over pages until there is no next") {
        AdminScene daemon;
        std::vector<std::string> many;
        for (int i = 0; i < 2500; ++i) many.push_back(fmt::format("u{}@one.example", i));
        test::enqueue(daemon.store(), test::message(1, many));
        const auto listed = daemon.run({"queue", "list", "--limit", "2200", "--json"});
        CHECK(lines(listed.out).size() == 2200);
        CHECK(daemon.run({"queue", "hold", first}).out == "2500 recipients are put on hold\n");
        CHECK(daemon.run({"queue", "hold", "--all"}).out == "0 recipients are put on hold\n");
        CHECK(daemon.run({"queue", "retry", "--all"}).out == "0 recipients are due now\n");
        CHECK(daemon.run({"queue", "release", "--state", "on-hold"}).out == "2500 recipients are released\n");
        CHECK(daemon.run({"queue", "delete", "--to", "u*@one.example"}).out ==
              "2500 recipients are deleted\n");
        CHECK(daemon.store().counters().messages == 0);
    }

    TEST_CASE("what is on hold says so in the list and when it is shown") {
        AdminScene daemon;
        fill(daemon);
        CHECK(daemon.run({"queue", "hold", first}).code == 0);
        CHECK(count_of(daemon, {"--state", "on-hold"}) == 2);
        const auto listed = daemon.run({"queue", "list", first});
        CHECK(listed.out.find(" on-hold  -  ") != std::string::npos);
        const auto shown = daemon.run({"queue", "show", first});
        CHECK(shown.out.find("queue release") != std::string::npos);
        CHECK(daemon.run({"queue", "release", first}).out == "2 recipients are released\n");
        CHECK(count_of(daemon, {"--state", "on-hold"}) == 0);
    }

    TEST_CASE("mail that comes in after the count is not changed") {
        AdminScene daemon;
        fill(daemon);
        const std::string until = queue::to_cursor({test::id_of(2), 1});
        const auto answer = daemon.ask("POST /v1/queue/delete", R"({"all":true,"until":")" + until + R"("})");
        CHECK(has_status(answer, 200));
        CHECK(daemon.store().counters().messages == 1);
    }

    TEST_CASE("the shape counts by domain of the recipient or the sender") {
        AdminScene daemon;
        fill(daemon);
        test::enqueue(daemon.store(), test::message(4, {"c@one.example"}));
        const auto shape = daemon.run({"queue", "shape"});
        CHECK(shape.code == 0);
        CHECK(shape.out.find("TOTAL       7") != std::string::npos);
        CHECK(shape.out.find("one.example       4") < shape.out.find("two.example       3"));
        const auto senders = lines(daemon.run({"queue", "shape", "--sender", "--json"}).out)[0];
        CHECK(senders.at("by") == "sender");
        CHECK(senders.at("complete") == true);
        CHECK(senders.at("columns").as_array().size() == 10);
        const auto& row = senders.at("rows").at(0).as_object();
        CHECK(row.at("domain") == "example.org");
        CHECK(row.at("recipients") == 7);
        CHECK(row.at("ages").as_array().size() == 10);
        const auto one = lines(daemon.run({"queue", "shape", "--limit", "1", "--json"}).out)[0];
        CHECK(one.at("others").at("recipients") == 3);
        CHECK(lines(daemon.run({"queue", "shape", "--domain", "t*", "--json"}).out)[0].at("total").at(
                  "recipients") == 3);
    }

    TEST_CASE("a bounce tells the sender why and never the null sender [DSN-03 DSN-04 SMTP-24]") {
        AdminScene daemon;
        fill(daemon);
        queue::NewMessage notice = test::message(4, {"c@one.example"});
        notice.envelope.sender = "";
        test::enqueue(daemon.store(), notice);
        CHECK(daemon.run({"queue", "bounce", first, "--domain", "two.example", "--text", "lab-closed"}).out ==
              "1 recipient is bounced; 1 notice to their senders\n");
        CHECK(count_of(daemon, {first}) == 1);
        const auto dsn =
            lines(daemon.run({"queue", "list", "--from", "<>", "--to", "sender@*", "--json"}).out);
        REQUIRE(dsn.size() == 1);
        const auto id = queue::MessageId::parse(std::string(dsn[0].at("id").as_string().c_str())).value();
        const auto loaded =
            test::value(test::committed(daemon.store(), [&] { return daemon.store().load_message(id); }));
        const std::string& body = std::get<queue::StoredMessage>(loaded).body;
        CHECK(body.find("lab-closed") != std::string::npos);
        CHECK(body.find("Status: 5.0.0\r\n") != std::string::npos);
        CHECK(body.find("Final-Recipient: rfc822; b@two.example\r\n") != std::string::npos);
        CHECK(body.find("a@one.example") == std::string::npos);
        const std::string nobody = test::id_of(4).str();
        CHECK(daemon.run({"queue", "bounce", nobody}).out ==
              "1 recipient is bounced; 0 notices to their senders\n");
        CHECK(daemon.run({"queue", "show", nobody}).code == 66);
    }

    TEST_CASE("a wrong filter is refused in one line before anything is asked of the daemon") {
        AdminScene daemon;
        fill(daemon);
        for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
                 {"--age", "yesterday"}, {"--state", "sleepy"}, {"--domain", "a..b"}, {"--reason", ""}}) {
            for (const char* verb : {"list", "retry", "hold", "release", "delete", "bounce", "shape"}) {
                std::vector<std::string> arguments{"queue", verb};
                arguments.insert(arguments.end(), bad.begin(), bad.end());
                const auto ran = daemon.run(arguments);
                CHECK(ran.code == 64);
                CHECK(ran.err.starts_with("sealpost: " + bad[0] + ": '"));
                CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
            }
        }
        CHECK(has_status(daemon.ask("POST /v1/queue/delete", R"({"state":"sleepy"})"), 400));
        CHECK(daemon.store().counters().recipients == 6);
    }
}
