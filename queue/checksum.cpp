#include "queue/checksum.hpp"

#include <openssl/evp.h>

#include <new>
#include <stdexcept>

namespace sealpost::queue {

namespace {

// Fetched once: an implicit fetch for each digest costs more than a short digest itself.
const EVP_MD* sha256() {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    return algorithm;
}

void require(int ok) {
    if (ok != 1) throw std::runtime_error{"SHA-256 is not available in this OpenSSL"};
}

}  // namespace

void Checksum::Free::operator()(evp_md_ctx_st* context) const noexcept {
    EVP_MD_CTX_free(context);
}

Checksum::Checksum() : context_(EVP_MD_CTX_new()) {
    if (!context_) throw std::bad_alloc{};
    require(EVP_DigestInit_ex2(context_.get(), sha256(), nullptr));
}

Checksum& Checksum::add(std::int64_t number) {
    std::array<unsigned char, 8> octets{};
    auto rest = static_cast<std::uint64_t>(number);
    for (auto it = octets.rbegin(); it != octets.rend(); ++it, rest >>= 8U)
        *it = static_cast<unsigned char>(rest & 0xFFU);
    require(EVP_DigestUpdate(context_.get(), octets.data(), octets.size()));
    return *this;
}

Checksum& Checksum::add(std::string_view field) {
    return add(static_cast<std::int64_t>(field.size())).append(field);
}

Checksum& Checksum::append(std::string_view piece) {
    require(EVP_DigestUpdate(context_.get(), piece.data(), piece.size()));
    return *this;
}

std::string Checksum::finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    require(EVP_DigestFinal_ex(context_.get(), digest.data(), &size));
    return {digest.begin(), digest.begin() + size};
}

std::int64_t Checksum::finish_short() {
    const std::string digest = finish();
    std::uint64_t value = 0;
    for (const char octet : digest.substr(0, 8)) value = value << 8U | static_cast<unsigned char>(octet);
    return static_cast<std::int64_t>(value);
}

}  // namespace sealpost::queue
