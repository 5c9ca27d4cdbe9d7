#include "config/ip.hpp"

#include <doctest/doctest.h>

using sealpost::any_contains;
using sealpost::Endpoint;
using sealpost::IpAddress;
using sealpost::IpNetwork;

namespace {

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}
IpNetwork net(const char* text) {
    return IpNetwork::parse(text).value();
}

}  // namespace

TEST_SUITE("config/ip") {
    TEST_CASE("an address is written as RFC 5952 says [RPT-47]") {
        const struct {
            const char* text;
            const char* canonical;
        } rows[] = {
            {"192.0.2.1", "192.0.2.1"},
            {"255.255.255.255", "255.255.255.255"},
            {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
            {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // §4.2.2: not for a single group
            {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // §4.2.3: the longest run
            {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // the first of equal ones
            {"2001:0db8::0001", "2001:db8::1"},
            {"::", "::"},
            {"::1", "::1"},
            {"::FFFF:192.0.2.1", "::ffff:192.0.2.1"},  // §5
            {"64:ff9b::c000:201", "64:ff9b::c000:201"},
        };
        for (const auto& row : rows) {
            CAPTURE(row.text);
            CHECK(ip(row.text).str() == row.canonical);
            CHECK(ip(row.canonical) == ip(row.text));
        }
    }

    TEST_CASE("what is not an address is refused [SMTP-40]") {
        for (const char* bad : {"",
                                "1",
                                "1.2.3",
                                "1.2.3.4.5",
                                "256.1.1.1",
                                "01.2.3.4",
                                "1.2.3.04",
                                "0x1.2.3.4",
                                " 1.2.3.4",
                                "1.2.3.4 ",
                                "1.2.3.-4",
                                ":",
                                ":::",
                                "1::2::3",
                                "1:2:3:4:5:6:7",
                                "1:2:3:4:5:6:7:8:9",
                                "12345::",
                                "g::",
                                "fe80::1%eth0",
                                "fe80::1%1",
                                "[::1]",
                                "::ffff:1.2.3",
                                "::ffff:1.2.3.04",
                                "::1/128"}) {
            CAPTURE(bad);
            CHECK_FALSE(IpAddress::parse(bad).has_value());
        }
        CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)).has_value());
        CHECK_FALSE(IpAddress::parse(std::string(100000, '1')).has_value());
    }

    TEST_CASE("an address from RDATA has 4 or 16 octets") {
        const std::uint8_t octets[17] = {192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9};
        CHECK(IpAddress::from_bytes({octets, 4}).value().str() == "192.0.2.7");
        CHECK(IpAddress::from_bytes({octets, 16}).value().str() == "c000:207::1");
        for (const std::size_t size : {0U, 3U, 5U, 15U, 17U})
            CHECK_FALSE(IpAddress::from_bytes({octets, size}));
        CHECK(IpAddress::from_bytes(ip("192.0.2.1").bytes()) == ip("192.0.2.1"));
    }

    TEST_CASE("a network holds the addresses that share its prefix") {
        const struct {
            const char* network;
            const char* address;
            bool inside;
        } rows[] = {
            {"192.0.2.0/24", "192.0.2.0", true},
            {"192.0.2.0/24", "192.0.2.255", true},
            {"192.0.2.0/24", "192.0.3.0", false},
            {"192.0.2.128/25", "192.0.2.127", false},
            {"172.16.0.0/12", "172.31.255.255", true},
            {"172.16.0.0/12", "172.32.0.0", false},
            {"0.0.0.0/0", "203.0.113.9", true},
            {"0.0.0.0/0", "2001:db8::1", false},
            {"192.0.2.1", "192.0.2.1", true},
            {"192.0.2.1", "192.0.2.2", false},
            {"fc00::/7", "fdff::1", true},
            {"fc00::/7", "fe00::1", false},
            {"::1/128", "::1", true},
            {"::/0", "192.0.2.1", false},
            {"::/0", "2001:db8::1", true},
        };
        for (const auto& row : rows) {
            CAPTURE(row.network);
            CAPTURE(row.address);
            CHECK(net(row.network).contains(ip(row.address)) == row.inside);
        }
    }

    TEST_CASE("an IPv4-mapped address cannot slip past an IPv4 network [STS-78]") {
        CHECK(net("127.0.0.0/8").contains(ip("::ffff:127.0.0.1")));
        CHECK(net("127.0.0.0/8").contains(ip("::ffff:7f00:1")));
        CHECK_FALSE(net("127.0.0.0/8").contains(ip("::ffff:128.0.0.1")));
        CHECK_FALSE(net("127.0.0.0/8").contains(ip("::fffe:127.0.0.1")));
        CHECK_FALSE(net("127.0.0.0/8").contains(ip("64:ff9b::7f00:1")));
        CHECK(any_contains({net("10.0.0.0/8"), net("127.0.0.0/8")}, ip("::ffff:127.0.0.1")));
        CHECK_FALSE(any_contains({}, ip("127.0.0.1")));
    }

    TEST_CASE("a network is written with its prefix length and read back") {
        for (const char* text :
             {"192.0.2.0/24", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0", "::1/128"})
            CHECK(net(text).str() == text);
        CHECK(net("192.0.2.1").str() == "192.0.2.1/32");
        CHECK(net("2001:DB8::1").str() == "2001:db8::1/128");
    }

    TEST_CASE("what is not a network is refused") {
        for (const char* bad :
             {"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/-1", "192.0.2.0/+8",
              "192.0.2.0/08", "192.0.2.0/ 8", "192.0.2.0/8/8", "192.0.2.0/255.255.255.0", "192.0.2/24",
              "192.0.2.0/99999999999", "example.org/24"}) {
            CAPTURE(bad);
            CHECK_FALSE(IpNetwork::parse(bad).has_value());
        }
        CHECK(IpNetwork::parse("192.0.2.77/24").error().text ==
              "'192.0.2.77/24' has bits set behind its prefix; the network is 192.0.2.0/24");
        CHECK(IpNetwork::parse("2001:db8::1/33").error().text ==
              "'2001:db8::1/33' has bits set behind its prefix; the network is 2001:db8::/33");
    }

    TEST_CASE("an endpoint is an address and a port") {
        CHECK(Endpoint::parse("127.0.0.1:25").value() == Endpoint{ip("127.0.0.1"), 25});
        CHECK(Endpoint::parse("[2001:DB8::1]:65535").value().str() == "[2001:db8::1]:65535");
        CHECK(Endpoint::parse("127.0.0.1:25").value().str() == "127.0.0.1:25");
        for (const char* bad : {"", ":", ":25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
                                "127.0.0.1:025", "127.0.0.1:+25", "127.0.0.1:25 ", "::1:25", "[::1]",
                                "[::1]25", "[127.0.0.1]:25", "[::1:25", "[]:25", "[:25", "localhost:25"}) {
            CAPTURE(bad);
            CHECK_FALSE(Endpoint::parse(bad).has_value());
        }
    }

}  // TEST_SUITE("config/ip")
