#include "queue/message.hpp"

#include <doctest/doctest.h>

#include <set>
#include <thread>

#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using test::noon;

TEST_SUITE("queue/message") {
    TEST_CASE("a queue id prints as 11 letters and digits and parses back") {
        for (const std::int64_t value : {std::int64_t{1}, std::int64_t{31}, std::int64_t{32},
                                         std::int64_t{1'800'000'000'000'000}, (std::int64_t{1} << 55) - 1}) {
            const std::string text = MessageId::from_value(value)->str();
            CHECK(text.size() == 11);
            CHECK(text.find_first_not_of("0123456789ABCDEFGHJKMNPQRSTVWXYZ") == std::string::npos);
            REQUIRE(MessageId::parse(text));
            CHECK(MessageId::parse(text)->value() == value);
        }
    }

    TEST_CASE("what is not a queue id is refused") {
        for (const std::string_view text :
             {"", "0", "00000000000", "0000000000I", "0000000000l", "0000000000u", "000000000001",
              "0000000000 ", "0000000000a", "-0000000001"})
            CHECK_FALSE(MessageId::parse(text));
        CHECK_FALSE(MessageId::from_value(0));
        CHECK_FALSE(MessageId::from_value(-1));
        CHECK_FALSE(MessageId::from_value(std::int64_t{1} << 55));
    }

    TEST_CASE("ids follow the clock forward and never come again when it jumps back") {
        MessageIdSource ids{0};
        const MessageId first = ids.next(noon);
        CHECK(first.value() == 1'800'000'000'000'000);
        const MessageId second = ids.next(noon);
        CHECK(second > first);
        const MessageId third = ids.next(noon - std::chrono::hours(24 * 365));
        CHECK(third > second);
        CHECK(ids.next(noon + std::chrono::hours(1)).value() == 1'800'003'600'000'000);
    }

    TEST_CASE("ids are different on all threads") {
        MessageIdSource ids{0};
        std::vector<std::vector<MessageId>> made(4);
        {
            std::vector<std::jthread> threads;
            for (auto& mine : made)
                threads.emplace_back([&ids, &mine] {
                    for (int i = 0; i < 2000; ++i) mine.push_back(ids.next(noon));
                });
        }
        std::set<MessageId> all;
        for (const auto& mine : made) all.insert(mine.begin(), mine.end());
        CHECK(all.size() == 8000);
    }

    TEST_CASE("an envelope that could break a line or a limit is not stored") {
        const auto bad = [](auto change) {
            NewMessage m = test::message(1, {"a@example.net"});
            change(m);
            return !validate(m);
        };
        CHECK(validate(test::message(1, {"a@example.net"})));
        CHECK(bad([](NewMessage& m) { m.recipients.clear(); }));
        CHECK(bad([](NewMessage& m) { m.envelope.sender = "a\r\nRCPT TO:<b@example.net>"; }));
        CHECK(bad([](NewMessage& m) { m.envelope.sender = std::string{"a\0b", 3}; }));
        CHECK(bad([](NewMessage& m) { m.envelope.sender.assign(2000, 'a'); }));
        CHECK(bad([](NewMessage& m) { m.recipients[0].address = "a@b\n"; }));
        CHECK(bad([](NewMessage& m) { m.recipients[0].domain.clear(); }));
        CHECK(bad([](NewMessage& m) { m.envelope.client_helo.assign(300, 'x'); }));
    }
}

}  // namespace sealpost::queue
