#include "config/settings.hpp"

#include <doctest/doctest.h>

#include "tests/config/config_folder.hpp"

using sealpost::any_contains;
using sealpost::default_settings;
using sealpost::IpAddress;
using sealpost::Settings;
using sealpost::TlsLevel;

TEST_SUITE("config/settings") {
    TEST_CASE("by default only this host may hand in mail") {
        const Settings settings = default_settings();
        REQUIRE(settings.listener.listen.size() == 2);
        CHECK(settings.listener.listen[0].str() == "127.0.0.1:25");
        CHECK(settings.listener.listen[1].str() == "[::1]:25");
        const auto may_relay = [&](const char* address) {
            return any_contains(settings.listener.relay_networks, IpAddress::parse(address).value());
        };
        for (const char* address : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"}) {
            CAPTURE(address);
            CHECK(may_relay(address));
        }
        for (const char* address : {"128.0.0.1", "10.0.0.1", "::2", "::", "::ffff:10.0.0.1", "::127.0.0.1"}) {
            CAPTURE(address);
            CHECK_FALSE(may_relay(address));
        }
    }

    TEST_CASE("by default no address is connected to that a public host cannot have [STS-78]") {
        const Settings settings = default_settings();
        const struct {
            const char* address;
            bool forbidden;
        } rows[] = {
            {"0.0.0.0", true},
            {"10.1.2.3", true},
            {"100.64.0.1", true},
            {"100.128.0.1", false},
            {"127.0.0.53", true},
            {"169.254.169.254", true},
            {"172.31.255.255", true},
            {"172.32.0.1", false},
            {"192.0.0.8", true},
            {"192.0.1.1", false},
            {"192.168.1.1", true},
            {"198.19.0.1", true},
            {"198.20.0.1", false},
            {"224.0.0.251", true},
            {"255.255.255.255", true},
            {"8.8.8.8", false},
            {"1.1.1.1", false},
            {"::", true},
            {"::1", true},
            {"::ffff:10.0.0.1", true},
            {"::ffff:8.8.8.8", true},
            {"64:ff9b::a00:1", true},
            {"fd00::1", true},
            {"fe80::1", true},
            {"ff02::1", true},
            {"2001:db8::1", true},
            {"2002:a00:1::", true},
            {"2001:500:2::c", false},
            {"2a00:1450::1", false},
            {"2606:4700::1", false},
            {"2001:4860::1", false},
            {"100::1", true},
            {"64:ff9b:1::1", true},
        };
        for (const auto& row : rows) {
            CAPTURE(row.address);
            const IpAddress address = IpAddress::parse(row.address).value();
            CHECK(any_contains(settings.delivery.forbidden_networks, address) == row.forbidden);
            CHECK(any_contains(settings.mta_sts.forbidden_networks, address) == row.forbidden);
        }
    }

    TEST_CASE("the default times are those that RFC 5321 asks for [SMTP-14 SMTP-22]") {
        const Settings settings = default_settings();
        using std::chrono::minutes;
        CHECK(settings.delivery.greeting_timeout >= minutes(5));
        CHECK(settings.delivery.mail_timeout >= minutes(5));
        CHECK(settings.delivery.rcpt_timeout >= minutes(5));
        CHECK(settings.delivery.data_timeout >= minutes(2));
        CHECK(settings.delivery.block_timeout >= minutes(3));
        CHECK(settings.delivery.final_timeout >= minutes(10));
        CHECK(settings.listener.command_timeout >= minutes(5));
        CHECK(settings.queue.retry_first >= minutes(30));
        CHECK(settings.queue.max_age >= std::chrono::hours(24 * 4));
        CHECK(settings.listener.max_received >= 100);
        CHECK(settings.mta_sts.fetch_timeout == minutes(1));
        CHECK(settings.mta_sts.max_policy_size == 65536);
    }

    TEST_CASE(
        "the CAs of the system are trusted unless others are named for mail or for policies [NAME-12]") {
        const Settings settings = default_settings();
        CHECK(settings.tls.ca_file == "/etc/ssl/certs/ca-certificates.crt");
        CHECK(settings.mta_sts.ca_file.empty());  // then those of [tls]
        const sealpost::ConfigFolder folder("[tls]\nca_file = \"/a.pem\"\n[mta_sts]\nca_file = \"/b.pem\"\n");
        const auto loaded = folder.load();
        REQUIRE(loaded.has_value());
        CHECK(loaded->settings.tls.ca_file == "/a.pem");
        CHECK(loaded->settings.mta_sts.ca_file == "/b.pem");
    }

    TEST_CASE("a level has the word that the configuration uses") {
        CHECK(to_string(TlsLevel::automatic) == "auto");
        CHECK(to_string(TlsLevel::encrypt) == "encrypt");
        CHECK(to_string(TlsLevel::authenticated) == "authenticated");
        CHECK(to_string(TlsLevel::dane_only) == "dane-only");
    }

}  // TEST_SUITE("config/settings")
