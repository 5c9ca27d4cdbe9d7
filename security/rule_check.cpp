#include "security/rule_check.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <optional>

namespace sealpost::security {
namespace {

std::optional<SpkiPin> pin_of_leaf(const PeerChain& chain) {
    X509* const leaf = sk_X509_value(chain.get(), 0);
    // The octets as they stand in the certificate, not encoded again [DANE-55].
    unsigned char* der = nullptr;
    const int length = leaf != nullptr ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der) : -1;
    if (length <= 0) return std::nullopt;
    SpkiPin pin;
    unsigned int written = 0;
    const bool made = EVP_Digest(der, static_cast<std::size_t>(length), pin.digest.data(), &written,
                                 EVP_sha256(), nullptr) == 1 &&
                      written == pin.digest.size();
    OPENSSL_free(der);
    return made ? std::optional(pin) : std::nullopt;
}

}  // namespace

ChainOutcome verify_rule(const PeerChain& chain, const RuleCheck& check, const TrustStore& public_cas,
                         std::time_t now) {
    ChainOutcome out;
    out.fault = ChainFault::internal;
    out.detail = "the server showed no certificate";
    if (chain.empty()) return out;
    if (!check.names.empty())
        out = verify_names(chain, check.trusted ? *check.trusted : public_cas, check.names, now);
    if (out.ok || check.pins.empty()) return out;
    const std::optional<SpkiPin> pin = pin_of_leaf(chain);
    if (pin && std::find(check.pins.begin(), check.pins.end(), *pin) != check.pins.end()) {
        out.ok = true;
        out.fault = ChainFault::none;
        out.detail.clear();
        out.matched = "pin " + pin->str();
        return out;
    }
    if (check.names.empty()) {
        out.fault = ChainFault::not_trusted;
        out.detail = pin ? fmt::format("the key {} is not pinned", pin->str()) : "the key cannot be read";
    }
    return out;
}

}  // namespace sealpost::security
