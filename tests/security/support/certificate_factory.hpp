/// \file Certificates made to order, with real keys and signatures, for tests of chain verification.
#pragma once
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "security/certificate.hpp"
#include "security/tlsa.hpp"

namespace sealpost::security::test {

/// The moment at which the tests verify, 2026-11-22 00:00 UTC; dates below are days from it.
inline constexpr std::time_t verification_time = 1795305600;

enum class KeyKind { ec_p256, ed25519, rsa_1024, rsa_2048, rsa_pss_2048 };
using Key = std::shared_ptr<EVP_PKEY>;
[[nodiscard]] Key make_key(KeyKind kind = KeyKind::ec_p256);

struct CertificateOrder {
    std::string common_name{};
    std::vector<std::string> more_common_names{};  ///< UTF8String octets as they stand, even if none
    std::vector<std::string> dns{};                ///< dNSName octets as they stand, even if no name
    std::vector<std::string> mail{};               ///< rfc822Name octets as they stand
    std::vector<std::string> addresses{};          ///< iPAddress, "192.0.2.1"
    long begins = -30;                             ///< days
    long ends = 30;
    bool ca = false;
    int path_length = -1;
    std::string permitted{};           ///< name constraint, "DNS:example.org"
    std::string excluded{};            ///< the same
    std::string key_usage{};           ///< "digitalSignature"
    std::string extended_key_usage{};  ///< "serverAuth", "emailProtection"
    Key key{};                         ///< empty: a new one
    bool sha1 = false;
    int version = 3;            ///< 1: no extension may stand in it, and none is written
    bool odd_critical = false;  ///< a critical extension that nobody knows
    bool bare_algorithm =
        false;  ///< RSA key: the NULL after the algorithm left out, as if by a broken encoder
};

/// A certificate and the key that belongs to it.
struct Certificate {
    std::shared_ptr<X509> x509;
    Key key;
    [[nodiscard]] std::vector<std::uint8_t> der() const;
    /// As it stands in the certificate, cut from its DER and not encoded anew.
    [[nodiscard]] std::vector<std::uint8_t> spki() const;
    [[nodiscard]] std::string pem() const;
};

/// Without an issuer: self-signed.
[[nodiscard]] Certificate issue(const CertificateOrder& order, const Certificate* issuer = nullptr);

[[nodiscard]] PeerChain chain_of(const std::vector<Certificate>& certificates);
[[nodiscard]] TrustStore store_of(const std::vector<Certificate>& certificates);
/// RDATA that is made for `certificate` by the rules of RFC 6698 §2.1.
[[nodiscard]] std::vector<std::uint8_t> tlsa_for(const Certificate& certificate, std::uint8_t usage,
                                                 std::uint8_t selector, std::uint8_t matching_type);

}  // namespace sealpost::security::test
