#include "mta/daemon/log.hpp"

#include <doctest/doctest.h>

#include <regex>

namespace sealpost {

using namespace std::chrono_literals;

namespace {

DeliveryLine sent() {
    DeliveryLine line;
    line.queue_id = "0123456789A";
    line.recipient = "user@example.net";
    line.relay = "mx.example.net[192.0.2.1]:25";
    line.total = 1234ms;
    line.before = 1000ms;
    line.connecting = 200ms;
    line.sending = 34ms;
    line.dsn = "2.0.0";
    line.status = "sent";
    line.text = "250 2.0.0 Ok: queued as 4xyz";
    line.tls = "Verified(dane) protocol=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384";
    return line;
}

/// As log readers for Postfix take a line of smtp(8) apart.
const std::regex reader(
    R"re(^([0-9A-Za-z]+): to=<([^>]*)>, relay=([^,]+), delay=([0-9.]+), )re"
    R"re(delays=([0-9.]+)/([0-9.]+)/([0-9.]+)/([0-9.]+), dsn=([245]\.\d{1,3}\.\d{1,3}), )re"
    R"re(status=([a-z]+) \(([^)]*)\)(?: tls=(.*))?$)re");

std::smatch read(const std::string& line) {
    std::smatch found;
    CAPTURE(line);
    REQUIRE(std::regex_match(line, found, reader));
    return found;
}

}  // namespace

TEST_SUITE("mta/daemon/log") {
    TEST_CASE("a delivery that may be a second copy says so behind all that Postfix has") {
        DeliveryLine line = sent();
        line.possibly_duplicate = true;
        CHECK(format_delivery(line) == format_delivery(sent()) + " possibly-duplicate");
        CHECK(read(format_delivery(line))[10] == "sent");
    }

    TEST_CASE("a delivery is one line as Postfix writes it with the TLS word behind") {
        CHECK(format_delivery(sent()) ==
              "0123456789A: to=<user@example.net>, relay=mx.example.net[192.0.2.1]:25, delay=1.2, "
              "delays=1/0/0.2/0.034, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4xyz) "
              "tls=Verified(dane) protocol=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384");
    }

    TEST_CASE("a reader for Postfix finds every field") {
        const std::string text = format_delivery(sent());
        const std::smatch found = read(text);
        CHECK(found[1] == "0123456789A");
        CHECK(found[2] == "user@example.net");
        CHECK(found[3] == "mx.example.net[192.0.2.1]:25");
        CHECK(found[9] == "2.0.0");
        CHECK(found[10] == "sent");
        CHECK(found[11] == "250 2.0.0 Ok: queued as 4xyz");
    }

    TEST_CASE("every status word and relay keeps the form") {
        for (const std::string status : {"sent", "deferred", "bounced", "expired"}) {
            DeliveryLine line = sent();
            line.status = status;
            line.relay = "none";
            line.tls = "none";
            const std::string text = format_delivery(line);
            CHECK(read(text)[10] == status);
            CHECK(read(text)[3] == "none");
        }
    }

    TEST_CASE("times are plain decimals from nothing to weeks") {
        for (const auto& [time, printed] :
             {std::pair{0ms, "0"}, std::pair{1ms, "0.001"}, std::pair{12ms, "0.012"}, std::pair{999ms, "1"},
              std::pair{9940ms, "9.9"}, std::pair{9960ms, "10"}, std::pair{99'700ms, "100"},
              std::pair{123'456ms, "123"}, std::pair{Millis(std::chrono::days(5)), "432000"},
              std::pair{Millis(std::chrono::days(500)), "43200000"}}) {
            DeliveryLine line = sent();
            line.total = line.before = line.connecting = line.sending = time;
            const std::string text = format_delivery(line);
            const std::smatch found = read(text);
            CHECK(found[4] == printed);
            CHECK(found[5] == printed);
            CHECK(found[6] == "0");
            CHECK(found[7] == printed);
            CHECK(found[8] == printed);
        }
    }

    TEST_CASE("a clock that was set back does not make a time that readers cannot take") {
        DeliveryLine line = sent();
        line.total = -5s;
        line.before = -7s;
        const std::string text = format_delivery(line);
        CHECK(read(text)[4] == "0");
        CHECK(read(text)[5] == "0");
    }

    TEST_CASE("no reason ends before its end whatever the server said") {
        for (const std::string reason : {")", "((()))", "550 (x) status=sent (250 ok)",
                                         "x), dsn=2.0.0, status=sent (250 ok", "delays=0/0/0/0, dsn=2.0.0"}) {
            DeliveryLine line = sent();
            line.status = "bounced";
            line.dsn = "5.1.1";
            line.text = reason;
            const std::string text = format_delivery(line);
            const std::smatch found = read(text);
            CHECK(found[10] == "bounced");
            CHECK(found[9] == "5.1.1");
            CHECK(found[11].str().find_first_of("()") == std::string::npos);
            CHECK(found[11].str().size() == reason.size());
        }
    }

    TEST_CASE("a quoted local part cannot pretend to be the rest of the line") {
        DeliveryLine line = sent();
        line.recipient =
            "\"a>, relay=evil, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (x) y<\"@example.net";
        line.status = "bounced";
        line.dsn = "5.1.1";
        const std::string text = format_delivery(line);
        const std::smatch found = read(text);
        CHECK(found[10] == "bounced");
        CHECK(found[3] == "mx.example.net[192.0.2.1]:25");
    }
}

}  // namespace sealpost
