#include <doctest/doctest.h>

#include <algorithm>

#include "security/policy_identity.hpp"
#include "tests/mta/support/delivery_scene.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using Said = RecipientOutcome::Result;
using security::DnsStatus;
using test::certificate_for;
using test::Scene;
using test::Script;
using test::ScriptedServer;
using test::Zone;
namespace certs = security::test;

namespace {

constexpr const char* host = "mx1.example.net";
using CertificatePtr = std::shared_ptr<certs::Certificate>;

/// One MX host for example.net and example.com, with the TLSA records for `matching` if there is one.
Zone zone_of(DnsStatus status, std::uint16_t port, const certs::Certificate* matching) {
    Zone zone;
    zone.status(status);
    zone.mx("example.net", {host});
    zone.mx("example.com", {host});
    zone.a(host, "127.0.0.2");
    if (matching != nullptr) zone.tlsa(host, port, certs::tlsa_for(*matching, 3, 1, 1));
    return zone;
}

/// A host with DANE at 127.0.0.2.
struct DaneScene : Scene {
    explicit DaneScene(Script script = {}) {
        script.certificate = certificate;
        mx = &server("127.0.0.2", std::move(script));
        zone = zone_of(DnsStatus::secure, mx->port(), certificate.get());
    }
    CertificatePtr certificate = certificate_for(host);
    ScriptedServer* mx = nullptr;
};

const security::TlsFacts& facts_of(const DeliveryReport& report) {
    REQUIRE(report.trace.hops.size() == 1);
    REQUIRE(report.trace.hops[0].sessions.size() == 1);
    return report.trace.hops[0].sessions[0].facts;
}

bool delivered(const DeliveryReport& report) {
    return report.recipients.size() == 1 && report.recipients[0].outcome.result == Said::delivered;
}

/// Under which the session of `report` was kept.
std::string identity_of(const DeliveryReport& report, const Scene& scene) {
    const Endpoint to{.address = IpAddress::parse("127.0.0.2").value(), .port = scene.route.delivery.port};
    return security::policy_identity(*report.trace.hops.at(0).decision, Domain::parse(host).value(), to,
                                     "mta.example.org ");
}

std::ptrdiff_t count(const ScriptedServer& server, const std::string& line) {
    const std::vector<std::string> heard = server.heard();
    return std::count(heard.begin(), heard.end(), line);
}

RuleSettings rule_with(TlsLevel level, std::optional<TlsVersion> least) {
    RuleSettings rule;
    rule.pattern = "example.net";
    rule.tls = level;
    rule.min_tls = least;
    rule.reason = "a test";
    rule.until = std::chrono::sys_days(std::chrono::year(2100) / 1 / 1);
    return rule;
}

}  // namespace

