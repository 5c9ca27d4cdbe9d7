#include "certificate_factory.hpp"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <span>
#include <stdexcept>

#include "config/ip.hpp"

namespace sealpost::security::test {
namespace {

void must(bool ok) {
    if (!ok) throw std::runtime_error("the certificate factory failed");
}

void add_extension(X509* certificate, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()), X509_EXTENSION_free);
    must(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

/// By hand, since the textual form knows no NUL.
void add_names(X509* certificate, const CertificateOrder& order) {
    if (order.dns.empty() && order.mail.empty() && order.addresses.empty()) return;
    const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(GENERAL_NAMES_new(),
                                                                              GENERAL_NAMES_free);
    const auto add = [&](int type, int string_type, const void* data, std::size_t size) {
        ASN1_STRING* value = ASN1_STRING_type_new(string_type);
        must(ASN1_STRING_set(value, data, static_cast<int>(size)) == 1);
        GENERAL_NAME* name = GENERAL_NAME_new();
        GENERAL_NAME_set0_value(name, type, value);
        must(sk_GENERAL_NAME_push(names.get(), name) > 0);
    };
    for (const std::string& dns : order.dns) add(GEN_DNS, V_ASN1_IA5STRING, dns.data(), dns.size());
    for (const std::string& mail : order.mail) add(GEN_EMAIL, V_ASN1_IA5STRING, mail.data(), mail.size());
    for (const std::string& text : order.addresses) {
        const IpAddress address = IpAddress::parse(text).value();
        add(GEN_IPADD, V_ASN1_OCTET_STRING, address.bytes().data(), address.bytes().size());
    }
    must(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1);
}

void add_odd_extension(X509* certificate) {
    const std::unique_ptr<ASN1_OBJECT, decltype(&ASN1_OBJECT_free)> object(
        OBJ_txt2obj("1.3.6.1.4.1.32473.1", 1), ASN1_OBJECT_free);  // RFC 5612: for examples
    const std::unique_ptr<ASN1_OCTET_STRING, decltype(&ASN1_OCTET_STRING_free)> value(ASN1_OCTET_STRING_new(),
                                                                                      ASN1_OCTET_STRING_free);
    must(ASN1_OCTET_STRING_set(value.get(), nullptr, 0) == 1);
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509_EXTENSION_create_by_OBJ(nullptr, object.get(), 1, value.get()), X509_EXTENSION_free);
    must(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

void add_extensions(X509* certificate, const CertificateOrder& order) {
    if (order.ca)
        add_extension(certificate, NID_basic_constraints,
                      order.path_length < 0 ? "critical,CA:TRUE"
                                            : fmt::format("critical,CA:TRUE,pathlen:{}", order.path_length));
    if (!order.permitted.empty())
        add_extension(certificate, NID_name_constraints, "critical,permitted;" + order.permitted);
    if (!order.excluded.empty())
        add_extension(certificate, NID_name_constraints, "critical,excluded;" + order.excluded);
    if (!order.key_usage.empty()) add_extension(certificate, NID_key_usage, "critical," + order.key_usage);
    if (!order.extended_key_usage.empty())
        add_extension(certificate, NID_ext_key_usage, order.extended_key_usage);
    if (order.odd_critical) add_odd_extension(certificate);
    add_names(certificate, order);
}

/// RFC 3279 §2.3.1 wants a NULL there; software writes keys without it all the same.
void forget_parameters(X509_PUBKEY* key) {
    const unsigned char* octets = nullptr;
    int size = 0;
    must(X509_PUBKEY_get0_param(nullptr, &octets, &size, nullptr, key) == 1);
    auto* const copy = static_cast<unsigned char*>(OPENSSL_memdup(octets, static_cast<std::size_t>(size)));
    must(X509_PUBKEY_set0_param(key, OBJ_nid2obj(NID_rsaEncryption), V_ASN1_UNDEF, nullptr, copy, size) == 1);
}

/// One DER element at the start of `der`: where its content begins, and its end. Lengths below 64 KiB.
struct Element {
    std::size_t content;
    std::size_t end;
};
Element element(std::span<const std::uint8_t> der) {
    const std::size_t more = der[1] < 0x80 ? 0 : der[1] & 0x7FU;
    std::size_t length = more == 0 ? der[1] : 0;
    for (std::size_t i = 0; i < more; ++i) length = length << 8U | der[2 + i];
    return {2 + more, 2 + more + length};
}

}  // namespace

Key make_key(KeyKind kind) {
    EVP_PKEY* made = nullptr;
    switch (kind) {
        case KeyKind::ec_p256:
            made = EVP_EC_gen("P-256");
            break;
        case KeyKind::ed25519:
            made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
            break;
        case KeyKind::rsa_1024:
            made = EVP_RSA_gen(1024);
            break;
        case KeyKind::rsa_2048:
            made = EVP_RSA_gen(2048);
            break;
        case KeyKind::rsa_pss_2048: {
            const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
                EVP_PKEY_CTX_new_from_name(nullptr, "RSA-PSS", nullptr), EVP_PKEY_CTX_free);
            must(context && EVP_PKEY_keygen_init(context.get()) == 1 &&
                 EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), 2048) == 1 &&
                 EVP_PKEY_generate(context.get(), &made) == 1);
            break;
        }
    }
    must(made != nullptr);
    return {made, EVP_PKEY_free};
}

