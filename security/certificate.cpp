#include "security/certificate.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <optional>

#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

template <auto Function>
struct Free {
    template <class T>
    void operator()(T* p) const {
        Function(p);
    }
};
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free>>;
using ContextPtr = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Free<SSL_free>>;

void free_chain(STACK_OF(X509) * chain) {
    sk_X509_pop_free(chain, X509_free);
}

// 112 bits: RSA and DH of 2048, EC of 224, no SHA-1 signature (RFC 9325 §4.5) [TLS-14].
constexpr int auth_level = 2;
constexpr int max_depth = 10;
constexpr std::uint8_t dane_ta = 2;
constexpr std::uint8_t dane_ee = 3;

/// An SSL_CTX whose only use is to hold the DANE state of one verification; no connection is ever made from
/// it.
SSL_CTX* dane_context() {
    static SSL_CTX* const context = [] {
        SSL_CTX* made = SSL_CTX_new(TLS_client_method());
        if (made != nullptr && SSL_CTX_dane_enable(made) <= 0) {
            SSL_CTX_free(made);
            made = nullptr;
        }
        return made;
    }();
    return context;
}

X509_STORE* empty_store() {
    static X509_STORE* const store = X509_STORE_new();
    return store;
}

std::string openssl_error() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
    return reason != nullptr ? reason : "unknown OpenSSL error";
}

ChainOutcome cannot_judge(std::string detail) {
    ChainOutcome out;
    out.fault = ChainFault::internal;
    out.detail = std::move(detail);
    return out;
}

std::string subject_of(X509* leaf) {
    const BioPtr text(BIO_new(BIO_s_mem()));
    if (!text || leaf == nullptr) return {};
    X509_NAME_print_ex(text.get(), X509_get_subject_name(leaf), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    char* data = nullptr;
    const long n = BIO_get_mem_data(text.get(), &data);
    return n > 0 ? printable(std::string_view(data, static_cast<std::size_t>(n)), 200) : std::string();
}

ChainFault fault_of(int error) {
    switch (error) {
        case X509_V_OK:
            return ChainFault::none;
        case X509_V_ERR_HOSTNAME_MISMATCH:
            return ChainFault::host_mismatch;
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return ChainFault::expired;
        case X509_V_ERR_DANE_NO_MATCH:
            return ChainFault::no_match;
        case X509_V_ERR_OUT_OF_MEM:
        case X509_V_ERR_UNSPECIFIED:
        case X509_V_ERR_INVALID_CALL:
            return ChainFault::internal;
        default:
            return ChainFault::not_trusted;
    }
}

/// Names, purpose, strength and time: the same for every verification here.
bool prepare(X509_STORE_CTX* ctx, X509_STORE* store, const PeerChain& chain, std::time_t now) {
    X509* leaf = sk_X509_value(chain.get(), 0);
    if (X509_STORE_CTX_init(ctx, store, leaf, chain.get()) != 1) return false;
    if (X509_STORE_CTX_set_default(ctx, "ssl_server") != 1) return false;
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_auth_level(param, auth_level);
    X509_VERIFY_PARAM_set_depth(param, max_depth);
    X509_VERIFY_PARAM_set_time(param, now);
    return true;
}

ChainOutcome conclude(X509_STORE_CTX* ctx, const PeerChain& chain) {
    const int rc = X509_verify_cert(ctx);
    const int error = X509_STORE_CTX_get_error(ctx);
    ERR_clear_error();
    ChainOutcome out;
    out.ok = rc == 1 && error == X509_V_OK;
    out.fault = rc < 0 ? ChainFault::internal : fault_of(error);
    if (!out.ok && out.fault == ChainFault::none) out.fault = ChainFault::internal;
    if (!out.ok) out.detail = X509_verify_cert_error_string(error);
    out.subject = subject_of(sk_X509_value(chain.get(), 0));
    return out;
}

bool add_name(X509_VERIFY_PARAM* param, const Domain& name) {
    return X509_VERIFY_PARAM_add1_host(param, name.str().c_str(), name.str().size()) == 1;
}

bool all_in_date(X509_STORE_CTX* ctx) {
    const X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(ctx);
    const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 0; i < sk_X509_num(chain); ++i) {
        const X509* certificate = sk_X509_value(chain, i);
        if (X509_cmp_timeframe(param, X509_get0_notBefore(certificate), X509_get0_notAfter(certificate)) != 0)
            return false;
    }
    return true;
}

