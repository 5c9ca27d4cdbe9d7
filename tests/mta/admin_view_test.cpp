#include "mta/admin/view.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>

using namespace sealpost;
using namespace sealpost::admin;

namespace {

const queue::MessageId id = queue::MessageId::from_value(1).value();

queue::RecipientRow row() {
    queue::RecipientRow out{.id = {id, 2},
                            .sender = "a@example.org",
                            .recipient = {"b@example.net", "example.net", {}, {}},
                            .last_attempt = std::nullopt,
                            .last_host = {},
                            .last_status = {},
                            .last_reply = {},
                            .held_reason = {}};
    out.size = 10;
    return out;
}

}  // namespace

TEST_SUITE("mta/admin/view") {
    TEST_CASE("a time is printed and read back to the millisecond") {
        const queue::Time time{std::chrono::milliseconds(1'792'000'000'007)};
        CHECK(format_time(time) == "2026-10-14T17:46:40.007Z");
        CHECK(parse_time(format_time(time)) == time);
        CHECK(format_time(queue::Time{}) == "1970-01-01T00:00:00.000Z");
        for (const char* bad :
             {"", "2026-10-14T17:46:40Z", "2026-10-14T24:00:00.000Z", "2026-10-14T17:60:40.007Z",
              "2026-10-14 17:46:40.007Z", "2026-10-14T17:46:40.00xZ", "2026-10-14T-1:46:40.007Z"})
            CHECK_FALSE(parse_time(bad));
    }

    TEST_CASE("a page leaves out what is not known and tells where to go on") {
        queue::Page page;
        page.rows.push_back(row());
        const auto all = boost::json::parse(page_json(page)).get_object();
        CHECK(all.at("schema") == 1);
        CHECK_FALSE(all.contains("next"));
        const auto& first = all.at("rows").at(0).get_object();
        CHECK(first.at("id").as_string() == "00000000001");
        CHECK_FALSE(first.contains("held"));
        CHECK_FALSE(first.contains("last_attempt"));

        page.next = queue::RecipientId{id, 2};
        CHECK(boost::json::parse(page_json(page)).at("next").as_string() == "00000000001.2");
    }

    TEST_CASE("a message tells what it asks of TLS [REQTLS-04]") {
        using security::MessageTls;
        queue::MessageDetail detail{
            .id = id, .envelope = {}, .frozen_reason = {}, .recipients = {}, .attempts = {}};
        for (const auto& [tls, word] :
             {std::pair{MessageTls::by_policy, "by-policy"}, std::pair{MessageTls::required, "required"},
              std::pair{MessageTls::optional, "optional"}}) {
            detail.envelope.tls = tls;
            CHECK(boost::json::parse(message_json(detail)).at("tls").as_string() == word);
        }
    }

    TEST_CASE("remote octets that are not text leave as valid JSON without control characters") {
        queue::Page page;
        page.rows.push_back(row());
        page.rows[0].last_reply = "550 \x1b[2J\xff\xed\xa0\x80 \"no\"";
        const std::string text = page_json(page);
        for (const char c : text) CHECK(static_cast<unsigned char>(c) >= 0x20);
        const boost::json::value value = boost::json::parse(text);
        const auto& reply = value.at("rows").at(0).at("reply").as_string();
        CHECK(std::string_view(reply.data(), reply.size()).starts_with("550 "));
        CHECK(std::string_view(reply.data(), reply.size()).ends_with("\"no\""));
    }

    TEST_CASE("a damaged trace is named and hides no other") {
        const std::string text =
            trace_json(id, {{queue::Time{}, "{\"schema\":1"}, {queue::Time{}, R"({"schema":1})"}});
        const auto value = boost::json::parse(text);
        CHECK(value.at("attempts").at(0).as_object().contains("error"));
        CHECK(value.at("attempts").at(1).at("trace").at("schema") == 1);
    }

    TEST_CASE("a list of domains has a next only when there are more") {
        const std::vector<Domain> domains{Domain::parse("a.example").value(),
                                          Domain::parse("b.example").value()};
        CHECK(domains_json(domains, true) ==
              R"({"schema":1,"next":"b.example","domains":["a.example","b.example"]})");
        CHECK(domains_json(domains, false) == R"({"schema":1,"domains":["a.example","b.example"]})");
        CHECK(domains_json({}, false) == R"({"schema":1,"domains":[]})");
    }
}