Certificate issue(const CertificateOrder& order, const Certificate* issuer) {
    static long serial = 1;
    Certificate out{.x509 = {X509_new(), X509_free}, .key = order.key ? order.key : make_key()};
    X509* x = out.x509.get();
    must(X509_set_version(x, order.version - 1) == 1);
    must(ASN1_INTEGER_set(X509_get_serialNumber(x), serial++) == 1);
    std::time_t base = verification_time;
    must(X509_time_adj_ex(X509_getm_notBefore(x), static_cast<int>(order.begins), 0, &base) != nullptr);
    must(X509_time_adj_ex(X509_getm_notAfter(x), static_cast<int>(order.ends), 0, &base) != nullptr);
    if (!order.common_name.empty())
        must(X509_NAME_add_entry_by_txt(
                 X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                 reinterpret_cast<const unsigned char*>(order.common_name.data()),  // OpenSSL's octets
                 static_cast<int>(order.common_name.size()), -1, 0) == 1);
    for (const std::string& octets : order.more_common_names)
        must(X509_NAME_add_entry_by_NID(
                 X509_get_subject_name(x), NID_commonName, V_ASN1_UTF8STRING,
                 reinterpret_cast<const unsigned char*>(octets.data()),  // OpenSSL's octets
                 static_cast<int>(octets.size()), -1, 0) == 1);
    must(X509_set_issuer_name(x, X509_get_subject_name(issuer != nullptr ? issuer->x509.get() : x)) == 1);
    must(X509_set_pubkey(x, out.key.get()) == 1);
    if (order.bare_algorithm) forget_parameters(X509_get_X509_PUBKEY(x));
    if (order.version > 1) add_extensions(x, order);
    EVP_PKEY* signer = (issuer != nullptr ? issuer->key : out.key).get();
    const bool plain = EVP_PKEY_get_id(signer) == EVP_PKEY_ED25519;
    must(X509_sign(x, signer, plain ? nullptr : order.sha1 ? EVP_sha1() : EVP_sha256()) > 0);
    return out;
}

std::vector<std::uint8_t> Certificate::der() const {
    std::vector<std::uint8_t> out(static_cast<std::size_t>(i2d_X509(x509.get(), nullptr)));
    unsigned char* at = out.data();
    must(i2d_X509(x509.get(), &at) > 0);
    return out;
}

std::vector<std::uint8_t> Certificate::spki() const {
    const std::vector<std::uint8_t> whole = der();
    std::span<const std::uint8_t> at(whole);
    at = at.subspan(element(at).content);                 // into the certificate
    at = at.subspan(element(at).content);                 // into what is signed
    if (at[0] == 0xA0) at = at.subspan(element(at).end);  // the version, from 2 up
    for (int i = 0; i < 5; ++i)
        at = at.subspan(element(at).end);  // serial, algorithm, issuer, dates, subject
    at = at.first(element(at).end);
    return {at.begin(), at.end()};
}

std::string Certificate::pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
    must(PEM_write_bio_X509(out.get(), x509.get()) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

PeerChain chain_of(const std::vector<Certificate>& certificates) {
    std::vector<std::vector<std::uint8_t>> ders;
    for (const Certificate& certificate : certificates) ders.push_back(certificate.der());
    return PeerChain::from_der(ders).value();
}

TrustStore store_of(const std::vector<Certificate>& certificates) {
    std::string pem;
    for (const Certificate& certificate : certificates) pem += certificate.pem();
    return TrustStore::from_pem(pem).value();
}

std::vector<std::uint8_t> tlsa_for(const Certificate& certificate, std::uint8_t usage, std::uint8_t selector,
                                   std::uint8_t matching_type) {
    const std::vector<std::uint8_t> content = selector == 0 ? certificate.der() : certificate.spki();
    std::vector<std::uint8_t> out{usage, selector, matching_type};
    if (matching_type == 0) {
        out.insert(out.end(), content.begin(), content.end());
        return out;
    }
    out.resize(3U + (matching_type == 1 ? 32U : 64U));
    must((matching_type == 1 ? SHA256(content.data(), content.size(), out.data() + 3)
                             : SHA512(content.data(), content.size(), out.data() + 3)) != nullptr);
    return out;
}

}  // namespace sealpost::security::test
