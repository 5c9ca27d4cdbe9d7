#include "queue/dsn.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>

#include "security/tls_required.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost::queue {

using test::id_of;
using test::noon;

namespace {

const std::string original_body =
    "Received: from client.example\r\nFrom: <sender@example.org>\r\nSubject: hello\r\n\r\nFirst "
    "line\r\n.dot\r\n";

struct Fixture {
    Envelope envelope = test::message(1, {"a@example.net"}).envelope;
    std::string body = original_body;
    FailureDsn dsn{.hostname = "mail.example.org",
                   .id = id_of(1'800'000'000'000'001),
                   .original_id = id_of(1'700'000'000'000'000),
                   .original_body = {},
                   .recipients = {},
                   .envelope_id = {},
                   .contact = {}};

    Fixture() {
        dsn.date = noon;
        dsn.expires_at = noon + std::chrono::hours(24);
        dsn.recipients.push_back(rejected());
    }
    static FailedRecipient rejected() {
        FailedRecipient r{.address = "a@example.net",
                          .orcpt = {},
                          .status = "5.1.1",
                          .remote_mta = "mx.example.net",
                          .reply = "550 5.1.1 <a@example.net>: unknown user",
                          .reason = {},
                          .remedy = {},
                          .last_attempt = noon};
        return r;
    }
    std::optional<NewMessage> build() {
        dsn.original = &envelope;
        dsn.original_body = body;
        return build_failure_dsn(dsn);
    }
    std::string text() {
        auto built = build();
        REQUIRE(built);
        REQUIRE(validate(*built));
        return built->body;
    }
};

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

std::size_t count(const std::string& text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
}

// What SMTP demands of every message: CRLF alone ends lines, none is longer than 998 octets.
void check_lines(const std::string& text) {
    std::size_t line = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r') {
            REQUIRE(i + 1 < text.size());
            REQUIRE(text[i + 1] == '\n');
            ++i;
            line = 0;
        } else {
            REQUIRE(text[i] != '\n');
            REQUIRE(text[i] != '\0');
            REQUIRE(++line <= 998);
        }
    }
    CHECK(line == 0);
}

}  // namespace

