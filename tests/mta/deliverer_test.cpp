#include "mta/delivery/deliverer.hpp"

#include <doctest/doctest.h>

#include "tests/mta/support/delivery_scene.hpp"

namespace sealpost {

using Said = RecipientOutcome::Result;
using security::DnsStatus;
using test::certificate_for;
using test::Scene;
using test::Script;
using test::ScriptedServer;
namespace certs = security::test;

namespace {

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("mta/delivery/deliverer") {
    TEST_CASE("what cannot be routed or read fails without a lookup [DANE-01 STS-03]") {
        struct Row {
            std::string domain, recipient, sender, enhanced;
        };
        for (const Row& row : {Row{"[192.0.2.1]", "a@[192.0.2.1]", "s@example.org", "5.1.2"},
                               Row{"example.net", "no address", "s@example.org", "5.1.3"},
                               Row{"example.net", "a@example.net", "no address", "5.1.7"}}) {
            Scene scene;
            scene.with_resolver = false;
            scene.domain = row.domain;
            scene.message.envelope.sender = row.sender;
            const DeliveryReport report = scene.deliver({row.recipient, "b@example.net"});
            REQUIRE(report.recipients.size() == 2);
            for (const DeliveredRecipient& r : report.recipients) {
                CHECK(r.outcome.result == Said::failed);
                CHECK(r.outcome.enhanced == row.enhanced);
                CHECK(r.relay == "none");
            }
            CHECK_FALSE(report.trace.mx_answer);
        }
    }

    TEST_CASE("without a resolver mail waits and no policy is blamed [DANE-03]") {
        Scene scene;
        scene.with_resolver = false;
        const DeliveryReport report = scene.deliver();
        REQUIRE(report.recipients.size() == 1);
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK(report.recipients[0].outcome.enhanced == "4.4.3");
        CHECK(report.recipients[0].held_reason.empty());
        CHECK(report.results.empty());
        CHECK_FALSE(report.destination_dead);
    }

    TEST_CASE("an MX answer that does not validate holds the mail [DANE-03]") {
        Scene scene;
        security::DnsAnswer bogus;
        bogus.name = bogus.canonical = "example.net";
        bogus.type = security::RrType::mx;
        bogus.status = DnsStatus::bogus;
        bogus.why = "signature expired";
        scene.zone.add(bogus);
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK(report.recipients[0].outcome.enhanced == "4.7.5");
        CHECK(report.recipients[0].held_reason == "dnssec-invalid");
        CHECK(holds(report.recipients[0].outcome.text, "signature expired"));
        CHECK_FALSE(report.recipients[0].remedy.empty());
        CHECK(report.trace.outcome == "held");
    }

    TEST_CASE("a domain that is not there and one that takes no mail fail at once [SMTP-02 SMTP-03]") {
        {
            Scene scene;
            CHECK(scene.deliver().recipients[0].outcome.enhanced == "5.1.2");
        }
        Scene scene;
        scene.zone.mx("example.net", {""});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::failed);
        CHECK(report.recipients[0].outcome.enhanced == "5.1.10");
    }

    TEST_CASE("the first host that takes the message ends the walk") {
        Scene scene;
        scene.two_hosts();
        ScriptedServer& first = scene.server("127.0.0.2", {});
        ScriptedServer& second = scene.server("127.0.0.3", {});
        const DeliveryReport report = scene.deliver({"a@example.net", "b@example.net"});
        REQUIRE(report.recipients.size() == 2);
        for (const DeliveredRecipient& r : report.recipients) {
            CHECK(r.outcome.result == Said::delivered);
            CHECK(r.host == "mx1.example.net");
            CHECK(r.relay == fmt::format("mx1.example.net[127.0.0.2]:{}", first.port()));
            CHECK(r.tls == "none");
        }
        CHECK(first.body() == "Subject: hello\r\n\r\n..dot\r\n");
        CHECK(first.heard("MAIL FROM:<sender@example.org>"));
        CHECK(first.heard("RCPT TO:<b@example.net>"));
        CHECK_FALSE(second.heard("CONNECT"));
        CHECK(report.trace.outcome == "delivered");
    }

