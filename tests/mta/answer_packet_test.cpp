#include "mta/resolver/answer_packet.hpp"

#include <doctest/doctest.h>

namespace sealpost::resolver {
namespace {

using Octets = std::vector<std::uint8_t>;

void append(Octets& out, std::initializer_list<int> octets) {
    for (const int octet : octets) out.push_back(static_cast<std::uint8_t>(octet));
}

/// ". DNSKEY": one DNSKEY, an RRSIG over it, one over SOA; the owner of the last is a pointer.
Octets packet() {
    Octets out;
    append(out, {0, 1, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0});
    append(out, {0, 0, 48, 0, 1});
    append(out, {0, 0, 48, 0, 1, 0, 0, 1, 0, 0, 5, 1, 1, 3, 8, 9});
    append(out, {1, 'a', 0, 0, 46, 0, 1, 0, 0, 1, 0, 0, 4, 0, 48, 0xaa, 0xbb});
    append(out, {0xc0, 12, 0, 46, 0, 1, 0, 0, 1, 0, 0, 3, 0, 6, 0xcc});
    return out;
}

}  // namespace

TEST_SUITE("mta/resolver/answer_packet") {
    TEST_CASE("only the signatures over the type that was asked are found [DNS-30]") {
        const auto found = signatures_in(packet(), security::dnskey_type, 10);
        REQUIRE(found);
        CHECK(*found == std::vector<Octets>{{0, 48, 0xaa, 0xbb}});
        CHECK(signatures_in(packet(), security::RrType::a, 10)->empty());
        CHECK(signatures_in(packet(), security::dnskey_type, 0)->empty());
    }

    TEST_CASE("a packet that is cut anywhere is an error [DNS-07]") {
        const Octets whole = packet();
        for (std::size_t n = 0; n < whole.size(); ++n)
            CHECK_FALSE(signatures_in(std::span(whole).first(n), security::dnskey_type, 10));
        Octets label = whole;
        label[12] = 0x80;  // no such kind of label
        CHECK_FALSE(signatures_in(label, security::dnskey_type, 10));
    }
}

}  // namespace sealpost::resolver
