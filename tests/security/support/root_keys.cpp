#include "tests/security/support/root_keys.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <stdexcept>

namespace sealpost::security::test {
namespace {

using Octets = std::vector<std::uint8_t>;

void put(Octets& out, std::uint64_t value, int octets) {
    for (int shift = 8 * (octets - 1); shift >= 0; shift -= 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

Octets number(EVP_PKEY* pair, const char* name) {
    BIGNUM* raw = nullptr;
    if (EVP_PKEY_get_bn_param(pair, name, &raw) != 1) throw std::runtime_error("no such parameter");
    const std::unique_ptr<BIGNUM, decltype(&BN_free)> n(raw, &BN_free);
    Octets out(static_cast<std::size_t>(BN_num_bytes(n.get())));
    BN_bn2bin(n.get(), out.data());
    return out;
}

Octets public_part(EVP_PKEY* pair, bool rsa, bool ec) {
    if (rsa) {
        const Octets e = number(pair, OSSL_PKEY_PARAM_RSA_E);
        const Octets n = number(pair, OSSL_PKEY_PARAM_RSA_N);
        Octets out{static_cast<std::uint8_t>(e.size())};
        out.insert(out.end(), e.begin(), e.end());
        out.insert(out.end(), n.begin(), n.end());
        return out;
    }
    Octets out(256);
    std::size_t length = out.size();
    if (ec) {
        if (EVP_PKEY_get_octet_string_param(pair, OSSL_PKEY_PARAM_PUB_KEY, out.data(), out.size(), &length) !=
            1)
            throw std::runtime_error("no public key");
        return {out.begin() + 1, out.begin() + static_cast<std::ptrdiff_t>(length)};
    }
    if (EVP_PKEY_get_raw_public_key(pair, out.data(), &length) != 1)
        throw std::runtime_error("no public key");
    out.resize(length);
    return out;
}

/// r and s side by side.
Octets plain(const Octets& der, int coordinate) {
    const unsigned char* at = der.data();
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> sig(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free);
    Octets out(2 * static_cast<std::size_t>(coordinate));
    BN_bn2binpad(ECDSA_SIG_get0_r(sig.get()), out.data(), coordinate);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig.get()), out.data() + coordinate, coordinate);
    return out;
}

}  // namespace

RootKey::RootKey(Kind kind) {
    static constexpr std::uint8_t algorithms[] = {8, 10, 13, 14, 15, 16};
    key.flags = 0x0101;
    key.algorithm = algorithms[static_cast<int>(kind)];
    EVP_PKEY* made = nullptr;
    const bool rsa = key.algorithm <= 10;
    const bool ec = key.algorithm == 13 || key.algorithm == 14;
    if (rsa)
        made = EVP_RSA_gen(2048);
    else if (ec)
        made = EVP_EC_gen(key.algorithm == 13 ? "P-256" : "P-384");
    else
        made = EVP_PKEY_Q_keygen(nullptr, nullptr, key.algorithm == 15 ? "ED25519" : "ED448");
    if (made == nullptr) throw std::runtime_error("no key");
    pair_.reset(made, &EVP_PKEY_free);
    key.key = public_part(made, rsa, ec);
}

std::vector<std::uint8_t> RootKey::sign(const Dnskey& signer, std::vector<Dnskey> set,
                                        std::chrono::sys_seconds inception,
                                        std::chrono::sys_seconds expiration, std::uint32_t ttl) const {
    const auto at = [](std::chrono::sys_seconds t) {
        return static_cast<std::uint64_t>(t.time_since_epoch().count());
    };
    Octets rrsig;
    put(rrsig, 48, 2);
    put(rrsig, signer.algorithm, 1);
    put(rrsig, 0, 1);
    put(rrsig, ttl, 4);
    put(rrsig, at(expiration), 4);
    put(rrsig, at(inception), 4);
    put(rrsig, signer.tag(), 2);
    put(rrsig, 0, 1);
    std::sort(set.begin(), set.end(), [](const Dnskey& a, const Dnskey& b) { return a.rdata() < b.rdata(); });
    Octets data = rrsig;
    for (const Dnskey& one : set) {
        const Octets rdata = one.rdata();
        put(data, 0, 1);
        put(data, 48, 2);
        put(data, 1, 2);
        put(data, ttl, 4);
        put(data, rdata.size(), 2);
        data.insert(data.end(), rdata.begin(), rdata.end());
    }
    const EVP_MD* const md = signer.algorithm == 10   ? EVP_sha512()
                             : signer.algorithm == 14 ? EVP_sha384()
                             : signer.algorithm < 15  ? EVP_sha256()
                                                      : nullptr;
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> ctx(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    Octets signature(1024);
    std::size_t length = signature.size();
    if (EVP_DigestSignInit(ctx.get(), nullptr, md, nullptr, pair_.get()) != 1 ||
        EVP_DigestSign(ctx.get(), signature.data(), &length, data.data(), data.size()) != 1)
        throw std::runtime_error("cannot sign");
    signature.resize(length);
    if (signer.algorithm == 13) signature = plain(signature, 32);
    if (signer.algorithm == 14) signature = plain(signature, 48);
    rrsig.insert(rrsig.end(), signature.begin(), signature.end());
    return rrsig;
}

}  // namespace sealpost::security::test