    TEST_CASE("a host that cannot be reached or is busy is followed by the next [SMTP-12 STS-66]") {
        for (const std::string greeting : {"", "421 busy\r\n", "554 not you\r\n", "nonsense\r\n"}) {
            CAPTURE(greeting);
            Scene scene;
            scene.two_hosts();
            ScriptedServer& second = scene.server("127.0.0.3", {});
            scene.server("127.0.0.2", {.replies = {{"", greeting}}, .certificate = {}});
            const DeliveryReport report = scene.deliver();
            CHECK(report.recipients[0].outcome.result == Said::delivered);
            CHECK(report.recipients[0].host == "mx2.example.net");
            CHECK(second.heard("MAIL"));
        }
        Scene scene;  // nobody listens at mx1
        scene.two_hosts();
        scene.server("127.0.0.3", {});
        CHECK(scene.deliver().recipients[0].host == "mx2.example.net");
    }

    TEST_CASE("a connection that breaks before any answer is followed by the next host") {
        Scene scene;
        scene.two_hosts();
        ScriptedServer& first = scene.server("127.0.0.2", {.replies = {{"MAIL", ""}}, .certificate = {}});
        scene.server("127.0.0.3", {});
        const DeliveryReport report = scene.deliver();
        CHECK(first.heard("MAIL"));
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK(report.recipients[0].host == "mx2.example.net");
    }

    TEST_CASE("a message that may have been taken is not offered to another host [SMTP-16]") {
        Scene scene;
        scene.two_hosts();
        scene.server("127.0.0.2", {.replies = {{".", ""}}, .certificate = {}});
        ScriptedServer& second = scene.server("127.0.0.3", {});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK_FALSE(second.heard("CONNECT"));
    }

    TEST_CASE("what a server refuses for good is not asked of another") {
        Scene scene;
        scene.two_hosts();
        scene.server("127.0.0.2", {.replies = {{"RCPT", "550 5.1.1 unknown\r\n"}}, .certificate = {}});
        ScriptedServer& second = scene.server("127.0.0.3", {});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::failed);
        CHECK(report.recipients[0].outcome.code == 550);
        CHECK_FALSE(second.heard("CONNECT"));
        CHECK(report.trace.outcome == "failed");
    }

    TEST_CASE("a forbidden address is never connected to whatever name leads there") {
        Scene scene;
        scene.two_hosts();
        ScriptedServer& first = scene.server("127.0.0.2", {});
        scene.route.delivery.forbidden_networks = {IpNetwork::parse("127.0.0.0/8").value()};
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK(holds(report.recipients[0].outcome.text, "delivery.forbidden_networks"));
        CHECK_FALSE(first.heard("CONNECT"));
    }

    TEST_CASE("when nobody can be reached the destination rests") {
        Scene scene;
        scene.two_hosts();
        {
            scene.route.delivery.port = ScriptedServer("127.0.0.2", 0, {}).port();
        }
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK(report.recipients[0].outcome.enhanced == "4.4.1");
        CHECK(report.destination_dead);
        CHECK(report.trace.outcome == "deferred");
    }

    TEST_CASE("a matching TLSA record authenticates the host [DANE-51]") {
        Scene scene;
        scene.zone.status(DnsStatus::secure);
        scene.two_hosts();
        const auto certificate = certificate_for("mx1.example.net");
        ScriptedServer& first = scene.server("127.0.0.2", {.replies = {}, .certificate = certificate});
        scene.zone.tlsa("mx1.example.net", first.port(), certs::tlsa_for(*certificate, 3, 1, 1));
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK(report.recipients[0].tls.starts_with("Verified(dane) protocol=TLSv1.3 cipher="));
        CHECK(first.heard("TLS"));
        CHECK(first.heard("MAIL"));
    }

    TEST_CASE("a host that fails DANE hears no envelope and the next host is tried [DANE-04 DANE-75]") {
        Scene scene;
        scene.zone.status(DnsStatus::secure);
        scene.two_hosts();
        const auto certificate = certificate_for("mx1.example.net");
        const auto other = certificate_for("mx1.example.net");
        ScriptedServer& first = scene.server("127.0.0.2", {.replies = {}, .certificate = certificate});
        scene.zone.tlsa("mx1.example.net", first.port(), certs::tlsa_for(*other, 3, 1, 1));
        ScriptedServer& second = scene.server("127.0.0.3", {});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK(report.recipients[0].host == "mx2.example.net");
        CHECK(second.heard("MAIL"));
        CHECK(first.heard("TLS"));
        for (const char* verb : {"MAIL", "RCPT", "DATA"}) CHECK_FALSE(first.heard(verb));
    }