/// OpenSSL takes the last certificate of a chain for an anchor, whose signature proves nothing. Under a bare
/// key from DNS it is no anchor: the key signed it, so both must be as strong as any other [TLS-14].
bool is_strong_under(EVP_PKEY* bare_key, X509_STORE_CTX* ctx) {
    constexpr int bits = 112;  // what auth_level asks for
    const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(ctx);
    X509* topmost = sk_X509_value(chain, sk_X509_num(chain) - 1);
    int signature_bits = 0;
    return topmost != nullptr && EVP_PKEY_get_security_bits(bare_key) >= bits &&
           X509_get_signature_info(topmost, nullptr, nullptr, &signature_bits, nullptr) == 1 &&
           signature_bits >= bits;
}

void turn_down(ChainOutcome& out, ChainFault fault, std::string detail) {
    out.ok = false;
    out.fault = fault;
    out.detail = std::move(detail);
}

ChainOutcome no_match(std::string detail) {
    ChainOutcome out;
    out.fault = ChainFault::no_match;
    out.detail = std::move(detail);
    return out;
}

/// The records in use of one usage; none when there is none. DANE-EE(3) knows neither names nor dates nor
/// strength (RFC 7672 §3.1.1, RFC 7671 §5.1), DANE-TA(2) all of them.
std::optional<ChainOutcome> match_usage(std::uint8_t usage, const PeerChain& chain, const TlsaSet& tlsa,
                                        const Domain& base_domain, const std::vector<Domain>& reference_names,
                                        std::time_t now) {
    const SslPtr ssl(dane_context() != nullptr ? SSL_new(dane_context()) : nullptr);
    const ContextPtr ctx(X509_STORE_CTX_new());
    if (!ssl || !ctx || SSL_dane_enable(ssl.get(), base_domain.str().c_str()) != 1)
        return cannot_judge(openssl_error());
    SSL_dane_set_flags(ssl.get(), DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    bool present = false;
    bool accepted = false;
    for (const TlsaAssessment& assessed : tlsa.records) {
        const TlsaRecord& r = assessed.record;
        if (assessed.use != TlsaUse::used || r.usage != usage) continue;
        present = true;
        const int rc =
            SSL_dane_tlsa_add(ssl.get(), r.usage, r.selector, r.matching_type, r.data.data(), r.data.size());
        if (rc < 0) return cannot_judge(openssl_error());
        accepted = accepted || rc > 0;
    }
    ERR_clear_error();
    if (!present) return std::nullopt;
    if (!accepted) return no_match("OpenSSL accepts none of the TLSA records");
    if (!prepare(ctx.get(), empty_store(), chain, now)) return cannot_judge(openssl_error());
    X509_STORE_CTX_set0_dane(ctx.get(), SSL_get0_dane(ssl.get()));
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(ctx.get());
    if (usage == dane_ee) X509_VERIFY_PARAM_set_auth_level(param, 0);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    // The base domain always: without any name OpenSSL would compare none (RFC 7672 §3.2.2).
    if (!add_name(param, base_domain)) return cannot_judge(openssl_error());
    for (const Domain& name : reference_names)
        if (!add_name(param, name)) return cannot_judge(openssl_error());
    ChainOutcome out = conclude(ctx.get(), chain);
    // OpenSSL leaves out the dates of an anchor that is not self-issued [AMB-08].
    if (out.ok && usage == dane_ta && !all_in_date(ctx.get()))
        turn_down(out, ChainFault::expired, "the trust anchor is outside its dates");
    EVP_PKEY* bare_key = nullptr;
    if (out.ok && SSL_get0_dane_authority(ssl.get(), nullptr, &bare_key) >= 0 && bare_key != nullptr &&
        !is_strong_under(bare_key, ctx.get()))
        turn_down(out, ChainFault::not_trusted, "the key in DNS or its signature is too weak");
    if (out.ok) {
        std::uint8_t selector = 0;
        std::uint8_t mtype = 0;
        if (SSL_get0_dane_tlsa(ssl.get(), &usage, &selector, &mtype, nullptr, nullptr) >= 0)
            out.matched = fmt::format("{} {} {}", usage, selector, mtype);
    }
    return out;
}

}  // namespace

Result<PeerChain> PeerChain::from_der(const std::vector<std::vector<std::uint8_t>>& certificates) {
    PeerChain out;
    if (certificates.empty()) return out;
    out.chain_ = std::shared_ptr<stack_st_X509>(sk_X509_new_null(), free_chain);
    for (const auto& der : certificates) {
        const unsigned char* at = der.data();
        CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
        if (!certificate || at != der.data() + der.size())
            return fail(Errc::invalid, fmt::format("not a DER certificate: {}", openssl_error()));
        if (sk_X509_push(out.chain_.get(), certificate.get()) == 0) return fail(Errc::full, "out of memory");
        static_cast<void>(certificate.release());
    }
    return out;
}

