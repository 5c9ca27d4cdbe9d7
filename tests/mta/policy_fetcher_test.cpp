#include "mta/sts/policy_fetcher.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "mta/net/task_group.hpp"
#include "tests/mta/run_async.hpp"
#include "tests/mta/support/policy_server.hpp"
#include "tests/mta/support/stand_in_resolver.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using security::ResultType;
using test::certificate_for;
using test::PolicyScript;
using test::PolicyServer;
using test::served;
namespace certs = security::test;

namespace {

constexpr const char* policy_host = "mta-sts.example.net";

std::string policy_body() {
    return "version: STSv1\r\nmode: enforce\r\nmx: mx.example.net\r\nmax_age: 604800\r\n";
}

PolicyScript script(const std::vector<std::string>& names = {policy_host}) {
    return {.certificate = certificate_for(names), .response = served(policy_body())};
}

/// The policy host of example.net at 127.0.0.2, unless the test says otherwise.
struct Scene {
    Scene() {
        settings.fetch_timeout = 5s;
        zone.a(policy_host, "127.0.0.2");
    }
    FetchOutcome fetch(const std::string& domain = "example.net") {
        resolver::Resolver resolver(io.get_executor(), tasks, zone.config());
        resolver.start();
        TlsClient tls = TlsClient::create(tls_settings).value();
        PolicyFetcher fetcher(resolver, settings, tls, certs::store_of({trusted}));
        std::optional<FetchOutcome> outcome =
            test::run_async(io, run(fetcher, Domain::parse(domain).value()));
        tasks.stop();
        test::run_async(io, tasks.join());
        return std::move(*outcome);
    }
    FetchOutcome fetch_from(PolicyServer& server) {
        settings.port = server.port();
        return fetch();
    }
    static Async<std::optional<FetchOutcome>> run(PolicyFetcher& fetcher, Domain domain) {
        FetchOutcome outcome = co_await fetcher.fetch(std::move(domain));
        co_return std::optional<FetchOutcome>(std::move(outcome));
    }

    asio::io_context io{1};
    TaskGroup tasks{io.get_executor(), [](std::string_view what) { FAIL_CHECK(std::string(what)); }};
    test::Zone zone;
    StsSettings settings;
    TlsSettings tls_settings;
    certs::Certificate trusted = test::authority();
};

void check_failed(const FetchOutcome& outcome, ResultType type, std::string_view words) {
    REQUIRE_FALSE(outcome);
    CHECK(outcome.error().type == type);
    CAPTURE(outcome.error().reason);
    CHECK(outcome.error().reason.find(words) != std::string::npos);
}

}  // namespace