    TEST_CASE("when every host fails its policy the mail is held and says so [DANE-73 DANE-75 STS-67]") {
        for (const bool offered : {true, false}) {
            Scene scene;
            scene.zone.status(DnsStatus::secure);
            scene.zone.mx("example.net", {"mx1.example.net"});
            scene.zone.a("mx1.example.net", "127.0.0.2");
            const auto certificate = certificate_for("mx1.example.net");
            const auto other = certificate_for("mx1.example.net");
            Script script;
            if (offered) script.certificate = certificate;
            ScriptedServer& first = scene.server("127.0.0.2", std::move(script));
            scene.zone.tlsa("mx1.example.net", first.port(), certs::tlsa_for(*other, 3, 1, 1));
            const DeliveryReport report = scene.deliver();
            const DeliveredRecipient& r = report.recipients[0];
            CHECK(r.outcome.result == Said::deferred);
            CHECK(r.outcome.enhanced == "4.7.5");
            CHECK_FALSE(r.held_reason.empty());
            CHECK_FALSE(r.remedy.empty());
            CHECK(holds(r.outcome.text, "mx1.example.net"));
            CHECK_FALSE(report.results.empty());
            CHECK(report.trace.outcome == "held");
            CHECK_FALSE(report.destination_dead);
            CHECK_FALSE(first.heard("MAIL"));
        }
    }

    TEST_CASE("without a policy a failed handshake is followed by one connection in clear [TLS-08]") {
        Scene scene;
        scene.zone.mx("example.net", {"mx1.example.net"});
        scene.zone.a("mx1.example.net", "127.0.0.2");
        // Says 220 to STARTTLS and ends the connection.
        ScriptedServer& first = scene.server(
            "127.0.0.2",
            {.replies = {{"EHLO", "250-server.example\r\n250 STARTTLS\r\n"}}, .certificate = {}});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK(report.recipients[0].tls == "none");
        const std::vector<std::string> heard = first.heard();
        CHECK(std::count(heard.begin(), heard.end(), "CONNECT") == 2);
        // STARTTLS is offered there, so the second connection must not claim that it is not.
        REQUIRE(report.trace.hops[0].sessions.size() == 2);
        CHECK(report.trace.hops[0].sessions[0].facts.stage == security::TlsStage::handshake_failed);
        CHECK(report.trace.hops[0].sessions[1].facts.stage == security::TlsStage::not_asked);
    }

    TEST_CASE("under a rule that demands TLS there is no second connection in clear") {
        Scene scene;
        scene.zone.mx("example.net", {"mx1.example.net"});
        scene.zone.a("mx1.example.net", "127.0.0.2");
        RuleSettings& rule = scene.rules.emplace_back();
        rule.pattern = "example.net";
        rule.tls = TlsLevel::encrypt;
        ScriptedServer& first = scene.server(
            "127.0.0.2",
            {.replies = {{"EHLO", "250-server.example\r\n250 STARTTLS\r\n"}}, .certificate = {}});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK_FALSE(report.recipients[0].held_reason.empty());
        const std::vector<std::string> heard = first.heard();
        CHECK(std::count(heard.begin(), heard.end(), "CONNECT") == 1);
        CHECK_FALSE(first.heard("MAIL"));
    }

    TEST_CASE(
        "the next message under the same terms goes over the open connection [DANE-78 DANE-79 STS-74 "
        "TLS-23]") {
        Scene scene;
        scene.two_hosts();
        ScriptedServer& server = scene.server("127.0.0.2", Script{.replies = {}, .certificate = {}});
        const std::vector<DeliveryReport> reports = scene.deliver_in_a_row(3);
        server.stop();
        const std::vector<std::string> heard = server.heard();
        CHECK(std::count(heard.begin(), heard.end(), "CONNECT") == 1);
        CHECK(std::count(heard.begin(), heard.end(), "MAIL FROM:<sender@example.org>") == 3);
        CHECK(heard.back() == "QUIT");
        for (const DeliveryReport& report : reports) {
            CHECK(report.recipients[0].outcome.result == Said::delivered);
            CHECK(report.recipients[0].relay == reports[0].recipients[0].relay);
            CHECK(report.recipients[0].tls == reports[0].recipients[0].tls);
            CHECK(report.trace.outcome == "delivered");
        }
        CHECK_FALSE(reports[0].reused);
        REQUIRE(reports[2].reused);
        CHECK(reports[2].reused->nth == 3);
        CHECK(reports[2].reused->outcome == "delivered");
        CHECK(reports[2].shared_trace == 7);
        CHECK(reports[2].results.empty());  // one session, counted once
    }

