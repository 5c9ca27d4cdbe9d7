#include "security/dnskey.hpp"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

namespace sealpost::security {
namespace {

constexpr std::uint16_t type_dnskey = 48;
constexpr std::uint16_t class_in = 1;
constexpr std::size_t rrsig_fixed = 18;

enum Algorithm : std::uint8_t {
    rsasha256 = 8,
    rsasha512 = 10,
    ecdsap256sha256 = 13,
    ecdsap384sha384 = 14,
    ed25519 = 15,
    ed448 = 16
};

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Octets = std::vector<std::uint8_t>;
using View = std::span<const std::uint8_t>;

std::uint16_t u16(View in, std::size_t at) {
    return static_cast<std::uint16_t>((in[at] << 8) | in[at + 1]);
}
std::uint32_t u32(View in, std::size_t at) {
    return (static_cast<std::uint32_t>(u16(in, at)) << 16) | u16(in, at + 2);
}
void put16(Octets& out, std::uint16_t v) {
    out.push_back(static_cast<std::uint8_t>(v >> 8));
    out.push_back(static_cast<std::uint8_t>(v & 0xff));
}
void put32(Octets& out, std::uint32_t v) {
    put16(out, static_cast<std::uint16_t>(v >> 16));
    put16(out, static_cast<std::uint16_t>(v & 0xffff));
}

Key from_parameters(const char* type, OSSL_PARAM* parameters) {
    const KeyContext ctx(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* raw = nullptr;
    if (!ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &raw, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        return nullptr;
    return Key(raw);
}

/// RFC 3110 §2: the exponent's length in one octet, or in two after a zero; the exponent; the modulus.
Key rsa_key(View in) {
    if (in.size() < 3) return nullptr;
    const bool is_long = in[0] == 0;
    const std::size_t length = is_long ? u16(in, 1) : in[0];
    in = in.subspan(is_long ? 3 : 1);
    if (length == 0 || length > 8 || in.size() <= length) return nullptr;
    const View modulus = in.subspan(length);
    if (modulus.size() < 1024 / 8 || modulus.size() > 4096 / 8) return nullptr;
    const Number e(BN_bin2bn(in.data(), static_cast<int>(length), nullptr));
    const Number n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
    const Builder builder(OSSL_PARAM_BLD_new());
    if (!e || !n || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1)
        return nullptr;
    const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    return parameters ? from_parameters("RSA", parameters.get()) : nullptr;
}

/// RFC 6605 §4: the two coordinates, without the octet that says "uncompressed".
Key ec_key(View in, const char* group, std::size_t coordinate) {
    if (in.size() != 2 * coordinate) return nullptr;
    Octets point{0x04};
    point.insert(point.end(), in.begin(), in.end());
    const Builder builder(OSSL_PARAM_BLD_new());
    if (!builder ||
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1)
        return nullptr;
    const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
    return parameters ? from_parameters("EC", parameters.get()) : nullptr;
}

Key public_key(const Dnskey& key) {
    switch (key.algorithm) {
        case rsasha256:
        case rsasha512:
            return rsa_key(key.key);
        case ecdsap256sha256:
            return ec_key(key.key, "P-256", 32);
        case ecdsap384sha384:
            return ec_key(key.key, "P-384", 48);
        case ed25519:
            return Key(
                EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.key.data(), key.key.size()));
        case ed448:
            return Key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED448, nullptr, key.key.data(), key.key.size()));
        default:
            return nullptr;
    }
}

const EVP_MD* digest_of(std::uint8_t algorithm) {
    switch (algorithm) {
        case rsasha256:
        case ecdsap256sha256:
            return EVP_sha256();
        case ecdsap384sha384:
            return EVP_sha384();
        case rsasha512:
            return EVP_sha512();
        default:
            return nullptr;  // EdDSA hashes by itself
    }
}

/// RFC 6605 §4: r and s side by side; OpenSSL wants them in DER.
std::optional<Octets> ecdsa_der(View in, std::size_t coordinate) {
    if (in.size() != 2 * coordinate) return std::nullopt;
    const auto length = static_cast<int>(coordinate);
    const Signature signature(ECDSA_SIG_new());
    Number r(BN_bin2bn(in.data(), length, nullptr));
    Number s(BN_bin2bn(in.data() + coordinate, length, nullptr));
    if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return std::nullopt;
    static_cast<void>(r.release());  // they are the signature's now
    static_cast<void>(s.release());
    Octets out(static_cast<std::size_t>(std::max(0, i2d_ECDSA_SIG(signature.get(), nullptr))));
    unsigned char* at = out.data();
    if (out.empty() || i2d_ECDSA_SIG(signature.get(), &at) <= 0) return std::nullopt;
    return out;
}

/// What is signed: RFC 4034 §3.1.8.1, with the set in the canonical order of §6.3 and without duplicates.
Octets signed_octets(const Rrsig& rrsig, std::span<const Dnskey> set) {
    std::vector<Octets> all;
    all.reserve(set.size());
    for (const Dnskey& key : set) all.push_back(key.rdata());
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    Octets out = rrsig.signed_part;
    for (const Octets& rdata : all) {
        out.push_back(0);  // the owner: the root
        put16(out, type_dnskey);
        put16(out, class_in);
        put32(out, static_cast<std::uint32_t>(rrsig.original_ttl.count()));
        put16(out, static_cast<std::uint16_t>(rdata.size()));
        out.insert(out.end(), rdata.begin(), rdata.end());
    }
    return out;
}

std::optional<Octets> decode_base64(std::string_view text) {
    std::string packed;
    for (const char c : text)
        if (c != ' ' && c != '\t') packed += c;
    if (packed.empty() || packed.size() % 4 != 0 || packed.size() > 8192) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && packed[packed.size() - 1 - padding] == '=') ++padding;
    Octets out(packed.size() / 4 * 3);
    const int n = EVP_DecodeBlock(out.data(), reinterpret_cast<const unsigned char*>(packed.data()),
                                  static_cast<int>(packed.size()));
    if (n < 0 || static_cast<std::size_t>(n) < padding) return std::nullopt;
    out.resize(static_cast<std::size_t>(n) - padding);
    return out;
}