PeerChain PeerChain::of(stack_st_X509* chain) {
    PeerChain out;
    if (chain != nullptr && sk_X509_num(chain) > 0)
        out.chain_ = std::shared_ptr<stack_st_X509>(X509_chain_up_ref(chain), free_chain);
    return out;
}

Result<TrustStore> TrustStore::from_pem(std::string_view pem) {
    const std::shared_ptr<X509_STORE> store(X509_STORE_new(), Free<X509_STORE_free>{});
    const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    std::size_t count = 0;
    while (const CertificatePtr certificate{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)}) {
        if (X509_STORE_add_cert(store.get(), certificate.get()) != 1)
            return fail(Errc::configuration, openssl_error());
        ++count;
    }
    // The end of the text is an error to PEM_read_bio_X509; any other would hide the CAs behind it.
    const bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!whole)
        return fail(Errc::configuration, fmt::format("CA certificate {}: {}", count + 1, openssl_error()));
    ERR_clear_error();
    if (count == 0) return fail(Errc::configuration, "no CA certificate in it");
    std::array<unsigned char, 32> digest{};
    if (EVP_Digest(pem.data(), pem.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        return fail(Errc::configuration, openssl_error());
    std::string id;
    for (const unsigned char octet : digest) id += fmt::format("{:02x}", octet);
    return TrustStore(store, std::move(id));
}

ChainOutcome verify_dane(const PeerChain& chain, const TlsaSet& tlsa, const Domain& base_domain,
                         const std::vector<Domain>& reference_names, std::time_t now) {
    if (chain.empty()) return cannot_judge("the server showed no certificate");
    // DANE-EE by itself and first: OpenSSL turns a weak leaf away before it looks at any record.
    const std::optional<ChainOutcome> by_leaf = match_usage(dane_ee, chain, tlsa, base_domain, {}, now);
    if (by_leaf && by_leaf->ok) return *by_leaf;
    std::optional<ChainOutcome> by_issuer =
        match_usage(dane_ta, chain, tlsa, base_domain, reference_names, now);
    if (!by_issuer) return by_leaf.value_or(no_match("no TLSA record is in use"));
    // Only an anchor was published, and the chain does not lead to it: that is an unknown CA [RPT-68].
    if (!by_leaf && by_issuer->fault == ChainFault::no_match) by_issuer->fault = ChainFault::not_trusted;
    return *by_issuer;
}

ChainOutcome verify_web_pki(const PeerChain& chain, const TrustStore& trusted, const Domain& host,
                            std::time_t now) {
    return verify_names(chain, trusted, {{host, false}}, now);
}

ChainOutcome verify_names(const PeerChain& chain, const TrustStore& trusted,
                          const std::vector<NamePattern>& names, std::time_t now) {
    if (chain.empty()) return cannot_judge("the server showed no certificate");
    // Without any name OpenSSL would compare none.
    if (names.empty()) return cannot_judge("no name is accepted");
    const ContextPtr ctx(X509_STORE_CTX_new());
    if (!ctx || !prepare(ctx.get(), trusted.get(), chain, now)) return cannot_judge(openssl_error());
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_hostflags(
        param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    for (const NamePattern& pattern : names) {
        const std::string name = pattern.str();  // a leading dot: every name below, to OpenSSL too
        if (X509_VERIFY_PARAM_add1_host(param, name.c_str(), name.size()) != 1)
            return cannot_judge(openssl_error());
    }
    ChainOutcome out = conclude(ctx.get(), chain);
    if (!out.ok) return out;
    const char* const matched = X509_VERIFY_PARAM_get0_peername(param);
    out.matched = matched != nullptr ? printable(matched, 253) : names.front().str();
    return out;
}

std::string_view to_string(ChainFault fault) {
    switch (fault) {
        case ChainFault::none:
            return "none";
        case ChainFault::no_match:
            return "no-match";
        case ChainFault::host_mismatch:
            return "host-mismatch";
        case ChainFault::expired:
            return "expired";
        case ChainFault::not_trusted:
            return "not-trusted";
        case ChainFault::internal:
            return "internal";
    }
    return "internal";
}

}  // namespace sealpost::security