    TEST_CASE("a connection is not used under other terms [DANE-78 STS-74]") {
        struct Row {
            const char* what;
            std::function<void(Scene&, DelivererContext&)> change;
        };
        const Row rows[] = {
            {"other rules, be they the same words",
             [](Scene&, DelivererContext& context) {
                 context.rules =
                     std::make_shared<const security::RuleTable>(security::RuleTable::build({}).value());
             }},
            {"the message wishes something else",
             [](Scene& scene, DelivererContext&) {
                 scene.message.envelope.tls = security::MessageTls::optional;
             }},
            {"a bounce", [](Scene& scene, DelivererContext&) { scene.message.envelope.sender.clear(); }},
            {"too many messages", [](Scene&, DelivererContext& context) { context.reuse.messages = 1; }},
            {"too old", [](Scene&, DelivererContext& context) { context.reuse.time = Millis(0); }},
            {"another destination",
             [](Scene& scene, DelivererContext&) { scene.delivery.domain = "example.com"; }},
        };
        for (const Row& row : rows) {
            CAPTURE(row.what);
            Scene scene;
            scene.two_hosts();
            ScriptedServer& server = scene.server("127.0.0.2", Script{.replies = {}, .certificate = {}});
            scene.before_next = [&](DelivererContext& context, unsigned) { row.change(scene, context); };
            const std::vector<DeliveryReport> reports = scene.deliver_in_a_row(2);
            server.stop();
            CHECK_FALSE(reports[1].reused);
            const std::vector<std::string> heard = server.heard();
            CHECK(std::count(heard.begin(), heard.end(), "QUIT") >= 1);
        }
    }

    TEST_CASE("a connection is not used beyond the TTL of what was looked up for it [DANE-36 DANE-78]") {
        Scene scene;
        scene.zone.ttl(std::chrono::seconds(0));
        scene.two_hosts();
        ScriptedServer& server = scene.server("127.0.0.2", Script{.replies = {}, .certificate = {}});
        const std::vector<DeliveryReport> reports = scene.deliver_in_a_row(2);
        server.stop();
        CHECK_FALSE(reports[1].reused);
        CHECK(reports[1].recipients[0].outcome.result == Said::delivered);
        const std::vector<std::string> heard = server.heard();
        CHECK(std::count(heard.begin(), heard.end(), "CONNECT") == 2);
    }

    TEST_CASE("a server that wants no more of a connection gets the message over another one [SMTP-36]") {
        Scene scene;
        scene.two_hosts();
        ScriptedServer& server =
            scene.server("127.0.0.2", Script{.replies = {{"RCPT", "550 5.1.1 nobody\r\n"},
                                                         {"RSET", "421 4.7.0 enough for one connection\r\n"}},
                                             .certificate = {}});
        const std::vector<DeliveryReport> reports = scene.deliver_in_a_row(2);
        server.stop();
        const std::vector<std::string> heard = server.heard();
        CHECK(std::count(heard.begin(), heard.end(), "CONNECT") == 2);
        CHECK(reports[1].recipients[0].outcome.result == Said::failed);
        CHECK_FALSE(reports[1].reused);
    }

