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
    Dsn dsn{.hostname = "mail.example.org",
            .id = id_of(1'800'000'000'000'001),
            .original_id = id_of(1'700'000'000'000'000),
            .original_body = {},
            .recipients = {},
            .contact = {}};

    Fixture() {
        dsn.date = noon;
        dsn.expires_at = noon + std::chrono::hours(24);
        dsn.recipients.push_back(rejected());
    }
    static DsnRecipient rejected() {
        DsnRecipient r{.address = "a@example.net",
                       .orcpt = {},
                       .status = "5.1.1",
                       .remote_mta = "mx.example.net",
                       .reply = "550 5.1.1 <a@example.net>: unknown user",
                       .reason = {},
                       .remedy = {},
                       .side = {},
                       .last_attempt = noon,
                       .retry_until = {}};
        return r;
    }
    std::optional<NewMessage> build() {
        dsn.original = &envelope;
        dsn.original_body = body;
        return build_dsn(dsn);
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

/// The paragraphs of the text part, which is wrapped, in one line each.
std::string unfolded(std::string text) {
    for (const std::string_view fold : {"\r\n  ", "\r\n"})
        for (std::size_t at = 0; (at = text.find(fold, at)) != std::string::npos;)
            text.replace(at, fold.size(), " ");
    return text;
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
            f.envelope.ret = headers_only ? Ret::headers : Ret::full;  // RET=FULL is disregarded
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
        f.envelope.envid = "env-1";
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
        DsnRecipient& r = f.dsn.recipients[0];
        r.reply = r.reason = r.remedy = r.remote_mta = r.orcpt = evil;
        r.address = "a\"\r\nBcc: x@example.com\r\n\"@example.net";
        r.status = "5.1.1\r\nBcc: y";
        f.envelope.envid = evil;
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
        DsnRecipient& r = f.dsn.recipients[0];
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
            f.envelope.ret = Ret::headers;
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
        CHECK(count(built.body, "Content-Transfer-Encoding: 7bit\r\n") == 2);
        Fixture plain;
        CHECK(plain.build()->envelope.body == BodyType::seven_bit);
        CHECK_FALSE(has(plain.text(), "8bit"));
    }

    TEST_CASE("each kind has its action and its status and its words [DSN-06 DSN-07 DSN-12]") {
        struct Row {
            DsnKind kind;
            const char* given;
            const char *action, *status, *subject, *words;
        };
        for (const Row& row :
             {Row{DsnKind::failure, "5.1.1", "failed", "5.1.1", "Undelivered", "will not be tried again"},
              Row{DsnKind::failure, "2.0.0", "failed", "5.0.0", "Undelivered", "will not be tried again"},
              Row{DsnKind::delay, "4.7.5", "delayed", "4.7.5", "Mail is delayed", "need not send it"},
              Row{DsnKind::delay, "5.7.5", "delayed", "4.0.0", "Mail is delayed", "need not send it"},
              Row{DsnKind::delay, "", "delayed", "4.0.0", "Mail is delayed", "need not send it"},
              Row{DsnKind::relayed, "2.1.5", "relayed", "2.1.5", "Mail was relayed", "no notice of delivery"},
              Row{DsnKind::relayed, "5.0.0", "relayed", "2.0.0", "Mail was relayed",
                  "no notice of delivery"}}) {
            CAPTURE(row.action);
            Fixture f;
            f.dsn.kind = row.kind;
            f.dsn.recipients[0].status = row.given;
            f.dsn.recipients[0].retry_until = noon + std::chrono::hours(120);
            const std::string text = f.text();
            check_lines(text);
            CHECK(has(text, std::string{"\r\nAction: "} + row.action + "\r\n"));
            CHECK(has(text, std::string{"\r\nStatus: "} + row.status + "\r\n"));
            CHECK(has(text, std::string{"\r\nSubject: "} + row.subject));
            CHECK(has(unfolded(text), row.words));
            const bool delay = row.kind == DsnKind::delay;
            CHECK(has(text, "Will-Retry-Until: Wed, 20 Jan 2027 08:00:00 +0000\r\n") == delay);
            CHECK(has(text, "It is tried until Wed, 20 Jan 2027 08:00:00 +0000") == delay);
            // What is no failure returns the header alone [DSN-09].
            CHECK(has(text, "First line") == (row.kind == DsnKind::failure));
        }
    }

    TEST_CASE("RET decides about a failure alone and size has the last word [DSN-09]") {
        struct Row {
            DsnKind kind;
            Ret ret;
            bool large, whole;
        };
        for (const Row& row :
             {Row{DsnKind::failure, Ret::unset, false, true}, Row{DsnKind::failure, Ret::full, false, true},
              Row{DsnKind::failure, Ret::headers, false, false},
              Row{DsnKind::failure, Ret::full, true, false}, Row{DsnKind::delay, Ret::full, false, false},
              Row{DsnKind::relayed, Ret::full, false, false}}) {
            Fixture f;
            f.dsn.kind = row.kind;
            f.envelope.ret = row.ret;
            if (row.large) f.dsn.return_size = original_body.size() - 1;
            const std::string text = f.text();
            CHECK(has(text, "Content-Type: message/rfc822\r\n") == row.whole);
            CHECK(has(text, "Content-Type: text/rfc822-headers\r\n") != row.whole);
            CHECK(has(text, "Subject: hello\r\n"));
        }
    }

    TEST_CASE("ENVID and ORCPT are told decoded [DSN-10 DSN-11 DSN-14]") {
        Fixture f;
        f.envelope.envid = "QQ+2B314+20x";
        f.dsn.recipients[0].orcpt = "rfc822;A+2Bb@Example.net";
        const std::string text = f.text();
        CHECK(has(text, "Original-Envelope-Id: QQ+314 x\r\n"));
        CHECK(has(text, "Original-Recipient: rfc822; A+b@Example.net\r\n"));
    }

    TEST_CASE("who must act is said in plain words [DSN-17]") {
        Fixture f;
        f.dsn.recipients[0].side = "their side";
        CHECK(has(f.text(), "  Who must act: the recipient's side.\r\n"));
        f.dsn.recipients[0].side = "our side";
        CHECK(has(f.text(), "  Who must act: our side, the administrators of mail.example.org.\r\n"));
        f.dsn.recipients[0].side.clear();
        CHECK_FALSE(has(f.text(), "Who must act"));
    }

    TEST_CASE("an attempt that was cut off is told: the message may have arrived") {
        for (const DsnKind kind : {DsnKind::failure, DsnKind::delay, DsnKind::relayed}) {
            Fixture f;
            f.dsn.kind = kind;
            CHECK_FALSE(has(f.text(), "was cut off"));
            f.dsn.recipients[0].interrupted = 1;
            CHECK(
                has(unfolded(f.text()), kind == DsnKind::relayed ? "may arrive twice" : "may have arrived"));
        }
    }

    TEST_CASE(
        "a message with SMTPUTF8 comes back in UTF-8 or in 7 bits as the way back can take it [DSN-16]") {
        struct Row {
            const char* sender;
            Ret ret;
            const char *type, *encoding, *status_type, *recipient, *original;
        };
        const std::string header =
            "Subject: Gr\xC3\xBC\xC3\x9F"
            "e\r\n";
        for (const Row& row : {
                 Row{"j\xC3\xB6rg@example.org", Ret::full, "message/global", "8bit",
                     "message/global-delivery-status", "utf-8; m\xC3\xBC@example.net",
                     "utf-8; \xC3\xBC+x@example.net"},
                 Row{"j\xC3\xB6rg@example.org", Ret::headers, "message/global-headers", "8bit",
                     "message/global-delivery-status", "utf-8; m\xC3\xBC@example.net",
                     "utf-8; \xC3\xBC+x@example.net"},
                 Row{"sender@example.org", Ret::full, "message/global", "base64", "message/delivery-status",
                     "utf-8; m\\x{FC}@example.net", "utf-8; \\x{FC}\\x{2B}x@example.net"},
                 Row{"sender@example.org", Ret::headers, "message/global-headers", "base64",
                     "message/delivery-status", "utf-8; m\\x{FC}@example.net",
                     "utf-8; \\x{FC}\\x{2B}x@example.net"},
             }) {
            CAPTURE(row.type);
            CAPTURE(row.encoding);
            Fixture f;
            f.envelope.smtputf8 = true;
            f.envelope.sender = row.sender;
            f.envelope.ret = row.ret;
            f.body = header + "\r\nFirst line\r\n";
            f.dsn.recipients[0].address = "m\xC3\xBC@example.net";
            f.dsn.recipients[0].orcpt = "utf-8;\\x{FC}\\x{2B}x@example.net";
            const auto built = f.build();
            REQUIRE(built);
            const bool utf8 = std::string_view(row.encoding) == "8bit";
            CHECK(built->envelope.smtputf8 == utf8);
            CHECK((built->envelope.body == BodyType::eight_bit_mime) == utf8);
            const std::string& text = built->body;
            check_lines(text);
            CHECK(has(text, std::string("Content-Type: ") + row.type +
                                "\r\nContent-Transfer-Encoding: " + row.encoding));
            CHECK(has(text, std::string("Content-Type: ") + row.status_type + "\r\n"));
            CHECK(has(text, std::string("Final-Recipient: ") + row.recipient + "\r\n"));
            CHECK(has(text, std::string("Original-Recipient: ") + row.original + "\r\n"));
            CHECK(has(text, header) == utf8);
            if (!utf8) {
                CHECK(has(text, "\r\nU3ViamVjdDogR3LDvMOfZQ0K"));  // the header in base64
                for (const char c : text) REQUIRE(static_cast<unsigned char>(c) < 127);
            }
        }
    }

    TEST_CASE("a message with SMTPUTF8 that is plain ASCII comes back in the traditional types [DSN-16]") {
        Fixture f;
        f.envelope.smtputf8 = true;
        CHECK(has(f.text(), "Content-Type: message/rfc822\r\n"));
        CHECK(has(f.text(), "Content-Type: message/delivery-status\r\n"));
        f.envelope.ret = Ret::headers;
        CHECK(has(f.text(), "Content-Type: text/rfc822-headers\r\n"));
    }

    TEST_CASE("an address or a reply that is printable is told as it is [DSN-11]") {
        Fixture f;
        f.dsn.recipients[0].address = "\"a\\\"b\"@example.net";
        f.dsn.recipients[0].reply = "550 C:\\mail \\xC3";
        const std::string text = f.text();
        CHECK(has(text, "Final-Recipient: rfc822; \"a\\\"b\"@example.net\r\n"));
        CHECK(has(text, "Diagnostic-Code: smtp; 550 C:\\mail \\xC3\r\n"));
    }

    TEST_CASE("long words from outside make a bounded notice") {
        Fixture f;
        DsnRecipient& r = f.dsn.recipients[0];
        r.reply = r.reason = r.remedy = std::string(100'000, 'x');
        CHECK(f.text().size() < 8192);
        f.dsn.recipients.assign(400, r);
        const std::string text = f.text();
        check_lines(text);
        CHECK(text.size() < 300'000);
        CHECK(has(text, " more.\r\n"));
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
