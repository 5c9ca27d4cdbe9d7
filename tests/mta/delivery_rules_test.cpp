// What rules and the message's own wish make of a delivery, against scripted servers on loopback.
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/mta/support/delivery_scene.hpp"

namespace sealpost {

using Said = RecipientOutcome::Result;
using security::DnsStatus;
using security::MessageTls;
using test::certificate_for;
using test::Scene;
using test::Script;
using test::ScriptedServer;
namespace certs = security::test;

namespace {

const std::string promising = "250-server.example\r\n250-STARTTLS\r\n250 REQUIRETLS\r\n";
const std::string plain_ehlo = "250-server.example\r\n250 STARTTLS\r\n";

/// Two MX hosts of a signed zone, each with DANE and what it says to EHLO.
struct SignedScene : Scene {
    SignedScene(const std::string& first_ehlo, const std::string& second_ehlo) {
        first = &server("127.0.0.2", {.replies = {{"EHLO", first_ehlo}}, .certificate = first_certificate});
        second =
            &server("127.0.0.3", {.replies = {{"EHLO", second_ehlo}}, .certificate = second_certificate});
        zone.status(DnsStatus::secure);
        two_hosts();
        zone.tlsa("mx1.example.net", first->port(), certs::tlsa_for(*first_certificate, 3, 1, 1));
        zone.tlsa("mx2.example.net", first->port(), certs::tlsa_for(*second_certificate, 3, 1, 1));
        message.envelope.tls = MessageTls::required;
    }
    std::shared_ptr<certs::Certificate> first_certificate = certificate_for("mx1.example.net");
    std::shared_ptr<certs::Certificate> second_certificate = certificate_for("mx2.example.net");
    ScriptedServer* first = nullptr;
    ScriptedServer* second = nullptr;
};

RuleSettings rule_for(const std::string& pattern, TlsLevel level = TlsLevel::automatic) {
    RuleSettings rule;
    rule.pattern = pattern;
    rule.tls = level;
    return rule;
}

bool heard_mail_with(const ScriptedServer& server, std::string_view parameter) {
    const std::vector<std::string> heard = server.heard();
    return std::any_of(heard.begin(), heard.end(), [&](const std::string& line) {
        return line.starts_with("MAIL FROM") && line.find(parameter) != std::string::npos;
    });
}

}  // namespace

TEST_SUITE("mta/delivery/rules") {
    TEST_CASE(
        "a host without REQUIRETLS hears QUIT and the next one gets the message [REQTLS-12 REQTLS-13]") {
        SignedScene scene(plain_ehlo, promising);
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK(report.recipients[0].host == "mx2.example.net");
        CHECK(heard_mail_with(*scene.second, " REQUIRETLS"));
        CHECK_FALSE(scene.first->heard("MAIL"));
        CHECK(scene.first->heard("QUIT"));
    }

    TEST_CASE("no host with REQUIRETLS returns the message with 5.7.30 at once [REQTLS-14]") {
        SignedScene scene(plain_ehlo, plain_ehlo);
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::failed);
        CHECK(report.recipients[0].outcome.enhanced == "5.7.30");
        CHECK_FALSE(report.recipients[0].remedy.empty());
        CHECK_FALSE(scene.first->heard("MAIL"));
        CHECK_FALSE(scene.second->heard("MAIL"));
    }

