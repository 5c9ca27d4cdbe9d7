#include "mta/smtp/received.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using sealpost::Address;
using sealpost::Domain;
using sealpost::format_date;
using sealpost::IpAddress;
using sealpost::received_field;
using sealpost::ReceivedFacts;

namespace {

constexpr auto at(std::int64_t seconds) {
    return std::chrono::system_clock::time_point(std::chrono::seconds(seconds));
}

ReceivedFacts facts() {
    return {.helo = "client.example",
            .client = IpAddress::parse("192.0.2.1").value(),
            .by = Domain::parse("mail.example").value(),
            .esmtp = true,
            .tls_cipher = {},
            .queue_id = "0000000A1B2C",
            .only_recipient = std::nullopt,
            .time = at(1795378629)};
}

std::size_t longest_line(std::string_view text) {
    std::size_t longest = 0;
    while (!text.empty()) {
        const std::size_t end = text.find("\r\n");
        longest = std::max(longest, end);
        text.remove_prefix(end + 2);
    }
    return longest;
}

}  // namespace

TEST_SUITE("mta/smtp/received") {
    TEST_CASE("a date is in the Internet form and in UTC [5322 §3.3]") {
        CHECK(format_date(at(0)) == "Thu, 01 Jan 1970 00:00:00 +0000");
        CHECK(format_date(at(1795378629)) == "Sun, 22 Nov 2026 20:17:09 +0000");
        CHECK(format_date(at(1709210096)) == "Thu, 29 Feb 2024 12:34:56 +0000");
        CHECK(format_date(at(-1)) == "Wed, 31 Dec 1969 23:59:59 +0000");
        CHECK(format_date(at(0) + std::chrono::milliseconds(999)) == "Thu, 01 Jan 1970 00:00:00 +0000");
    }

    TEST_CASE("the Received field tells from whom and by whom and how [SMTP-27]") {
        CHECK(received_field(facts()) ==
              "Received: from client.example ([192.0.2.1]) by mail.example (Sealpost)\r\n"
              "\twith ESMTP id 0000000A1B2C; Sun, 22 Nov 2026 20:17:09 +0000\r\n");
        ReceivedFacts six = facts();
        six.client = IpAddress::parse("2001:db8::1").value();
        six.smtputf8 = true;
        CHECK(received_field(six).find("with UTF8SMTP id") != std::string::npos);
        six.tls_cipher = "TLS_AES_256_GCM_SHA384";
        CHECK(received_field(six).find("with UTF8SMTPS id") != std::string::npos);
        six.tls_cipher.clear();
        six.esmtp = false;
        CHECK(received_field(six).find("([IPv6:2001:db8::1])") != std::string::npos);
        CHECK(received_field(six).find("with SMTP id") != std::string::npos);
    }

    TEST_CASE("the Received field tells of TLS and its cipher suite [TLS-21]") {
        ReceivedFacts secured = facts();
        secured.tls_cipher = "TLS_AES_256_GCM_SHA384";
        CHECK(received_field(secured) ==
              "Received: from client.example ([192.0.2.1]) by mail.example (Sealpost)\r\n"
              "\twith ESMTPS id 0000000A1B2C tls TLS_AES_256_GCM_SHA384;\r\n"
              "\tSun, 22 Nov 2026 20:17:09 +0000\r\n");
        secured.only_recipient = Address::parse("bob@example.org").value();
        CHECK(received_field(secured).find("for <bob@example.org>") <
              received_field(secured).find("tls TLS_AES_256_GCM_SHA384;"));
        secured.esmtp = false;
        CHECK(received_field(secured).find("with SMTP id") != std::string::npos);
        CHECK(received_field(facts()).find("tls") == std::string::npos);
    }

    TEST_CASE("a recipient is named only when it is the only one [SMTP-27]") {
        ReceivedFacts one = facts();
        CHECK(received_field(one).find(" for ") == std::string::npos);
        one.only_recipient = Address::parse("bob@example.org").value();
        CHECK(received_field(one).find("for <bob@example.org>;") != std::string::npos);
    }

    TEST_CASE("nothing from outside can add a line or a comment [SMTP-27]") {
        ReceivedFacts hostile = facts();
        hostile.helo = "a\r\nBcc: x@example.org\r\n\r\n(\"<b>;";
        const std::string field = received_field(hostile);
        CHECK(field.find("Bcc:") != std::string::npos);   // as a word of the name ...
        CHECK(field.find("\nBcc") == std::string::npos);  // ... and not as a field
        CHECK(field.starts_with("Received: from a??Bcc:?x?example.org"));
        hostile.helo = "";
        CHECK(received_field(hostile).starts_with("Received: from unknown ("));
    }

    TEST_CASE("lines stay under 78 columns where words allow and under 998 always [SMTP-32]") {
        ReceivedFacts long_one = facts();
        long_one.only_recipient =
            Address::parse("a.rather.long.local.part@a.rather.long.domain.example").value();
        CHECK(longest_line(received_field(long_one)) < 78);
        long_one.helo = std::string(5000, 'x');
        CHECK(longest_line(received_field(long_one)) < 300);
    }

}  // TEST_SUITE("mta/smtp/received")
