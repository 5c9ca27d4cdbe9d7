#include "config/next_hop.hpp"

#include <doctest/doctest.h>

#include "config/spki_pin.hpp"

namespace sealpost {

TEST_SUITE("config/next_hop") {
    TEST_CASE("a next hop is a name with its MX hosts or a host in brackets with or without a port") {
        const struct {
            const char* text;
            const char* name;
            bool mx;
            std::uint16_t port;
        } rows[] = {
            {"relay.example", "relay.example", true, 0},
            {"Relay.EXAMPLE:2525", "relay.example", true, 2525},
            {"[relay.example]", "relay.example", false, 0},
            {"[relay.example]:587", "relay.example", false, 587},
            {"[bücher.example]:65535", "xn--bcher-kva.example", false, 65535},
        };
        for (const auto& row : rows) {
            CAPTURE(row.text);
            const Result<NextHop> hop = NextHop::parse(row.text);
            REQUIRE(hop);
            CHECK(hop->name.str() == row.name);
            CHECK(hop->mx == row.mx);
            CHECK(hop->port == row.port);
            CHECK(NextHop::parse(hop->str()).value() == *hop);
        }
    }

    TEST_CASE("what names no host or no port is refused") {
        for (const char* const text : {"",
                                       ":25",
                                       "[]",
                                       "[]:25",
                                       "[relay.example",
                                       "relay.example]",
                                       "[relay.example]587",
                                       "[relay.example]:",
                                       "relay.example:",
                                       "relay.example:0",
                                       "relay.example:65536",
                                       "relay.example:025",
                                       "relay.example:25x",
                                       "relay.example:-1",
                                       "[192.0.2.1]",
                                       "192.0.2.1:25",
                                       "[2001:db8::1]",
                                       "a b",
                                       "[a.example][b.example]",
                                       "[relay.example]:25:25"}) {
            CAPTURE(text);
            const Result<NextHop> hop = NextHop::parse(text);
            REQUIRE_FALSE(hop);
            CHECK(hop.error().code == Errc::invalid);
        }
    }

    TEST_CASE("a pin is read from hexadecimal and from base64 and is printed in hexadecimal") {
        const std::string hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        CHECK(SpkiPin::parse(hex).value().str() == hex);
        CHECK(SpkiPin::parse("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")
                  .value()
                  .str() == hex);
        CHECK(SpkiPin::parse(
                  "e3:b0:c4:42:98:fc:1c:14:9a:fb:f4:c8:99:6f:b9:24:27:ae:41:e4:64:9b:93:4c:a4:95:99:1b:78:"
                  "52:b8:55")
                  .value()
                  .str() == hex);
        CHECK(SpkiPin::parse("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").value().str() == hex);
    }

    TEST_CASE("what is no SHA-256 digest is no pin") {
        const std::string hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85";
        for (const std::string& text :
             {std::string(), hex, hex + "g", hex + "55", std::string(64, ':'), std::string(44, '='),
              std::string("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV="),   // bits that no octet holds
              std::string("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"),    // no '='
              std::string("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=")})  // base64url
        {
            CAPTURE(text);
            CHECK_FALSE(SpkiPin::parse(text));
        }
    }

}  // TEST_SUITE("config/next_hop")
}  // namespace sealpost