    TEST_CASE(
        "a refused message is followed by RSET, and a connection that is gone by another one [SMTP-36]") {
        {
            Scene scene;
            scene.two_hosts();
            ScriptedServer& server = scene.server(
                "127.0.0.2", Script{.replies = {{"RCPT", "550 5.1.1 nobody\r\n"}}, .certificate = {}});
            const std::vector<DeliveryReport> reports = scene.deliver_in_a_row(2);
            server.stop();
            const std::vector<std::string> heard = server.heard();
            CHECK(std::count(heard.begin(), heard.end(), "CONNECT") == 1);
            CHECK(std::count(heard.begin(), heard.end(), "RSET") == 1);
            CHECK(reports[1].recipients[0].outcome.result == Said::failed);
        }
        {
            Scene scene;
            scene.two_hosts();
            ScriptedServer& server =
                scene.server("127.0.0.2", Script{.replies = {}, .certificate = {}, .last_verb = "."});
            const std::vector<DeliveryReport> reports = scene.deliver_in_a_row(2);
            server.stop();
            const std::vector<std::string> heard = server.heard();
            CHECK(std::count(heard.begin(), heard.end(), "CONNECT") == 2);
            CHECK(reports[1].recipients[0].outcome.result == Said::delivered);
            CHECK_FALSE(reports[1].reused);
        }
    }

    TEST_CASE("8-bit content goes out in 7 bits where the server takes no other [EXT-14]") {
        const std::string eight = "Subject: x\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n";
        for (const bool offered : {true, false}) {
            CAPTURE(offered);
            Scene scene;
            scene.two_hosts();
            scene.message.body = eight;
            scene.message.envelope.body = queue::BodyType::eight_bit_mime;
            Script script{.replies = {}, .certificate = {}};
            if (offered) script.replies["EHLO"] = "250-mx\r\n250 8BITMIME\r\n";
            ScriptedServer& server = scene.server("127.0.0.2", script);
            const DeliveryReport report = scene.deliver();
            server.stop();
            CHECK(report.recipients[0].outcome.result == Said::delivered);
            CHECK(holds(server.body(), offered ? "gr\xc3\xbc\xc3\x9f" : "gr=C3=BC=C3=9F"));
            CHECK(holds(server.body(), "quoted-printable") != offered);
        }
    }

    TEST_CASE("what one host cannot take goes to one that can, and comes back only when none does [EXT-14]") {
        Scene scene;
        scene.two_hosts();
        scene.message.body = "Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nhello\r\n";  // no encoding takes this away
        scene.message.envelope.body = queue::BodyType::eight_bit_mime;
        SUBCASE("the second one takes it") {
            scene.zone.mx("example.net", {"mx1.example.net", "mx2.example.net"});
            scene.server("127.0.0.2", Script{.replies = {}, .certificate = {}});
            scene.server("127.0.0.3",
                         Script{.replies = {{"EHLO", "250-mx\r\n250 8BITMIME\r\n"}}, .certificate = {}});
            const DeliveryReport report = scene.deliver();
            CHECK(report.recipients[0].outcome.result == Said::delivered);
            CHECK(report.recipients[0].host == "mx2.example.net");
        }
        SUBCASE("none takes it") {
            scene.server("127.0.0.2", Script{.replies = {}, .certificate = {}});
            scene.server("127.0.0.3", Script{.replies = {}, .certificate = {}});
            const DeliveryReport report = scene.deliver();
            CHECK(report.recipients[0].outcome.result == Said::failed);
            CHECK(report.recipients[0].outcome.enhanced == "5.6.3");
            CHECK_FALSE(report.recipients[0].host.empty());
        }
        SUBCASE("the other one is not there: later") {
            scene.server("127.0.0.2", Script{.replies = {}, .certificate = {}});
            const DeliveryReport report = scene.deliver();
            CHECK(report.recipients[0].outcome.result == Said::deferred);
        }
    }

    TEST_CASE("what the sender asked of notices is passed on where the server knows it [DSN-05]") {
        for (const bool offered : {true, false}) {
            CAPTURE(offered);
            Scene scene;
            scene.two_hosts();
            scene.message.envelope.envid = "QQ314159";
            scene.message.envelope.ret = Ret::headers;
            scene.notify = "SUCCESS,FAILURE";
            Script script{.replies = {}, .certificate = {}};
            if (offered) script.replies["EHLO"] = "250-mx\r\n250 DSN\r\n";
            ScriptedServer& server = scene.server("127.0.0.2", script);
            const DeliveryReport report = scene.deliver();
            server.stop();
            CHECK(report.recipients[0].dsn_passed_on == offered);
            CHECK(server.heard("MAIL FROM:<sender@example.org> RET=HDRS ENVID=QQ314159") == offered);
            CHECK(server.heard("RCPT TO:<a@example.net> NOTIFY=SUCCESS,FAILURE") == offered);
        }
    }
}

}  // namespace sealpost
