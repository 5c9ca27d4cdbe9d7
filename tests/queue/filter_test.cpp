#include "queue/filter.hpp"

#include <doctest/doctest.h>

#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using namespace std::chrono_literals;
using test::id_of;
using test::noon;

namespace {

using Parts = std::vector<std::pair<std::string_view, std::string_view>>;

Filter filter_of(const Parts& parts) {
    Filter filter;
    for (const auto& [key, text] : parts) {
        const auto set = set_filter(filter, key, text, noon);
        if (!set) FAIL(set.error().error);
    }
    return filter;
}

FilterSubject subject() {
    return {.id = {id_of(5), 3},
            .sender = "Joe@Lists.example.org",
            .address = "ann@mail.example.net",
            .domain = "mail.example.net",
            .status = "4.7.5",
            .reply = "450 Server certificate not trusted",
            .held = "dane-required",
            .state = RecipientState::queued,
            .received_at = noon - 2h};
}

}  // namespace

TEST_SUITE("queue/filter") {
    TEST_CASE("a star in a pattern stands for any text and letters for both cases") {
        struct Row {
            const char* pattern;
            const char* text;
            bool same;
        };
        for (const Row& row :
             {Row{"a@b.example", "A@B.Example", true}, Row{"a@b.example", "aa@b.example", false},
              Row{"*@b.example", "@b.example", true}, Row{"*", "", true}, Row{"**", "x", true},
              Row{"a*b*c", "axxbyyc", true}, Row{"a*b*c", "axxbyy", false},
              Row{"*.example", "b.example", true}, Row{"*.example", "example", false}, Row{"a*", "a", true},
              Row{"", "", true}, Row{"", "a", false}, Row{"a?c", "abc", false}, Row{"*aab", "aaaab", true},
              Row{"[a]*", "[a]b", true}}) {
            CAPTURE(row.pattern);
            CAPTURE(row.text);
            CHECK(matches_pattern(row.pattern, row.text) == row.same);
        }
    }

    TEST_CASE("each part of a filter decides alone and all of them together") {
        struct Row {
            Parts parts;
            bool match;
        };
        const std::string five = id_of(5).str();
        const std::string four = id_of(4).str();
        const std::string here = to_cursor({id_of(5), 3});
        const std::string before = to_cursor({id_of(5), 2});
        for (const Row& row :
             std::vector<Row>{{{}, true},
                              {{{"id", five}}, true},
                              {{{"id", four}}, false},
                              {{{"id", four}, {"id", five}}, true},
                              {{{"from", "joe@lists.example.org"}}, true},
                              {{{"from", "*@lists.example.org"}}, true},
                              {{{"from", "<>"}}, false},
                              {{{"from", "joe"}}, false},
                              {{{"to", "ann@*"}}, true},
                              {{{"to", "bob@*"}}, false},
                              {{{"domain", "Mail.Example.NET"}}, true},
                              {{{"domain", "example.net"}}, false},
                              {{{"domain", "*.example.net"}}, true},
                              {{{"state", "queued"}}, true},
                              {{{"state", "on-hold"}}, false},
                              {{{"state", "held"}}, true},
                              {{{"age", "2h"}}, true},
                              {{{"age", ">90m"}}, true},
                              {{{"age", "121min"}}, false},
                              {{{"reason", "certificate"}}, true},
                              {{{"reason", "CERTIFICATE NOT"}}, true},
                              {{{"reason", "4.7."}}, true},
                              {{{"reason", "4.7.5 450"}}, true},
                              {{{"reason", "greylisted"}}, false},
                              {{{"policy", "dane-required"}}, true},
                              {{{"policy", "dane-*"}}, true},
                              {{{"policy", "dane"}}, false},
                              {{{"state", "held"}, {"policy", "dane-*"}, {"state", "held"}}, true},
                              {{{"state", "held"}, {"policy", "sts-*"}, {"state", "held"}}, false},
                              {{{"until", here}}, true},
                              {{{"until", before}}, false},
                              {{{"domain", "*.example.net"}, {"age", "1h"}, {"from", "joe@*"}}, true},
                              {{{"domain", "*.example.net"}, {"age", "3h"}, {"from", "joe@*"}}, false}}) {
            CAPTURE(row.parts.empty() ? "" : row.parts.back().first);
            CAPTURE(row.parts.empty() ? "" : row.parts.back().second);
            CHECK(matches(filter_of(row.parts), subject()) == row.match);
        }
        FilterSubject notice = subject();
        notice.sender = "";
        CHECK(matches(filter_of({{"from", "<>"}}), notice));
        FilterSubject free = subject();
        free.held = "";
        CHECK_FALSE(matches(filter_of({{"policy", "*"}}), free));
        FilterSubject told = subject();
        told.held = "dane-required: no TLSA record of mx.example.net";
        CHECK(matches(filter_of({{"policy", "dane-required"}}), told));
    }

    TEST_CASE("a value that cannot be meant is refused with its key and with what to write") {
        struct Row {
            const char* key;
            const char* value;
        };
        for (const Row& row : {Row{"id", "short"},
                               Row{"id", ""},
                               Row{"from", ""},
                               Row{"from", "a\nb"},
                               Row{"to", ""},
                               Row{"domain", "a..b"},
                               Row{"domain", ""},
                               Row{"domain", "*.b\xC3\xBC.example"},
                               Row{"domain", "[300.1.1.1]"},
                               Row{"state", "sleepy"},
                               Row{"state", ""},
                               Row{"age", "2"},
                               Row{"age", "<2h"},
                               Row{"age", "2 h"},
                               Row{"age", "m"},
                               Row{"age", "-2h"},
                               Row{"age", "99999999d"},
                               Row{"before", "yesterday"},
                               Row{"before", "-1"},
                               Row{"before", ""},
                               Row{"reason", ""},
                               Row{"policy", ""},
                               Row{"until", "x"},
                               Row{"until", "00000000001."},
                               Row{"until", "00000000001.99999999999"},
                               Row{"until", "00000000001.-1"}}) {
            CAPTURE(row.key);
            CAPTURE(row.value);
            Filter filter;
            const auto set = set_filter(filter, row.key, row.value, noon);
            REQUIRE_FALSE(set);
            CHECK(set.error().error.starts_with(std::string(row.key) + ": '"));
            CHECK(set.error().error.find('\n') == std::string::npos);
            CHECK_FALSE(set.error().remedy.empty());
            CHECK(filter == Filter{});
        }
        Filter filter;
        CHECK_FALSE(set_filter(filter, "colour", "red", noon));
        REQUIRE(set_filter(filter, "age", "2h", noon));
        CHECK_FALSE(set_filter(filter, "age", "3h", noon));
        CHECK_FALSE(set_filter(filter, "from", std::string(1025, 'a'), noon));
        for (std::size_t i = 1; i <= max_filter_ids; ++i)
            REQUIRE(set_filter(filter, "id", id_of(static_cast<std::int64_t>(i)).str(), noon));
        CHECK_FALSE(set_filter(filter, "id", id_of(501).str(), noon));
        CHECK(set_filter(filter, "id", id_of(500).str(), noon));  // it is there already
    }

    TEST_CASE("a filter goes over the wire and comes back the same") {
        const Filter filter = filter_of({{"id", id_of(9).str()},
                                         {"id", id_of(2).str()},
                                         {"from", "<>"},
                                         {"to", "a*@b.example"},
                                         {"domain", "[IPv6:2001:db8::1]"},
                                         {"state", "on-hold"},
                                         {"age", ">2h"},
                                         {"reason", "a \"b\" & c"},
                                         {"policy", "sts-*"},
                                         {"until", to_cursor({id_of(9), 4})}});
        Filter again;
        for (const auto& [key, text] : filter_parts(filter)) REQUIRE(set_filter(again, key, text, noon + 1h));
        CHECK(again == filter);
        CHECK(again.ids.front() == id_of(2));
        CHECK(again.before == noon - 2h);  // an age is a time from the start on
        CHECK_FALSE(again.all());
        CHECK(filter_of({{"until", to_cursor({id_of(9), 4})}}).all());
        CHECK(filter_parts(Filter{}).empty());
    }
}

}  // namespace sealpost::queue