TEST_SUITE("queue/dsn") {
    TEST_CASE("a REQUIRETLS message comes back as its header alone and tagged [REQTLS-17 REQTLS-21 DSN-19]") {
        for (const bool headers_only : {false, true}) {
            Fixture f;
            f.dsn.headers_only = headers_only;  // RET=FULL is disregarded
            f.envelope.tls = security::MessageTls::required;
            const auto built = f.build();
            REQUIRE(built);
            CHECK(built->envelope.tls == security::MessageTls::required);
            CHECK(built->envelope.sender.empty());
            CHECK(has(built->body, "Content-Type: text/rfc822-headers\r\n"));
            CHECK(has(built->body, "Subject: hello\r\n"));
            CHECK_FALSE(has(built->body, "First line"));
            CHECK(has(built->body, "only its header"));
            CHECK_FALSE(has(built->body, "TLS-Required"));
            check_lines(built->body);
        }
    }

    TEST_CASE("the notice of a TLS-Required No message says the same of itself [REQTLS-21]") {
        Fixture f;
        f.envelope.tls = security::MessageTls::optional;
        const auto built = f.build();
        REQUIRE(built);
        CHECK(built->envelope.tls == security::MessageTls::optional);
        CHECK(security::parse_tls_required(built->body) == security::TlsRequiredField::no);
        CHECK(has(built->body, "First line"));
        check_lines(built->body);
    }

    TEST_CASE("the notice of any other message asks nothing of TLS [REQTLS-21]") {
        Fixture f;
        f.body = "TLS-Required: No\r\n" + original_body;  // as the message said when REQUIRETLS overruled it
        const auto built = f.build();
        REQUIRE(built);
        CHECK(built->envelope.tls == security::MessageTls::by_policy);
        CHECK(security::parse_tls_required(built->body) == security::TlsRequiredField::absent);
        CHECK(has(built->body, "First line"));
    }

    TEST_CASE("a failure makes a multipart report of three parts [DSN-08 DSN-10 DSN-11 DSN-18]") {
        Fixture f;
        f.dsn.envelope_id = "env-1";
        f.dsn.recipients[0].orcpt = "rfc822;Original@example.net";
        const std::string text = f.text();
        check_lines(text);
        for (const std::string_view part :
             {"From: Mail Delivery System <MAILER-DAEMON@mail.example.org>\r\n",
              "To: <sender@example.org>\r\n", "Auto-Submitted: auto-replied\r\n", "MIME-Version: 1.0\r\n",
              "Content-Type: multipart/report; report-type=delivery-status;\r\n",
              "Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n", "Content-Type: message/delivery-status\r\n",
              "Reporting-MTA: dns; mail.example.org\r\n", "Original-Envelope-Id: env-1\r\n",
              "Arrival-Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n",
              "Original-Recipient: rfc822; Original@example.net\r\n",
              "Final-Recipient: rfc822; a@example.net\r\n", "Action: failed\r\n", "Status: 5.1.1\r\n",
              "Remote-MTA: dns; mx.example.net\r\n",
              "Diagnostic-Code: smtp; 550 5.1.1 <a@example.net>: unknown user\r\n",
              "Last-Attempt-Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n", "Content-Type: message/rfc822\r\n"}) {
            CAPTURE(part);
            CHECK(has(text, part));
        }
        CHECK(has(text, original_body));
        // Kept on request, to be read by another program.
        if (const char* file = std::getenv("SEALPOST_DSN_SAMPLE"))
            std::ofstream{file, std::ios::binary} << text;
    }

    TEST_CASE("the notice goes from the null sender to the sender alone [DSN-03]") {
        Fixture f;
        const auto built = f.build().value();
        CHECK(built.envelope.sender.empty());
        REQUIRE(built.recipients.size() == 1);
        CHECK(built.recipients[0].address == "sender@example.org");
        CHECK(built.recipients[0].domain == "example.org");
        CHECK(built.recipients[0].notify == "NEVER");
        CHECK(built.id == f.dsn.id);
    }

    TEST_CASE("nobody is told about mail from the null sender [DSN-04 SMTP-24 SMTP-25]") {
        Fixture f;
        f.envelope.sender.clear();
        CHECK_FALSE(f.build());
        for (const char* broken : {"nobody", "@example.org", "user@", "a\r\nBcc: b@c", "a>, <b@example.org",
                                   "a@example.org>, <b@example.com"}) {
            f.envelope.sender = broken;
            CHECK_FALSE(f.build());
        }
        Fixture none;
        none.dsn.recipients.clear();
        CHECK_FALSE(none.build());
    }

    TEST_CASE("a source route is left out of the address [SMTP-26]") {
        Fixture f;
        f.envelope.sender = "@one.example,@two.example:user@three.example";
        CHECK(f.build()->recipients[0].address == "user@three.example");
        CHECK(f.build()->recipients[0].domain == "three.example");
        CHECK(final_mailbox("user@example.org") == "user@example.org");
    }

    TEST_CASE("remote words cannot add a header or a part") {
        Fixture f;
        const std::string evil = "550 no\r\nBcc: victim@example.com\r\n\r\n--=_" + f.dsn.id.str() +
                                 "/0\r\nContent-Type: text/html\r\n\r\n\x01\x80\xFF" + std::string(5000, 'x');
        FailedRecipient& r = f.dsn.recipients[0];
        r.reply = r.reason = r.remedy = r.remote_mta = r.orcpt = evil;
        r.address = "a\"\r\nBcc: x@example.com\r\n\"@example.net";
        r.status = "5.1.1\r\nBcc: y";
        f.dsn.envelope_id = evil;
        f.dsn.contact = evil;
        const std::string text = f.text();
        check_lines(text);
        CHECK_FALSE(has(text, "\r\nBcc:"));
        CHECK_FALSE(has(text, "\r\nContent-Type: text/html"));
        CHECK_FALSE(has(text, "\r\n--=_" + f.dsn.id.str() + "/0"));
        CHECK(count(text, "\r\n--=_" + f.dsn.id.str() + "/1") == 4);
        for (const char c : text) REQUIRE(static_cast<unsigned char>(c) < 127);
    }

    TEST_CASE("the boundary stands nowhere in the returned message") {
        Fixture f;
        f.body += "--=_" + f.dsn.id.str() + "/0\r\n--=_" + f.dsn.id.str() + "/1--\r\n";
        const std::string text = f.text();
        CHECK(has(text, "boundary=\"=_" + f.dsn.id.str() + "/2\""));
        CHECK(count(text, "\r\n--=_" + f.dsn.id.str() + "/2") == 4);
    }

    TEST_CASE("a status fits the action [DSN-12]") {
        const struct {
            const char* given;
            bool expired;
            const char* printed;
        } rows[] = {{"5.7.1", false, "5.7.1"},    {"4.7.5", true, "4.7.5"}, {"4.7.5", false, "5.7.5"},
                    {"", false, "5.0.0"},         {"", true, "4.4.7"},      {"2.0.0", false, "5.0.0"},
                    {"5.07.1", false, "5.0.0"},   {"5.1", false, "5.0.0"},  {"5.1.1.1", false, "5.0.0"},
                    {"5.1000.1", false, "5.0.0"}, {"5.0.0", false, "5.0.0"}};
        for (const auto& row : rows) {
            CAPTURE(row.given);
            Fixture f;
            f.dsn.recipients[0].status = row.given;
            f.dsn.recipients[0].expired = row.expired;
            CHECK(has(f.text(), std::string{"\r\nStatus: "} + row.printed + "\r\n"));
        }
    }

    TEST_CASE("without a remote host there is no diagnostic of one [DSN-11]") {
        Fixture f;
        f.dsn.recipients[0].remote_mta.clear();
        f.dsn.recipients[0].reply.clear();
        const std::string text = f.text();
        CHECK_FALSE(has(text, "Remote-MTA"));
        CHECK_FALSE(has(text, "Diagnostic-Code"));
        CHECK_FALSE(has(text, "Original-Recipient"));
        CHECK_FALSE(has(text, "Original-Envelope-Id"));
    }

    TEST_CASE("a policy failure names the policy and its host and the remedy in plain words [DSN-17]") {
        Fixture f;
        FailedRecipient& r = f.dsn.recipients[0];
        r.reason = "DANE: no certificate of mx.example.net matches its TLSA records (DNSSEC: secure)";
        r.remedy = "the administrator of example.net must publish a TLSA record for the new key";
        r.expired = true;
        const std::string text = f.text();
        CHECK(has(text, "Why: DANE: no certificate of mx.example.net"));
        CHECK(has(text, "What helps: the administrator of example.net"));
        CHECK(has(text, "time in the queue ran out"));
    }

    TEST_CASE("a large or malformed original comes back as headers only [DSN-09]") {
        Fixture f;
        SUBCASE("large") {
            f.dsn.return_size = original_body.size() - 1;
        }
        SUBCASE("asked for") {
            f.dsn.headers_only = true;
        }
        SUBCASE("bare LF") {
            f.body += "bare\nline\r\n";
        }
        SUBCASE("no final line end") {
            f.body += "tail";
        }
        SUBCASE("long line") {
            f.body += std::string(999, 'x') + "\r\n";
        }
        SUBCASE("NUL") {
            f.body += std::string{"\0\r\n", 3};
        }
        const std::string text = f.text();
        check_lines(text);
        CHECK(has(text, "Content-Type: text/rfc822-headers\r\n"));
        CHECK_FALSE(has(text, "First line"));
        CHECK(has(text, "From: <sender@example.org>\r\n"));
    }

    TEST_CASE("hostile headers are cut to lines that may be sent and to the limit") {
        Fixture f;
        f.body =
            "X: " + std::string(5000, 'a') + "\r\nY: \x80\x01\rz\nBcc: q\r\n" + std::string(100'000, 'b');
        f.dsn.return_size = 3000;
        const std::string text = f.text();
        check_lines(text);
        CHECK(text.size() < 8000);
        for (const char c : text) REQUIRE(static_cast<unsigned char>(c) < 127);
    }

    TEST_CASE("an 8-bit original makes an 8-bit notice and says so") {
        Fixture f;
        f.body +=
            "Gr\xC3\xBC\xC3\x9F"
            "e\r\n";
        const auto built = f.build().value();
        CHECK(built.envelope.body == BodyType::eight_bit_mime);
        CHECK_FALSE(built.envelope.smtputf8);
        CHECK(count(built.body, "Content-Transfer-Encoding: 8bit\r\n") == 2);
        Fixture plain;
        CHECK(plain.build()->envelope.body == BodyType::seven_bit);
        CHECK_FALSE(has(plain.text(), "8bit"));
    }

    TEST_CASE("a UTF-8 recipient is named in utf-8-addr-xtext [DSN-16]") {
        Fixture f;
        f.dsn.recipients[0].address = "j\xC3\xB6rg+a@example.net";
        CHECK(has(f.text(), "Final-Recipient: utf-8; j\\x{F6}rg\\x{2B}a@example.net\r\n"));
        f.dsn.recipients[0].address = "bad\xFF\xC3@example.net";
        check_lines(f.text());
    }

    TEST_CASE("a thousand recipients make a bounded notice [DSN-13]") {
        Fixture f;
        f.dsn.recipients.assign(1000, Fixture::rejected());
        const std::string text = f.text();
        CHECK(count(text, "Final-Recipient:") == 500);
        CHECK(has(text, "... and 500 more."));
    }
}

}  // namespace sealpost::queue