TEST_SUITE("mta/sts/policy_fetcher") {
    TEST_CASE(
        "one GET of the well-known path with the policy host as SNI and Host [STS-17 STS-18 STS-23 STS-32]") {
        Scene scene;
        PolicyServer server("127.0.0.2", script());
        const FetchOutcome outcome = scene.fetch_from(server);
        REQUIRE(outcome);
        CHECK(outcome->body == policy_body());
        CHECK(outcome->policy.mode == security::StsMode::enforce);
        CHECK(server.server_names() == std::vector<std::string>{policy_host});
        // No query and no condition; nothing asks for or accepts another encoding.
        CHECK(server.requests() ==
              std::vector<std::string>{
                  "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.net\r\n"
                  "User-Agent: Sealpost\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"});
        CHECK(server.connections() == 1);
        CHECK(StsSettings{}.port == 443);
    }

    TEST_CASE(
        "an alias of the policy host changes neither SNI nor Host nor the name in the certificate [STS-18 "
        "STS-20]") {
        for (const bool for_user : {true, false}) {
            CAPTURE(for_user);
            Scene scene;
            scene.zone = {};
            scene.zone.a(policy_host, "127.0.0.2");
            scene.zone.alias_last("mta-sts.provider.example");
            PolicyServer server("127.0.0.2", script({for_user ? policy_host : "mta-sts.provider.example"}));
            const FetchOutcome outcome = scene.fetch_from(server);
            CHECK(outcome.has_value() == for_user);
            if (for_user) CHECK(server.server_names() == std::vector<std::string>{policy_host});
            if (!for_user) check_failed(outcome, ResultType::sts_webpki_invalid, policy_host);
        }
    }

    TEST_CASE("an internationalised domain is asked for by its A-labels [STS-18]") {
        Scene scene;
        const std::string host = "mta-sts.xn--bcher-kva.example";
        scene.zone.a(host, "127.0.0.2");
        PolicyServer server("127.0.0.2", script({host}));
        scene.settings.port = server.port();
        CHECK(
            scene.fetch("b\xC3\xBC"
                        "cher.example"));
        CHECK(server.server_names() == std::vector<std::string>{host});
        REQUIRE(server.requests().size() == 1);
        CHECK(server.requests()[0].find("\r\nHost: " + host + "\r\n") != std::string::npos);
    }

    TEST_CASE(
        "the certificate of the policy host is trusted and in date and names it by DNS-ID [STS-19 STS-20 "
        "NAME-03 NAME-04]") {
        struct Row {
            std::string rule;
            certs::Certificate certificate;
            bool good;
        };
        certs::CertificateOrder address{.common_name = "leaf", .dns = {}, .addresses = {"127.0.0.2"}};
        address.begins = -4000;
        address.ends = 40000;
        const Row rows[] = {
            {"its name among others", certificate_for({"www.example.net", policy_host}), true},
            {"a wildcard as the whole left-most label", certificate_for({"*.example.net"}), true},
            {"a wildcard inside a label", certificate_for({"mta-*.example.net"}), false},
            {"a wildcard for two labels", certificate_for({"*.net"}), false},
            {"the common name alone", certificate_for({}, -10, 10, policy_host), false},
            {"the common name beside another DNS-ID",
             certificate_for({"www.example.net"}, -10, 10, policy_host), false},
            {"the domain alone", certificate_for({"example.net"}), false},
            {"the provider's name", certificate_for({"mta-sts.provider.example"}), false},
            {"an IP address", certs::issue(address, &test::authority()), false},
            {"expired", certificate_for({policy_host}, -10, -1), false},
            {"not yet valid", certificate_for({policy_host}, 1, 10), false},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rule);
            Scene scene;
            PolicyServer server("127.0.0.2",
                                {.certificate = row.certificate, .response = served(policy_body())});
            const FetchOutcome outcome = scene.fetch_from(server);
            CHECK(outcome.has_value() == row.good);
            if (!row.good) {
                check_failed(outcome, ResultType::sts_webpki_invalid,
                             "the certificate of mta-sts.example.net");
                CHECK(server.requests().empty());  // nothing is asked of who is not the policy host
            }
        }
    }

    TEST_CASE(
        "a certificate by an authority that is not trusted for policies fails the fetch [STS-19 NAME-12]") {
        Scene scene;
        scene.trusted =
            certs::issue({.common_name = "another CA", .begins = -4000, .ends = 40000, .ca = true});
        PolicyServer server("127.0.0.2", script());
        check_failed(scene.fetch_from(server), ResultType::sts_webpki_invalid, policy_host);
    }

    TEST_CASE("a host that staples no revocation status is as good as any other [STS-31]") {
        Scene scene;
        PolicyServer server("127.0.0.2", script());  // it has none, and its CA names no responder
        CHECK(scene.fetch_from(server));
    }

    TEST_CASE("the policy host must speak TLS 1.2 and need not speak 1.3 whatever mail demands [STS-72]") {
        struct Row {
            int version;
            std::string mail;
            bool good;
        };
        for (const Row& row : {Row{TLS1_3_VERSION, "1.2", true}, Row{TLS1_2_VERSION, "1.2", true},
                               Row{TLS1_2_VERSION, "1.3", true}, Row{TLS1_1_VERSION, "1.2", false},
                               Row{TLS1_VERSION, "1.2", false}}) {
            CAPTURE(row.version);
            CAPTURE(row.mail);
            Scene scene;
            scene.tls_settings.min_version = row.mail;
            PolicyScript old = script();
            old.max_version = row.version;
            PolicyServer server("127.0.0.2", old);
            const FetchOutcome outcome = scene.fetch_from(server);
            CHECK(outcome.has_value() == row.good);
            if (!row.good)
                check_failed(outcome, ResultType::sts_policy_fetch_error, "TLS with mta-sts.example.net");
        }
    }

    TEST_CASE("a host without TLS fails the fetch [STS-28]") {
        Scene scene;
        PolicyScript plain = script();
        plain.plain = true;
        PolicyServer server("127.0.0.2", plain);
        check_failed(scene.fetch_from(server), ResultType::sts_policy_fetch_error,
                     "TLS with mta-sts.example.net");
    }

    TEST_CASE("a redirect is not followed [STS-21]") {
        Scene scene;
        PolicyServer server("127.0.0.2", script());
        server.say("HTTP/1.1 301 Moved\r\nLocation: /policy.txt\r\nContent-Length: 0\r\n\r\n");
        check_failed(scene.fetch_from(server), ResultType::sts_policy_fetch_error, "HTTP 301");
        CHECK(server.connections() == 1);
    }

    TEST_CASE("headers about caching change nothing [STS-23]") {
        Scene scene;
        PolicyServer server("127.0.0.2", script());
        server.say(served(policy_body(),
                          "Content-Type: text/plain\r\nCache-Control: no-store, max-age=0\r\nExpires: 0\r\n"
                          "ETag: \"1\"\r\nAge: 100000\r\n"));
        const FetchOutcome outcome = scene.fetch_from(server);
        REQUIRE(outcome);
        CHECK(outcome->policy.max_age == std::chrono::days(7));
    }

    TEST_CASE("a chunked body is a body and a compressed one is not") {
        {
            Scene scene;
            PolicyServer server("127.0.0.2", script());
            const std::string body = policy_body();
            server.say("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n" +
                       fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", body.size(), body));
            CHECK(scene.fetch_from(server));
        }
        Scene scene;
        PolicyServer server("127.0.0.2", script());
        server.say(served(policy_body(), "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n"));
        check_failed(scene.fetch_from(server), ResultType::sts_policy_fetch_error, "encoded");
    }

    TEST_CASE("a missing media type is refused unless the setting lets it pass [STS-24 AMB-14]") {
        for (const bool required : {true, false}) {
            Scene scene;
            scene.settings.require_content_type = required;
            PolicyServer server("127.0.0.2", script());
            server.say(served(policy_body(), ""));
            CHECK(scene.fetch_from(server).has_value() != required);
        }
    }

    TEST_CASE("reading stops at the limits of body and header [STS-25]") {
        const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
        std::string headers = "Content-Type: text/plain\r\n";
        for (int i = 0; i < 20; ++i) headers += line;
        std::string long_body = policy_body();
        while (long_body.size() <= 64U << 10U) long_body += "filler: " + std::string(80, 'x') + "\r\n";
        for (const std::string& response :
             {served(long_body), served(policy_body(), headers),
              // Its end is never said: only the limit stops it.
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + long_body + long_body}) {
            Scene scene;
            PolicyServer server("127.0.0.2", script());
            server.say(response);
            check_failed(scene.fetch_from(server), ResultType::sts_policy_fetch_error, "HTTP response");
        }
        Scene scene;
        PolicyServer server("127.0.0.2", script());
        server.say(served(long_body));
        scene.settings.max_policy_size = 128U << 10U;
        CHECK(scene.fetch_from(server));
    }

    TEST_CASE("a body that was cut on the way is no policy [STS-28]") {
        // Without a length the end of the connection is the end of the body, and only close_notify makes it
        // sure.
        for (const bool whole : {true, false}) {
            CAPTURE(whole);
            Scene scene;
            PolicyScript cut = script();
            cut.response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + policy_body();
            cut.close_notify = whole;
            PolicyServer server("127.0.0.2", cut);
            CHECK(scene.fetch_from(server).has_value() == whole);
        }
    }

    TEST_CASE("the whole fetch has one time limit however the time is spent [STS-26]") {
        struct Row {
            std::string rule;
            std::string response;
            std::chrono::milliseconds between;
        };
        for (const Row& row :
             {Row{"no answer", "", 0ms}, Row{"an octet now and then", served(policy_body()), 50ms}}) {
            CAPTURE(row.rule);
            Scene scene;
            scene.settings.fetch_timeout = 400ms;
            PolicyScript slow = script();
            slow.response = row.response;
            slow.between_octets = row.between;
            PolicyServer server("127.0.0.2", slow);
            const auto began = std::chrono::steady_clock::now();
            check_failed(scene.fetch_from(server), ResultType::sts_policy_fetch_error, "deadline");
            const auto took = std::chrono::steady_clock::now() - began;
            CHECK(took >= 400ms);
            CHECK(took < 4s);
        }
    }

    TEST_CASE("an address in a forbidden network is not connected to [STS-78 AMB-18]") {
        Scene scene;
        PolicyServer server("127.0.0.2", script());
        scene.settings.forbidden_networks = default_settings().mta_sts.forbidden_networks;
        check_failed(scene.fetch_from(server), ResultType::sts_policy_fetch_error,
                     "has the address 127.0.0.2, which mta_sts.forbidden_networks forbids");
        CHECK(server.connections() == 0);
    }

    TEST_CASE("an IPv4 address in the disguise of IPv6 is as forbidden as it is plain [STS-78]") {
        Scene scene;
        scene.zone = {};
        scene.zone.aaaa(policy_host, "::ffff:127.0.0.2");
        PolicyServer server("127.0.0.2", script());
        scene.settings.forbidden_networks = {IpNetwork::parse("127.0.0.0/8").value()};
        check_failed(scene.fetch_from(server), ResultType::sts_policy_fetch_error,
                     "forbidden_networks forbids");
        CHECK(server.connections() == 0);
    }

    TEST_CASE("a forbidden or dead address takes no place of a good one [STS-78]") {
        Scene scene;
        scene.zone = {};
        scene.zone.aaaa(policy_host, "fd00::1");
        scene.zone.a(policy_host, "127.0.0.3");  // nobody listens there
        scene.zone.more(policy_host, "127.0.0.2");
        scene.settings.forbidden_networks = {IpNetwork::parse("fc00::/7").value()};
        PolicyServer server("127.0.0.2", script());
        CHECK(scene.fetch_from(server));
    }

    TEST_CASE("a host without address or listener or with a failed lookup fails the fetch [STS-28]") {
        {
            Scene scene;
            scene.zone = {};
            scene.zone.a("example.net", "127.0.0.2");
            check_failed(scene.fetch(), ResultType::sts_policy_fetch_error,
                         "mta-sts.example.net has no address");
        }
        {
            Scene scene;
            std::uint16_t port = 0;
            {
                PolicyServer gone("127.0.0.2", script());
                port = gone.port();
            }
            scene.settings.port = port;
            check_failed(scene.fetch(), ResultType::sts_policy_fetch_error, "connect to 127.0.0.2");
        }
        Scene scene;
        scene.zone = {};
        security::DnsAnswer broken;
        broken.name = broken.canonical = policy_host;
        broken.status = security::DnsStatus::error;
        broken.why = "SERVFAIL";
        for (const security::RrType type : {security::RrType::a, security::RrType::aaaa}) {
            broken.type = type;
            scene.zone.add(broken);
        }
        check_failed(scene.fetch(), ResultType::sts_policy_fetch_error,
                     "lookup of mta-sts.example.net failed");
    }
}

}  // namespace sealpost
