#include "config/settings_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/config/config_folder.hpp"

namespace sealpost {

TEST_SUITE("config/settings_file") {
    TEST_CASE("without any file the defaults hold unless one was asked for") {
        const ConfigFolder folder;
        const auto loaded = folder.load(false);
        REQUIRE(loaded.has_value());
        CHECK(loaded->settings == default_settings());
        CHECK(loaded->files.empty());
        CHECK(loaded->origins.empty());
        CHECK(folder.problems() ==
              "sealpost.toml: cannot be read: No such file or directory; create it, or name the file that is "
              "meant\n");
    }

    TEST_CASE("the folders beside a missing main file are read") {
        const ConfigFolder folder;
        folder.write("conf.d/10.toml", "[daemon]\nhostname = \"a.example\"\n");
        folder.write("domains.d/10.toml", "[domain.\"example.org\"]\ntls = \"encrypt\"\n");
        const auto loaded = folder.load(false);
        REQUIRE(loaded.has_value());
        CHECK(loaded->settings.daemon.hostname == "a.example");
        CHECK(loaded->settings.rules.size() == 1);
    }

    TEST_CASE("a later file replaces keys of an earlier one and each value knows where it was written") {
        const ConfigFolder folder(
            "[daemon]\nhostname = \"main.example\"\nworkers = 3\n[listener]\nlisten = "
            "[\"192.0.2.1:25\", \"192.0.2.2:25\"]\n");
        folder.write("conf.d/20-b.toml", "\n[daemon]\nhostname = \"twenty.example\"\n");
        folder.write("conf.d/10-a.toml", "[daemon]\nhostname = \"ten.example\"\n[listener]\nlisten = []\n");
        folder.write("conf.d/30.toml.bak", "not TOML");
        folder.write("conf.d/.#40.toml", "not TOML");
        const auto loaded = folder.load();
        REQUIRE(loaded.has_value());
        CHECK(loaded->settings.daemon.hostname == "twenty.example");
        CHECK(loaded->settings.daemon.workers == 3);
        CHECK(loaded->settings.listener.listen.empty());
        CHECK(loaded->files == std::vector<std::string>{folder.path("sealpost.toml"),
                                                        folder.path("conf.d/10-a.toml"),
                                                        folder.path("conf.d/20-b.toml")});
        CHECK(loaded->origins.at("daemon.hostname") == Origin{folder.path("conf.d/20-b.toml"), 3});
        CHECK(loaded->origins.at("daemon.workers") == Origin{folder.path("sealpost.toml"), 3});
        CHECK_FALSE(loaded->origins.contains("daemon.user"));
        const std::string shown = render_settings(*loaded, true);
        CHECK(shown.find("workers = 3  # " + folder.path("sealpost.toml") + ":3\n") != std::string::npos);
        CHECK(shown.find("user = \"\"  # default\n") != std::string::npos);
    }

    TEST_CASE("names and addresses are normalised and numbers may be whole") {
        const ConfigFolder folder(
            "[daemon]\nhostname = \"Mail.BÜCHER.example.\"\n[queue]\nretry_factor = 2\n"
            "[reports]\ncontact_info = \"TLS@Example.ORG\"\n[dns]\n"
            "stub_zones.\"EXAMPLE\" = [\"[::1]:53\"]\n");
        CHECK(folder.problems() == "");
        const Settings settings = folder.load()->settings;
        CHECK(settings.daemon.hostname == "mail.xn--bcher-kva.example");
        CHECK(settings.queue.retry_factor == doctest::Approx(2.0));
        CHECK(settings.reports.contact_info == "TLS@example.org");
        CHECK(settings.dns.stub_zones.at(0).zone.str() == "example");
    }

    TEST_CASE("each mistake is told with its place and what is allowed") {
        const struct {
            const char* text;
            const char* problem;
        } rows[] = {
            {"[queue]\nretry_frist = \"1h\"",
             "sealpost.toml:2:1: key 'queue.retry_frist': unknown key; did you mean 'retry_first'?\n"},
            {"[queue]\nconnect_timeout = \"1h\"",
             "sealpost.toml:2:1: key 'queue.connect_timeout': unknown key; did you mean "
             "'delivery.connect_timeout'?\n"},
            {"[queue]\nzzz = 1", "sealpost.toml:2:1: key 'queue.zzz': unknown key\n"},
            {"hostname = \"a.example\"",
             "sealpost.toml:1:1: key 'hostname': unknown key; did you mean 'daemon.hostname'?\n"},
            {"[mta-sts]\nport = 1",
             "sealpost.toml:1:2: section 'mta-sts': unknown section; did you mean 'mta_sts'?\n"},
            {"[zzzzzz]", "sealpost.toml:1:2: section 'zzzzzz': unknown section\n"},
            {"queue = 5",
             "sealpost.toml:1:9: key 'queue': expected a section [queue], found the integer 5\n"},
            {"[queue]\nretry_first = 30",
             "sealpost.toml:2:15: key 'queue.retry_first': '30' has no unit; write one of ms, s, min, h, d, "
             "as in "
             "30min\n"},
            {"[queue]\nretry_first = true",
             "sealpost.toml:2:15: key 'queue.retry_first': expected a duration from \"100ms\" to \"1d\", "
             "found "
             "true\n"},
            {"[queue]\nretry_first = \"99ms\"",
             "sealpost.toml:2:15: key 'queue.retry_first': '99ms' is out of range; allowed is a duration "
             "from "
             "\"100ms\" to \"1d\"\n"},
            {"[queue]\nretry_jitter = 0.6",
             "sealpost.toml:2:16: key 'queue.retry_jitter': 0.6 is out of range; allowed is a number from 0 "
             "to 0.5\n"},
            {"[listener]\nmax_message_size = 1000000",
             "sealpost.toml:2:20: key 'listener.max_message_size': '1000000' has no unit; write one of B, "
             "KiB, MiB, "
             "GiB, TiB, kB, MB, GB, TB, as in 50MiB\n"},
            {"[listener]\nmax_recipients = 99",
             "sealpost.toml:2:18: key 'listener.max_recipients': 99 is out of range; allowed is a whole "
             "number from "
             "100 to 100000\n"},
            {"[listener]\nmax_recipients = \"200\"",
             "sealpost.toml:2:18: key 'listener.max_recipients': expected a whole number from 100 to 100000, "
             "found "
             "the text '200'\n"},
            {"[listener]\nlisten = \"192.0.2.1:25\"",
             "sealpost.toml:2:10: key 'listener.listen': expected a list of addresses with ports such as "
             "[\"192.0.2.1:25\", \"[2001:db8::1]:25\"], found the text '192.0.2.1:25'\n"},
            {"[listener]\nlisten = [\"192.0.2.1:25\",\n  \"192.0.2.1:25\"]",
             "sealpost.toml:3:3: key 'listener.listen': '192.0.2.1:25' stands in the list twice\n"},
            {"[listener]\nrelay_networks = [\"192.0.2.1/24\", 7]",
             "sealpost.toml:2:19: key 'listener.relay_networks': '192.0.2.1/24' has bits set behind its "
             "prefix; the "
             "network is 192.0.2.0/24\n"
             "sealpost.toml:2:35: key 'listener.relay_networks': expected a list of networks such as "
             "[\"192.0.2.0/24\", \"2001:db8::/32\"], found the integer 7 in the list\n"},
            {"[delivery]\nport = 0",
             "sealpost.toml:2:8: key 'delivery.port': 0 is out of range; allowed is a port from 1 to "
             "65535\n"},
            {"[delivery]\nsource_ipv4 = \"2001:db8::1\"",
             "sealpost.toml:2:15: key 'delivery.source_ipv4': expected an IPv4 address or \"\", found "
             "'2001:db8::1'\n"},
            {"[delivery]\nsource_ipv6 = \"fe80::1%eth0\"",
             "sealpost.toml:2:15: key 'delivery.source_ipv6': 'fe80::1%eth0' is not an IP address\n"},
            {"[daemon]\nstate_directory = \"state\"",
             "sealpost.toml:2:19: key 'daemon.state_directory': 'state' is not an absolute path\n"},
            {"[daemon]\nhostname = \"a..example\"",
             "sealpost.toml:2:12: key 'daemon.hostname': 'a..example' has an empty label\n"},
            {"[reports]\ncontact_info = \"postmaster\"",
             "sealpost.toml:2:16: key 'reports.contact_info': 'postmaster' is not a mail address: the '@' is "
             "missing\n"},
            {"[tls]\nmin_version = \"1.1\"",
             "sealpost.toml:2:15: key 'tls.min_version': '1.1' is not one of \"1.2\", \"1.3\"; did you mean "
             "'1.2'?\n"},
            {"[tls]\nmin_version = 1.2",
             "sealpost.toml:2:15: key 'tls.min_version': expected one of \"1.2\", \"1.3\", found the number "
             "1.2\n"},
            {"[log]\nlevel = \"warn\"",
             "sealpost.toml:2:9: key 'log.level': 'warn' is not one of \"debug\", \"info\", \"warning\", "
             "\"error\"\n"},
            {"[dns.stub_zones]\n\"example\" = []",
             "sealpost.toml:2:13: key 'dns.stub_zones': zone 'example' has no server\n"},
            {"[dns.stub_zones]\n\"example\" = [\"192.0.2.1:53\"]\n\"EXAMPLE\" = [\"192.0.2.1:53\"]",
             "sealpost.toml:2:1: key 'dns.stub_zones': zone 'example' is defined twice\n"},
        };
        for (const auto& row : rows) {
            CAPTURE(row.text);
            CHECK(problems_of(row.text) == row.problem);
        }
    }

    TEST_CASE("settings that contradict each other are told") {
        const struct {
            const char* text;
            const char* problem;
        } rows[] = {
            {"[queue]\nretry_first = \"5h\"",
             "sealpost.toml:2:15: key 'queue.retry_first': 5h is more than 'queue.retry_max' (4h, the "
             "default)\n"},
            {"[queue]\nretry_max = \"10min\"",
             "sealpost.toml:2:13: key 'queue.retry_first': the default 30min is more than 'queue.retry_max' "
             "(10min)\n"},
            {"[queue]\nretry_max = \"10min\"\nretry_first = \"20min\"",
             "sealpost.toml:3:15: key 'queue.retry_first': 20min is more than 'queue.retry_max' (10min)\n"},
            {"[delivery]\nipv6 = false\nipv4 = false",
             "sealpost.toml:3:8: key 'delivery.ipv4': false, and 'delivery.ipv6' is false too: nothing could "
             "be "
             "reached\n"},
            {"[listener]\nmax_message_size = \"100KiB\"",
             "sealpost.toml:2:20: key 'listener.max_header_size': the default 256KiB is more than "
             "'listener.max_message_size' (100KiB)\n"},
            {"[listener]\nrelay_networks = [\"0.0.0.0/0\", \"::/0\"]",
             "sealpost.toml:2:18: key 'listener.relay_networks': 0.0.0.0/0 would relay for the whole "
             "internet; name "
             "your own networks\n"
             "sealpost.toml:2:18: key 'listener.relay_networks': ::/0 would relay for the whole internet; "
             "name your "
             "own networks\n"},
            {"[listener]\ntls_certificate = \"/etc/mail.pem\"",
             "sealpost.toml:2:19: key 'listener.tls_key': the default \"\", but 'listener.tls_certificate' "
             "is "
             "set: set both, or none of them\n"},
            {"[listener]\ntls_key = \"/etc/mail.key\"\ntls_certificate = \"\"",
             "sealpost.toml:3:19: key 'listener.tls_certificate': \"\", but 'listener.tls_key' is set: set "
             "both, "
             "or none of them\n"},
            // Not told on top of the value that is wrong in itself.
            {"[queue]\nretry_max = \"x\"\nretry_first = \"20h\"",
             "sealpost.toml:2:13: key 'queue.retry_max': 'x' is not a duration; write a whole number and a "
             "unit (ms, "
             "s, min, h, d), as in 30min\n"},
        };
        for (const auto& row : rows) {
            CAPTURE(row.text);
            CHECK(problems_of(row.text) == row.problem);
        }
    }

    TEST_CASE("every problem of every file is told in the order of the text") {
        const ConfigFolder folder("[tls]\nmin_version = 1\n[daemon]\nworkers = -1\n");
        folder.write("conf.d/a.toml", "x = [");
        folder.write("conf.d/b.toml", "[dane]\nenabled = \"yes\"\n");
        folder.write("domains.d/a.toml", "[queue]\n[domain.\"a.example\"]\ntls = \"nothing\"\n");
        CHECK(folder.problems() ==
              "sealpost.toml:2:15: key 'tls.min_version': expected one of \"1.2\", \"1.3\", found the "
              "integer 1\n"
              "sealpost.toml:4:11: key 'daemon.workers': -1 is out of range; allowed is a whole number from "
              "0 to 256\n"
              "conf.d/a.toml:1:6: not TOML: Error while parsing array: encountered end-of-file\n"
              "conf.d/b.toml:2:11: key 'dane.enabled': expected true or false, found the text 'yes'\n"
              "domains.d/a.toml:1:2: key 'queue': a file in domains.d holds only rules "
              "([domain.\"example.org\"]); "
              "move it to sealpost.toml or conf.d\n"
              "domains.d/a.toml:3:7: key 'domain.\"a.example\".tls': expected one of \"auto\", \"encrypt\", "
              "\"authenticated\", \"dane-only\", \"secure\", \"fingerprint\", \"may\", \"none\", found the "
              "text "
              "'nothing'\n");
    }

    TEST_CASE("a file that cannot be read is told with the reason and the remedy") {
        const ConfigFolder folder("");
        folder.write("conf.d/ok.toml", "");
        REQUIRE(mkfifo(folder.path("conf.d/pipe.toml").c_str(), 0600) == 0);
        REQUIRE(symlink("loop.toml", folder.path("conf.d/loop.toml").c_str()) == 0);
        folder.write("conf.d/folder.toml/x", "");
        CHECK(folder.problems() ==
              "conf.d/folder.toml: is not a file; move it away or rename it\n"
              "conf.d/loop.toml: cannot be read: Too many levels of symbolic links; it is a link that leads "
              "back to "
              "itself\n"
              "conf.d/pipe.toml: is not a file; move it away or rename it\n");

        const ConfigFolder blocked("");
        blocked.write("conf.d", "");
        CHECK(blocked.problems() ==
              "conf.d: cannot be listed: Not a directory; let the user that runs sealpost read it\n");

        if (geteuid() != 0) {  // root may read anything
            const ConfigFolder secret("");
            REQUIRE(chmod(secret.path("sealpost.toml").c_str(), 0) == 0);
            CHECK(secret.problems() ==
                  "sealpost.toml: cannot be read: Permission denied; let the user that runs sealpost read it "
                  "and "
                  "enter the folders above it\n");
        }
    }

    TEST_CASE("a file beyond 8 MiB and hostile TOML are refused") {
        CHECK(problems_of(std::string((8U << 20) + 1, '#')) ==
              "sealpost.toml: is larger than 8388608 octets; split it into several files\n");
        CHECK(problems_of(std::string("a = \0", 5)) != "");
        CHECK(problems_of("a = \"\xff\"") != "");
        CHECK(problems_of("a = " + std::string(100'000, '[')) != "");
        CHECK(problems_of("[daemon]\nworkers = 1\nworkers = 2\n").starts_with("sealpost.toml:3:"));
    }

    TEST_CASE("the shown configuration with its rules loads to the same settings") {
        const ConfigFolder folder(
            "[domain.\"*\"]\ntls = \"encrypt\"\n[domain.\".example.net\"]\ntls = \"authenticated\"\n"
            "match = [\"mx.example.net\", \".example.com\"]\ncontact = 'say \"hi\" \\o/ 100% # ü'\n");
        const auto loaded = folder.load();
        REQUIRE(loaded.has_value());
        for (const bool with_origin : {false, true}) {
            const ConfigFolder again(render_settings(*loaded, with_origin));
            CHECK(again.problems() == "");
            auto reloaded = again.load();
            REQUIRE(reloaded.has_value());
            REQUIRE(reloaded->settings.rules.size() == 2);
            for (std::size_t i = 0; i < 2; ++i) {
                reloaded->settings.rules[i].file = loaded->settings.rules[i].file;
                reloaded->settings.rules[i].line = loaded->settings.rules[i].line;
            }
            CHECK(reloaded->settings == loaded->settings);
        }
    }

    TEST_CASE("the JSON form has a schema and tells value and origin of each key") {
        const ConfigFolder folder(
            "[queue]\nretry_factor = 1.5\n[domain.\"a.example\"]\ntls = \"dane-only\"\n");
        const std::string text = render_settings_json(folder.load().value());
        const std::string file = folder.path("sealpost.toml");
        CHECK(text.starts_with(R"({"schema":"sealpost.config/1","files":[")" + file +
                               R"("],"settings":{"daemon":{)"));
        CHECK(text.find(R"("retry_factor":{"value":1.5E0,"origin":")" + file + R"(:2"})") !=
              std::string::npos);
        CHECK(text.find(R"("retry_first":{"value":"30min","origin":"default"})") != std::string::npos);
        CHECK(text.find(R"("relay_networks":{"value":["127.0.0.0/8","::1/128"],"origin":"default"})") !=
              std::string::npos);
        CHECK(text.ends_with(R"("rules":[{"pattern":"a.example","tls":"dane-only","origin":")" + file +
                             R"(:3"}]})"));
    }

}  // TEST_SUITE("config/settings_file")
}  // namespace sealpost
