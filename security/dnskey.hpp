/// \file DNSKEY, DS and RRSIG of the root, and whether a key signed the root's key set.
///
/// Owns     just enough DNSSEC to follow a trust anchor without taking the resolver process at its word:
///          that process reads the network and counts as hostile. Everything else is validated by libunbound.
/// Shape    RDATA in wire format, names uncompressed. Times are seconds since 1970, compared by serial number
///          arithmetic as RFC 4034 §3.1.5 wants it.
/// Errors   Errc::invalid - the RDATA breaks its format.
/// Limits   RSA keys of 1024 to 4096 bits; other sizes sign nothing.
/// Source   RFC 4034 §2, §3, §5, §6.3, appendix B; RFC 5702 (RSA/SHA-2), RFC 6605 (ECDSA), RFC 8080 (EdDSA).
#pragma once
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.hpp"

namespace sealpost::security {

struct Dnskey {
    std::uint16_t flags = 0;
    std::uint8_t algorithm = 0;
    std::vector<std::uint8_t> key;

    [[nodiscard]] bool is_zone_key() const { return (flags & 0x0100) != 0; }
    [[nodiscard]] bool is_sep() const { return (flags & 0x0001) != 0; }
    [[nodiscard]] bool is_revoked() const { return (flags & 0x0080) != 0; }  ///< RFC 5011 §7
    /// Of a key that is being revoked, too: its tag differs from the one it had.
    [[nodiscard]] std::uint16_t tag() const;
    /// The same key, whether or not one of the two carries the REVOKE bit.
    [[nodiscard]] bool is_same_key(const Dnskey& other) const;
    [[nodiscard]] std::vector<std::uint8_t> rdata() const;
    /// "257 3 8 AwEAA..."
    [[nodiscard]] std::string str() const;

    bool operator==(const Dnskey&) const = default;
};

struct Ds {
    std::uint16_t tag = 0;
    std::uint8_t algorithm = 0;
    std::uint8_t digest_type = 0;
    std::vector<std::uint8_t> digest;

    /// Of a key of the root zone. SHA-256 and SHA-384; others match nothing (RFC 8624 §3.3).
    [[nodiscard]] bool is_of(const Dnskey& key) const;

    bool operator==(const Ds&) const = default;
};

struct Rrsig {
    std::uint16_t type_covered = 0;
    std::uint8_t algorithm = 0;
    std::uint8_t labels = 0;
    std::chrono::seconds original_ttl{0};
    std::uint32_t expiration = 0;
    std::uint32_t inception = 0;
    std::uint16_t tag = 0;
    bool by_root = false;                   ///< the signer's name is "."
    std::vector<std::uint8_t> signed_part;  ///< the RDATA before the signature
    std::vector<std::uint8_t> signature;

    [[nodiscard]] bool is_current(std::chrono::sys_seconds now) const;
};

[[nodiscard]] Result<Dnskey> parse_dnskey(std::span<const std::uint8_t> rdata);
[[nodiscard]] Result<Rrsig> parse_rrsig(std::span<const std::uint8_t> rdata);
/// Presentation form without owner, class and type: "257 3 8 AwEAA...", base64 in one piece or several.
[[nodiscard]] Result<Dnskey> parse_dnskey_text(std::string_view text);
/// "20326 8 2 E06D...".
[[nodiscard]] Result<Ds> parse_ds_text(std::string_view text);

/// An algorithm that RFC 8624 §3.1 lets a validator rely on and that OpenSSL verifies here.
[[nodiscard]] bool is_supported_algorithm(std::uint8_t algorithm);

/// Whether `rrsig` is a current and true signature of `key` over the whole DNSKEY set of the root.
[[nodiscard]] bool signs_root_keys(const Dnskey& key, const Rrsig& rrsig, std::span<const Dnskey> set,
                                   std::chrono::sys_seconds now);

}  // namespace sealpost::security