    TEST_CASE("no host with authenticated TLS returns the message with 5.7.10 [REQTLS-15]") {
        Scene scene;
        scene.message.envelope.tls = MessageTls::required;
        scene.two_hosts();  // not signed, no MTA-STS: nothing vouches for the hosts
        ScriptedServer& first = scene.server("127.0.0.2", {});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::failed);
        CHECK(report.recipients[0].outcome.enhanced == "5.7.10");
        CHECK_FALSE(first.heard("CONNECT"));
    }

    TEST_CASE("while one host may still take it a message that requires TLS waits [REQTLS-16 AMB-30]") {
        SignedScene scene(plain_ehlo, "421 4.3.2 busy\r\n");
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK_FALSE(scene.second->heard("MAIL"));
    }

    TEST_CASE(
        "the bounce of a message that required TLS asks for it and is not lost without it [REQTLS-18]") {
        Scene scene;
        scene.message.envelope.tls = MessageTls::required;
        scene.message.envelope.sender.clear();
        scene.two_hosts();
        ScriptedServer& first = scene.server("127.0.0.2", {});
        CHECK(scene.deliver().recipients[0].outcome.result == Said::delivered);
        CHECK_FALSE(heard_mail_with(first, "REQUIRETLS"));
        SignedScene secure(promising, promising);
        secure.message.envelope.sender.clear();
        CHECK(secure.deliver().recipients[0].outcome.result == Said::delivered);
        CHECK(heard_mail_with(*secure.first, " REQUIRETLS"));
    }

    TEST_CASE(
        "a server that insists on TLS which cannot be had returns a message that does not [REQTLS-20]") {
        Scene scene;
        scene.message.envelope.tls = MessageTls::optional;
        scene.two_hosts();
        scene.server("127.0.0.2", {.replies = {{"MAIL", "530 5.7.0 Must issue a STARTTLS command first\r\n"}},
                                   .certificate = {}});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::failed);
        CHECK(report.recipients[0].outcome.code == 530);
        CHECK(report.recipients[0].outcome.text.find("STARTTLS") != std::string::npos);
    }

    TEST_CASE("a route in brackets leads to that host and port and nobody asks for the MX [DANE-84 STS-77]") {
        Scene scene;
        scene.two_hosts();
        ScriptedServer& mx = scene.server("127.0.0.2", {});
        ScriptedServer relay("127.0.0.4", 0, {});
        scene.zone.a("relay.example.org", "127.0.0.4");
        RuleSettings rule = rule_for("example.net");
        rule.route = {NextHop::parse(fmt::format("[relay.example.org]:{}", relay.port())).value()};
        scene.rules = {rule};
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK(report.recipients[0].relay == fmt::format("relay.example.org[127.0.0.4]:{}", relay.port()));
        CHECK_FALSE(report.trace.mx_answer);
        CHECK_FALSE(mx.heard("CONNECT"));
        REQUIRE(report.results.size() == 1);
        CHECK(report.results[0].policy_domain_of_recipient == "relay.example.org");
    }

    TEST_CASE("hosts of a route are tried in their order [DANE-11]") {
        Scene scene;
        scene.server("127.0.0.2", {.replies = {{"", "421 4.3.2 busy\r\n"}}, .certificate = {}});
        ScriptedServer& second = scene.server("127.0.0.3", {});
        scene.zone.a("mx1.example.net", "127.0.0.2");
        scene.zone.a("mx2.example.net", "127.0.0.3");
        RuleSettings rule = rule_for("example.net");
        rule.route = {NextHop::parse("[mx1.example.net]").value(),
                      NextHop::parse("[mx2.example.net]").value()};
        scene.rules = {rule};
        CHECK(scene.deliver().recipients[0].host == "mx2.example.net");
        CHECK(second.heard("MAIL"));
    }

    TEST_CASE("a route without brackets leads to the MX hosts of its own name [STS-77]") {
        Scene scene;
        ScriptedServer& mx = scene.server("127.0.0.2", {});
        scene.zone.mx("hop.example.org", {"mx1.example.net"});
        scene.zone.a("mx1.example.net", "127.0.0.2");
        RuleSettings rule = rule_for("example.net");
        rule.route = {NextHop::parse(fmt::format("hop.example.org:{}", mx.port())).value()};
        scene.rules = {rule};
        scene.route.delivery.port = 9;  // the route's own port counts
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK(report.trace.mx->domain.str() == "hop.example.org");
    }

    TEST_CASE("a rule that observes lets the mail go and the report says what it would have held [DANE-80]") {
        Scene scene;
        scene.two_hosts();
        scene.server("127.0.0.2", {});
        RuleSettings rule = rule_for("example.net", TlsLevel::dane_only);
        rule.observe = true;
        scene.rules = {rule};
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::delivered);
        CHECK(report.would_hold.find("demands DANE") != std::string::npos);
        rule.observe = false;
        scene.rules = {rule};
        CHECK(scene.deliver().recipients[0].held_reason == "dane-required");
    }

    TEST_CASE("where insecure MX records are not to bring DANE no TLSA record is asked for [DANE-06]") {
        for (const bool by_rule : {true, false}) {
            Scene scene;
            const auto certificate = certificate_for("mx1.example.net");
            ScriptedServer& mx = scene.server("127.0.0.2", {.replies = {}, .certificate = certificate});
            scene.zone.status(DnsStatus::insecure);
            scene.zone.mx("example.net", {"mx1.example.net"});
            scene.zone.status(DnsStatus::secure);
            scene.zone.a("mx1.example.net", "127.0.0.2");
            scene.zone.tlsa("mx1.example.net", mx.port(), certs::tlsa_for(*certificate, 3, 1, 1));
            RuleSettings rule = rule_for("example.net");
            if (by_rule)
                rule.insecure_mx = false;
            else
                scene.route.dane.insecure_mx = false;
            scene.rules = {rule};
            const DeliveryReport report = scene.deliver();
            CHECK(report.recipients[0].outcome.result == Said::delivered);
            CHECK(report.trace.hops[0].answers.tlsa.empty());
            CHECK(report.trace.hops[0].decision->reason == security::HopReason::opportunistic);
        }
    }

}  // TEST_SUITE("mta/delivery/rules")
}  // namespace sealpost