std::optional<Octets> decode_hex(std::string_view text) {
    Octets out;
    std::string packed;
    for (const char c : text)
        if (c != ' ' && c != '\t') packed += c;
    if (packed.empty() || packed.size() % 2 != 0) return std::nullopt;
    for (std::size_t i = 0; i < packed.size(); i += 2) {
        std::uint8_t octet = 0;
        const char* const end = packed.data() + i + 2;
        const auto [stop, error] = std::from_chars(packed.data() + i, end, octet, 16);
        if (error != std::errc{} || stop != end) return std::nullopt;
        out.push_back(octet);
    }
    return out;
}

/// Takes the next word off the front, as a number up to `max`.
std::optional<std::uint16_t> take_number(std::string_view& text, std::uint16_t max) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    std::uint16_t value = 0;
    const char* const first = text.data();
    const char* const last = first + end;
    const auto [stop, error] = std::from_chars(first, last, value);
    if (error != std::errc{} || stop != last || value > max) return std::nullopt;
    text.remove_prefix(end);
    return value;
}

}  // namespace

std::vector<std::uint8_t> Dnskey::rdata() const {
    Octets out;
    out.reserve(4 + key.size());
    put16(out, flags);
    out.push_back(3);  // the protocol: RFC 4034 §2.1.2 knows no other
    out.push_back(algorithm);
    out.insert(out.end(), key.begin(), key.end());
    return out;
}

std::uint16_t Dnskey::tag() const {
    std::uint32_t sum = 0;
    const Octets octets = rdata();
    for (std::size_t i = 0; i < octets.size(); ++i)
        sum += (i & 1) != 0 ? octets[i] : static_cast<std::uint32_t>(octets[i]) << 8;
    return static_cast<std::uint16_t>((sum + (sum >> 16)) & 0xffff);
}

bool Dnskey::is_same_key(const Dnskey& other) const {
    constexpr std::uint16_t all_but_revoke = 0xff7f;
    return (flags & all_but_revoke) == (other.flags & all_but_revoke) && algorithm == other.algorithm &&
           key == other.key;
}

std::string Dnskey::str() const {
    std::string base64((key.size() + 2) / 3 * 4 + 1, '\0');
    const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()), key.data(),
                                  static_cast<int>(key.size()));
    base64.resize(static_cast<std::size_t>(std::max(n, 0)));
    return fmt::format("{} 3 {} {}", flags, algorithm, base64);
}

