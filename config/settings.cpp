#include "config/settings.hpp"

#include <array>

namespace sealpost {
namespace {

/// Where no public mail exchanger or policy host can be. An attacker's MX or mta-sts record that points there
/// would let him probe or reach the operator's own hosts through us (IANA special-purpose registries, RFC
/// 6890).
constexpr std::array not_public = {
    "0.0.0.0/8",        // "this network" (RFC 791); Linux connects 0.0.0.0 to itself
    "10.0.0.0/8",       // private (RFC 1918)
    "100.64.0.0/10",    // carrier-grade NAT (RFC 6598)
    "127.0.0.0/8",      // loopback (RFC 1122)
    "169.254.0.0/16",   // link-local (RFC 3927); cloud metadata services live here
    "172.16.0.0/12",    // private (RFC 1918)
    "192.0.0.0/24",     // protocol assignments (RFC 6890)
    "192.0.2.0/24",     // documentation (RFC 5737)
    "192.88.99.0/24",   // 6to4 relay anycast, withdrawn (RFC 7526)
    "192.168.0.0/16",   // private (RFC 1918)
    "198.18.0.0/15",    // benchmarking (RFC 2544)
    "198.51.100.0/24",  // documentation (RFC 5737)
    "203.0.113.0/24",   // documentation (RFC 5737)
    "224.0.0.0/4",      // multicast (RFC 5771)
    "240.0.0.0/4",      // reserved, and 255.255.255.255 (RFC 1112, RFC 919)
    "::/128",           // unspecified (RFC 4291); Linux connects it to itself
    "::1/128",          // loopback (RFC 4291)
    "::ffff:0:0/96",    // IPv4-mapped: an IPv4 address in disguise has no place in an AAAA record (RFC 4291)
    "64:ff9b::/96",     // NAT64: any IPv4 address, the ranges above too, behind a translator (RFC 6052)
    "64:ff9b:1::/48",   // local-use NAT64 (RFC 8215)
    "100::/64",         // discard-only (RFC 6666)
    "2001::/32",        // Teredo: an IPv4 address inside (RFC 4380)
    "2001:2::/48",      // benchmarking (RFC 5180)
    "2001:db8::/32",    // documentation (RFC 3849)
    "2002::/16",        // 6to4: an IPv4 address inside (RFC 3056)
    "3fff::/20",        // documentation (RFC 9637)
    "fc00::/7",         // unique local (RFC 4193)
    "fe80::/10",        // link-local (RFC 4291)
    "fec0::/10",        // site-local, deprecated (RFC 3879)
    "ff00::/8",         // multicast (RFC 4291)
};

}  // namespace

Settings default_settings() {
    Settings settings;
    settings.listener.listen = {Endpoint::parse("127.0.0.1:25").value(), Endpoint::parse("[::1]:25").value()};
    settings.listener.relay_networks = {IpNetwork::parse("127.0.0.0/8").value(),
                                        IpNetwork::parse("::1/128").value()};
    for (const char* network : not_public)
        settings.delivery.forbidden_networks.push_back(IpNetwork::parse(network).value());
    settings.mta_sts.forbidden_networks = settings.delivery.forbidden_networks;
    return settings;
}

std::string_view to_string(TlsLevel level) {
    switch (level) {
        case TlsLevel::automatic:
            return "auto";
        case TlsLevel::encrypt:
            return "encrypt";
        case TlsLevel::authenticated:
            return "authenticated";
        case TlsLevel::dane_only:
            return "dane-only";
        case TlsLevel::secure:
            return "secure";
        case TlsLevel::fingerprint:
            return "fingerprint";
        case TlsLevel::may:
            return "may";
        case TlsLevel::none:
            return "none";
    }
    return "unknown";
}

std::string_view to_string(TlsVersion version) {
    return version == TlsVersion::tls1_3 ? "1.3" : "1.2";
}

bool weakens(TlsLevel level) {
    return level == TlsLevel::may || level == TlsLevel::none;
}

}  // namespace sealpost
