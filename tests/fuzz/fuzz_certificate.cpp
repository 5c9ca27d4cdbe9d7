// A chain and a TLSA RRset of arbitrary octets, cut from the input by two length octets each: first the
// number of certificates. Nothing authenticates but what the records say:
// - a chain that OpenSSL cannot read or that is empty never;
// - DANE never without a usable record, and under records of DANE-EE(3) alone exactly when the leaf or its
// key is
//   what one of them holds (computed here without OpenSSL's verifier);
// - WebPKI never, for the only trusted CA is one whose key no input can know.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "require.hpp"
#include "security/certificate.hpp"

using namespace sealpost;
using namespace sealpost::security;

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::time_t now = 1795305600;

Bytes take(std::span<const std::uint8_t>& input) {
    if (input.size() < 2) return {};
    const std::size_t length =
        std::min<std::size_t>(static_cast<std::size_t>(input[0] * 256 + input[1]), input.size() - 2);
    Bytes out(input.begin() + 2, input.begin() + 2 + static_cast<std::ptrdiff_t>(length));
    input = input.subspan(2 + length);
    return out;
}

/// A self-signed CA made at start; its key is forgotten at once.
const TrustStore& unknown_ca() {
    static const TrustStore store = [] {
        EVP_PKEY* key = EVP_EC_gen("P-256");
        X509* ca = X509_new();
        X509_set_version(ca, 2);
        std::time_t base = now;
        X509_time_adj_ex(X509_getm_notBefore(ca), -1, 0, &base);
        X509_time_adj_ex(X509_getm_notAfter(ca), 1, 0, &base);
        X509_set_pubkey(ca, key);
        X509_sign(ca, key, EVP_sha256());
        BIO* out = BIO_new(BIO_s_mem());
        PEM_write_bio_X509(out, ca);
        char* data = nullptr;
        const long size = BIO_get_mem_data(out, &data);
        Result<TrustStore> made = TrustStore::from_pem({data, static_cast<std::size_t>(size)});
        BIO_free(out);
        X509_free(ca);
        EVP_PKEY_free(key);
        return std::move(made).value();
    }();
    return store;
}

bool names(const TlsaRecord& record, const Bytes& content) {
    if (record.matching_type == 0) return record.data == content;
    Bytes digest(record.matching_type == 1 ? 32 : 64);
    if (record.matching_type == 1)
        SHA256(content.data(), content.size(), digest.data());
    else
        SHA512(content.data(), content.size(), digest.data());
    return record.data == digest;
}

/// What DANE-EE compares, encoded anew from what OpenSSL understood (RFC 6698 §2.1.2).
bool leaf_is_named(const PeerChain& chain, const TlsaSet& set) {
    X509* leaf = sk_X509_value(chain.get(), 0);
    const auto encode = [](int size, auto write) {
        Bytes out(static_cast<std::size_t>(std::max(size, 0)));
        unsigned char* at = out.data();
        if (!out.empty()) write(&at);
        return out;
    };
    const Bytes der = encode(i2d_X509(leaf, nullptr), [&](unsigned char** at) { i2d_X509(leaf, at); });
    X509_PUBKEY* key = X509_get_X509_PUBKEY(leaf);
    const Bytes spki =
        encode(i2d_X509_PUBKEY(key, nullptr), [&](unsigned char** at) { i2d_X509_PUBKEY(key, at); });
    return std::any_of(set.records.begin(), set.records.end(), [&](const TlsaAssessment& a) {
        return a.use == TlsaUse::used && a.record.usage == 3 &&
               names(a.record, a.record.selector == 0 ? der : spki);
    });
}

void check(const ChainOutcome& out) {
    require(out.ok == (out.fault == ChainFault::none));
    require(out.ok == out.detail.empty());
    require(out.ok != out.matched.empty());
    require(std::all_of(out.subject.begin(), out.subject.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    require(ERR_peek_error() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t certificates = data[0] % 5U;
    std::span<const std::uint8_t> input(data + 1, size - 1);
    std::vector<Bytes> ders;
    while (ders.size() < certificates) ders.push_back(take(input));
    std::vector<Bytes> rdata;
    while (input.size() >= 2 && rdata.size() < 20) rdata.push_back(take(input));
    const Result<PeerChain> chain = PeerChain::from_der(ders);
    require(ERR_peek_error() == 0);
    const Result<TlsaSet> set = assess_tlsa(rdata, {});
    if (!chain || !set) return 0;

    const Domain host = Domain::parse("mx.example.org").value();
    const ChainOutcome web = verify_web_pki(*chain, unknown_ca(), host, now);
    check(web);
    require(!web.ok);

    const ChainOutcome dane = verify_dane(*chain, *set, host, {host}, now);
    check(dane);
    if (!set->any_used() || chain->empty()) require(!dane.ok);
    if (chain->empty()) return 0;
    const bool named = leaf_is_named(*chain, *set);
    const bool anchors = std::any_of(set->records.begin(), set->records.end(), [](const TlsaAssessment& a) {
        return a.use == TlsaUse::used && a.record.usage == 2;
    });
    if (dane.ok && !anchors) require(named);
    if (dane.ok && dane.matched.starts_with("3")) require(named);
    // The other way round: a leaf whose key can be read and that a record names is authenticated.
    if (named && X509_get0_pubkey(sk_X509_value(chain->get(), 0)) != nullptr) require(dane.ok);
    ERR_clear_error();
    return 0;
}