bool Ds::is_of(const Dnskey& of) const {
    const EVP_MD* const md = digest_type == 2 ? EVP_sha256() : digest_type == 4 ? EVP_sha384() : nullptr;
    if (md == nullptr || algorithm != of.algorithm || tag != of.tag()) return false;
    Octets input{0};  // the owner: the root
    const Octets rdata = of.rdata();
    input.insert(input.end(), rdata.begin(), rdata.end());
    std::uint8_t out[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    return EVP_Digest(input.data(), input.size(), out, &length, md, nullptr) == 1 &&
           std::equal(out, out + length, digest.begin(), digest.end());
}

bool Rrsig::is_current(std::chrono::sys_seconds now) const {
    const auto at = static_cast<std::uint32_t>(now.time_since_epoch().count());
    // RFC 1982: the difference tells before and after, also where the 32 bits have wrapped around.
    return static_cast<std::int32_t>(at - inception) >= 0 && static_cast<std::int32_t>(expiration - at) >= 0;
}

Result<Dnskey> parse_dnskey(std::span<const std::uint8_t> rdata) {
    if (rdata.size() < 5) return fail(Errc::invalid, "a DNSKEY that is too short");
    if (rdata[2] != 3) return fail(Errc::invalid, "a DNSKEY of another protocol than 3");
    return Dnskey{.flags = u16(rdata, 0), .algorithm = rdata[3], .key = {rdata.begin() + 4, rdata.end()}};
}

Result<Rrsig> parse_rrsig(std::span<const std::uint8_t> rdata) {
    if (rdata.size() < rrsig_fixed + 2) return fail(Errc::invalid, "an RRSIG that is too short");
    Rrsig out;
    out.type_covered = u16(rdata, 0);
    out.algorithm = rdata[2];
    out.labels = rdata[3];
    out.original_ttl = std::chrono::seconds(u32(rdata, 4));
    out.expiration = u32(rdata, 8);
    out.inception = u32(rdata, 12);
    out.tag = u16(rdata, 16);
    out.by_root = rdata[rrsig_fixed] == 0;
    if (!out.by_root) return out;  // another zone's: of no use here
    const auto end_of_name = rdata.begin() + rrsig_fixed + 1;
    out.signed_part.assign(rdata.begin(), end_of_name);
    out.signature.assign(end_of_name, rdata.end());
    return out;
}

Result<Dnskey> parse_dnskey_text(std::string_view text) {
    const auto flags = take_number(text, 0xffff);
    const auto protocol = take_number(text, 0xff);
    const auto algorithm = take_number(text, 0xff);
    const auto key = decode_base64(text);
    if (!flags || !protocol || *protocol != 3 || !algorithm || !key || key->empty())
        return fail(Errc::invalid, "not the text of a DNSKEY record");
    return Dnskey{.flags = *flags, .algorithm = static_cast<std::uint8_t>(*algorithm), .key = *key};
}

Result<Ds> parse_ds_text(std::string_view text) {
    const auto tag = take_number(text, 0xffff);
    const auto algorithm = take_number(text, 0xff);
    const auto digest_type = take_number(text, 0xff);
    const auto digest = decode_hex(text);
    if (!tag || !algorithm || !digest_type || !digest)
        return fail(Errc::invalid, "not the text of a DS record");
    return Ds{.tag = *tag,
              .algorithm = static_cast<std::uint8_t>(*algorithm),
              .digest_type = static_cast<std::uint8_t>(*digest_type),
              .digest = *digest};
}

bool is_supported_algorithm(std::uint8_t algorithm) {
    switch (algorithm) {
        case rsasha256:
        case rsasha512:
        case ecdsap256sha256:
        case ecdsap384sha384:
        case ed25519:
        case ed448:
            return true;
        default:
            return false;
    }
}

bool signs_root_keys(const Dnskey& key, const Rrsig& rrsig, std::span<const Dnskey> set,
                     std::chrono::sys_seconds now) {
    if (rrsig.type_covered != type_dnskey || !rrsig.by_root || rrsig.labels != 0 || !rrsig.is_current(now) ||
        rrsig.algorithm != key.algorithm || rrsig.tag != key.tag() || !key.is_zone_key())
        return false;
    const Key pkey = public_key(key);
    if (!pkey) return false;
    Octets signature = rrsig.signature;
    if (key.algorithm == ecdsap256sha256 || key.algorithm == ecdsap384sha384) {
        auto der = ecdsa_der(signature, key.algorithm == ecdsap256sha256 ? 32 : 48);
        if (!der) return false;
        signature = std::move(*der);
    }
    const Octets data = signed_octets(rrsig, set);
    const DigestContext ctx(EVP_MD_CTX_new());
    return ctx &&
           EVP_DigestVerifyInit(ctx.get(), nullptr, digest_of(key.algorithm), nullptr, pkey.get()) == 1 &&
           EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), data.data(), data.size()) == 1;
}

}  // namespace sealpost::security