TEST_SUITE("mta/delivery/session") {
    TEST_CASE(
        "the next delivery under the same policy resumes and its certificate is judged again [DANE-78]") {
        for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION})
            for (const bool tickets : {true, false}) {
                CAPTURE(version);
                CAPTURE(tickets);
                DaneScene scene({.replies = {}, .certificate = {}, .max_tls = version, .tickets = tickets});
                const DeliveryReport first = scene.deliver();
                REQUIRE(delivered(first));
                CHECK_FALSE(facts_of(first).resumed);
                CHECK(scene.sessions.size() == 1);
                const DeliveryReport second = scene.deliver();
                REQUIRE(delivered(second));
                CHECK(facts_of(second).resumed);
                CHECK(count(*scene.mx, "TLS resumed") == 1);
                REQUIRE(facts_of(second).dane);
                CHECK(facts_of(second).dane->ok);
                CHECK(facts_of(second).dane->matched == "3 1 1");
                CHECK(second.recipients[0].tls.starts_with("Verified(dane)"));
                CHECK(delivered(scene.deliver()));
            }
    }

    TEST_CASE("whatever differs in the policy costs a full handshake [DANE-78 STS-74 TLS-23]") {
        struct Row {
            std::string what;
            void (*change)(DaneScene& scene);
        };
        for (const Row& row :
             {Row{"another TLSA RRset",
                  [](DaneScene& s) {
                      s.zone = zone_of(DnsStatus::secure, s.mx->port(), nullptr);
                      security::DnsAnswer tlsa;
                      tlsa.name = tlsa.canonical = fmt::format("_{}._tcp.{}", s.mx->port(), host);
                      tlsa.type = security::RrType::tlsa;
                      tlsa.status = DnsStatus::secure;
                      tlsa.data = security::DnsData::data;
                      tlsa.ttl = 60s;
                      tlsa.rdata = {certs::tlsa_for(*s.certificate, 3, 1, 1),
                                    certs::tlsa_for(*s.certificate, 3, 1, 2)};
                      s.zone.add(tlsa);
                  }},
              Row{"other reference names", [](DaneScene& s) { s.domain = "example.com"; }},
              Row{"no DANE any more",
                  [](DaneScene& s) { s.zone = zone_of(DnsStatus::secure, s.mx->port(), nullptr); }},
              Row{"an insecure zone",
                  [](DaneScene& s) { s.zone = zone_of(DnsStatus::insecure, s.mx->port(), nullptr); }},
              Row{"a rule", [](DaneScene& s) { s.rules.push_back(rule_with(TlsLevel::may, {})); }},
              Row{"another least version",
                  [](DaneScene& s) {
                      s.rules.push_back(rule_with(TlsLevel::automatic, TlsVersion::tls1_3));
                  }},
              Row{"a time to live that has run out", [](DaneScene& s) { s.session_lifetime = 0s; }}}) {
            CAPTURE(row.what);
            DaneScene scene;
            // Nothing is kept of a policy whose time is over, so the first delivery is the one that changes
            // there.
            const bool never_kept = row.what.starts_with("a time");
            if (never_kept) row.change(scene);
            REQUIRE(delivered(scene.deliver()));
            CHECK(scene.sessions.size() == (never_kept ? 0 : 1));
            if (!never_kept) row.change(scene);
            const DeliveryReport second = scene.deliver();
            REQUIRE(delivered(second));
            CHECK_FALSE(facts_of(second).resumed);
            CHECK_FALSE(scene.mx->heard("TLS resumed"));
        }
    }

    TEST_CASE("answers without a time to live are used for one handshake [DANE-78 TLS-23]") {
        DaneScene scene;
        scene.zone = zone_of(DnsStatus::secure, scene.mx->port(), nullptr);
        security::DnsAnswer tlsa;
        tlsa.name = tlsa.canonical = fmt::format("_{}._tcp.{}", scene.mx->port(), host);
        tlsa.type = security::RrType::tlsa;
        tlsa.status = DnsStatus::secure;
        tlsa.data = security::DnsData::data;
        tlsa.rdata = {certs::tlsa_for(*scene.certificate, 3, 1, 1)};
        scene.zone.add(tlsa);
        REQUIRE(delivered(scene.deliver()));
        CHECK(scene.sessions.size() == 0);
        const DeliveryReport second = scene.deliver();
        CHECK(delivered(second));
        CHECK_FALSE(facts_of(second).resumed);
    }

    TEST_CASE("a session of an opportunistic hop is not offered under DANE [DANE-78 TLS-23]") {
        DaneScene scene;
        const Zone with_dane = scene.zone;
        scene.zone = zone_of(DnsStatus::insecure, scene.mx->port(), nullptr);
        const DeliveryReport first = scene.deliver();
        REQUIRE(delivered(first));
        CHECK(first.recipients[0].tls.starts_with("Untrusted"));
        CHECK(scene.sessions.size() == 1);
        scene.zone = with_dane;
        const DeliveryReport second = scene.deliver();
        CHECK(delivered(second));
        CHECK_FALSE(facts_of(second).resumed);
        CHECK(second.recipients[0].tls.starts_with("Verified(dane)"));
    }

    TEST_CASE("a resumed session whose certificate does not match is not used [DANE-78]") {
        for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            CAPTURE(version);
            DaneScene scene({.replies = {}, .certificate = {}, .max_tls = version});
            scene.zone = zone_of(DnsStatus::insecure, scene.mx->port(), nullptr);
            const DeliveryReport open = scene.deliver();
            REQUIRE(delivered(open));
            const CertificatePtr other = certificate_for(host);
            scene.zone = zone_of(DnsStatus::secure, scene.mx->port(), other.get());
            const DeliveryReport held = scene.deliver();
            REQUIRE_FALSE(delivered(held));
            // What the identity rules out is done by hand: the session is put under the policy that it fails.
            const auto now = std::chrono::steady_clock::now();
            KeptTlsSession kept = scene.sessions.take(identity_of(open, scene), now);
            REQUIRE(kept.session);
            scene.sessions.put(identity_of(held, scene), std::move(kept.session), kept.end, now);
            const DeliveryReport resumed = scene.deliver();
            CHECK(facts_of(resumed).resumed);
            CHECK_FALSE(facts_of(resumed).dane->ok);
            CHECK_FALSE(delivered(resumed));
            CHECK(count(*scene.mx, "DATA") == 1);  // of the first
        }
    }

    TEST_CASE("what a resumed session brings ends no later than what was resumed [TLS-23]") {
        for (const bool resumed : {true, false}) {
            DaneScene scene;
            scene.session_lifetime = resumed ? 20s : 0s;
            REQUIRE(delivered(scene.deliver()));
            scene.session_lifetime = 1h;  // the answers of the zone last a minute
            const DeliveryReport second = scene.deliver();
            REQUIRE(delivered(second));
            REQUIRE(facts_of(second).resumed == resumed);
            const auto later = std::chrono::steady_clock::now() + 25s;
            CHECK((scene.sessions.take(identity_of(second, scene), later).session == nullptr) == resumed);
        }
    }

    TEST_CASE("a host that fails its policy or a connection that breaks leaves no session [TLS-23]") {
        {
            DaneScene scene;
            const CertificatePtr other = certificate_for(host);
            scene.zone = zone_of(DnsStatus::secure, scene.mx->port(), other.get());
            CHECK_FALSE(delivered(scene.deliver()));
            CHECK(scene.mx->heard("TLS"));
            CHECK(scene.sessions.size() == 0);
        }
        DaneScene scene({.replies = {}, .certificate = {}, .last_verb = "MAIL"});
        CHECK_FALSE(delivered(scene.deliver()));
        CHECK(scene.mx->heard("MAIL"));
        CHECK(scene.sessions.size() == 0);
    }

    TEST_CASE(
        "without reuse each message has a connection of its own, and TLS ends with close_notify [DANE-79]") {
        DaneScene scene;
        REQUIRE(delivered(scene.deliver()));
        REQUIRE(delivered(scene.deliver()));
        CHECK(count(*scene.mx, "CONNECT") == 2);
        scene.servers.front()->stop();
        CHECK(count(*scene.mx, "CLOSE_NOTIFY") == 2);
    }

    TEST_CASE(
        "the server name is that of the MX host and under DANE that of the TLSA base domain [DANE-72 "
        "STS-71]") {
        DaneScene scene;
        scene.zone = zone_of(DnsStatus::insecure, scene.mx->port(), nullptr);
        REQUIRE(delivered(scene.deliver()));
        CHECK(count(*scene.mx, "SNI mx1.example.net") == 1);
        // mx1.example.net is an alias of base.example.org, and its records stand there.
        scene.zone = Zone();
        scene.zone.status(DnsStatus::secure);
        scene.zone.mx("example.net", {host});
        security::DnsAnswer address;
        address.name = host;
        address.canonical = "base.example.org";
        address.type = security::RrType::a;
        address.status = DnsStatus::secure;
        address.data = security::DnsData::data;
        address.ttl = 60s;
        address.rdata = {{127, 0, 0, 2}};
        scene.zone.add(address);
        scene.zone.tlsa("base.example.org", scene.mx->port(), certs::tlsa_for(*scene.certificate, 3, 1, 1));
        const DeliveryReport report = scene.deliver();
        CHECK(delivered(report));
        CHECK(report.recipients[0].tls.starts_with("Verified(dane)"));
        CHECK(count(*scene.mx, "SNI base.example.org") == 1);
    }

    TEST_CASE("QUIT follows the handshake at once where the certificate is not good enough [TLS-09]") {
        DaneScene scene;
        const CertificatePtr other = certificate_for(host);
        scene.zone = zone_of(DnsStatus::secure, scene.mx->port(), other.get());
        const DeliveryReport report = scene.deliver();
        CHECK_FALSE(delivered(report));
        CHECK(facts_of(report).stage == security::TlsStage::established);
        CHECK(facts_of(report).helo == "server.example");
        scene.servers.front()->stop();
        const std::vector<std::string> expected{
            "CONNECT", "EHLO mta.example.org", "STARTTLS", "SNI mx1.example.net", "TLS",
            "QUIT",    "CLOSE_NOTIFY"};
        CHECK(scene.mx->heard() == expected);
    }

    TEST_CASE(
        "a failed handshake under DANE is not followed by a connection in clear [DANE-74 DANE-85 TLS-11]") {
        DaneScene scene({.replies = {}, .certificate = {}, .max_tls = TLS1_1_VERSION});
        const DeliveryReport report = scene.deliver();
        CHECK(report.recipients[0].outcome.result == Said::deferred);
        CHECK(facts_of(report).stage == security::TlsStage::handshake_failed);
        CHECK(count(*scene.mx, "CONNECT") == 1);
        CHECK_FALSE(scene.mx->heard("MAIL"));
    }

    TEST_CASE(
        "a whole reply is valid though TLS ends without close_notify and a part of one is a loss [TLS-20]") {
        for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            CAPTURE(version);
            DaneScene whole({.replies = {}, .certificate = {}, .max_tls = version, .last_verb = "."});
            const DeliveryReport done = whole.deliver();
            CHECK(delivered(done));
            CHECK(done.recipients[0].outcome.code == 250);
            for (const char* part : {"250 2.0.0 queu", "250-2.0.0 queued\r\n", "550-5.7.1 no\r\n550"}) {
                CAPTURE(part);
                DaneScene scene(
                    {.replies = {{".", part}}, .certificate = {}, .max_tls = version, .last_verb = "."});
                const DeliveryReport report = scene.deliver();
                CHECK(report.recipients[0].outcome.result == Said::deferred);
                CHECK(report.recipients[0].outcome.enhanced == "4.4.2");
                CHECK(count(*scene.mx, "CONNECT") == 1);
            }
        }
    }

    TEST_CASE("octets in clear behind the reply to STARTTLS end the connection [TLS-04]") {
        for (const bool dane : {true, false}) {
            DaneScene scene(
                {.replies = {{"STARTTLS", "220 go ahead\r\n250 injected\r\n"}}, .certificate = {}});
            if (!dane) scene.zone = zone_of(DnsStatus::insecure, scene.mx->port(), nullptr);
            const DeliveryReport report = scene.deliver();
            CHECK(report.recipients[0].outcome.result == Said::deferred);
            CHECK(facts_of(report).stage == security::TlsStage::injected);
            scene.servers.front()->stop();
            const std::vector<std::string> expected{"CONNECT", "EHLO mta.example.org", "STARTTLS"};
            CHECK(scene.mx->heard() == expected);
        }
    }
}

}  // namespace sealpost
