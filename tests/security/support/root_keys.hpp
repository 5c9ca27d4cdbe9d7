/// \file Root key sets with true signatures, made on the spot by OpenSSL.
#pragma once
#include <openssl/evp.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "security/trust_anchor.hpp"

namespace sealpost::security::test {

/// A key pair of the root; `key` may be changed (REVOKE bit, flags) before it signs.
class RootKey {
public:
    enum class Kind { rsasha256, rsasha512, ecdsap256sha256, ecdsap384sha384, ed25519, ed448 };
    explicit RootKey(Kind kind = Kind::ecdsap256sha256);

    Dnskey key;
    [[nodiscard]] Dnskey revoked() const {
        Dnskey out = key;
        out.flags |= 0x0080;
        return out;
    }
    /// RDATA of an RRSIG over the set. As `signer`, in the key as it stands in the set.
    [[nodiscard]] std::vector<std::uint8_t> sign(const Dnskey& signer, std::vector<Dnskey> set,
                                                 std::chrono::sys_seconds inception,
                                                 std::chrono::sys_seconds expiration,
                                                 std::uint32_t ttl = 172800) const;

private:
    std::shared_ptr<EVP_PKEY> pair_;
};

}  // namespace sealpost::security::test
