#include "security/tlsa.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>

namespace sealpost::security {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint8_t pkix_ee = 1;
constexpr std::uint8_t dane_ee = 3;
constexpr std::uint8_t selector_cert = 0;
constexpr std::uint8_t selector_spki = 1;
constexpr std::uint8_t full = 0;
constexpr std::uint8_t sha2_256 = 1;
constexpr std::uint8_t sha2_512 = 2;
constexpr std::uint8_t priv_cert = 255;  // "PrivCert", "PrivSel", "PrivMatch" of RFC 7218

/// OpenSSL's complaints about remote data are ours to answer; they must not be found in the thread's queue
/// later.
class QuietErrors {
public:
    QuietErrors() { ERR_set_mark(); }
    ~QuietErrors() { ERR_pop_to_mark(); }
    QuietErrors(const QuietErrors&) = delete;
    QuietErrors& operator=(const QuietErrors&) = delete;
};

struct FreeX509 {
    void operator()(X509* p) const { X509_free(p); }
};
struct FreeKey {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
};

/// One SEQUENCE whose length has its DER form and ends with `data`. Cheap, and it spares the real parser the
/// worst.
bool is_one_der_sequence(Bytes data) {
    if (data.size() < 2 || data[0] != 0x30) return false;
    if (data[1] < 0x80) return data.size() == 2U + data[1];
    const std::size_t length_octets = data[1] & 0x7FU;
    if (length_octets < 1 || length_octets > 3 || data.size() < 2 + length_octets) return false;
    std::size_t length = 0;
    for (const std::uint8_t octet : data.subspan(2, length_octets)) length = (length << 8U) | octet;
    const std::size_t shortest = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
    return length_octets == shortest && data.size() == 2 + length_octets + length;
}

bool is_certificate(Bytes data) {
    if (!is_one_der_sequence(data)) return false;
    const QuietErrors quiet;
    const unsigned char* at = data.data();
    const std::unique_ptr<X509, FreeX509> cert(d2i_X509(nullptr, &at, static_cast<long>(data.size())));
    // A certificate whose key OpenSSL cannot read could never be matched by it either.
    return cert && at == data.data() + data.size() && X509_get0_pubkey(cert.get()) != nullptr;
}

bool is_public_key(Bytes data) {
    if (!is_one_der_sequence(data)) return false;
    const QuietErrors quiet;
    const unsigned char* at = data.data();
    const std::unique_ptr<EVP_PKEY, FreeKey> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(data.size())));
    return key && at == data.data() + data.size();
}

struct Unusable {
    TlsaFault fault = TlsaFault::none;
    std::string why;
};

Unusable check_digest(const TlsaRecord& r, const TlsaLimits& limits) {
    const bool known = r.matching_type == sha2_256 || r.matching_type == sha2_512;
    if (!known) return {TlsaFault::matching_type, fmt::format("unknown matching type {}", r.matching_type)};
    if (std::find(limits.digests.begin(), limits.digests.end(), r.matching_type) == limits.digests.end())
        return {TlsaFault::matching_type,
                fmt::format("matching type {} is not enabled here", r.matching_type)};
    const std::size_t expected = r.matching_type == sha2_256 ? 32 : 64;
    if (r.data.size() != expected)
        return {TlsaFault::digest_length,
                fmt::format("digest of {} octets instead of {}", r.data.size(), expected)};
    return {};
}

Unusable check_full(const TlsaRecord& r, const TlsaLimits& limits) {
    if (r.data.size() > limits.max_full_octets)
        return {TlsaFault::too_long,
                fmt::format("{} octets of data; at most {} are read", r.data.size(), limits.max_full_octets)};
    if (r.selector == selector_cert && !is_certificate(r.data))
        return {TlsaFault::not_certificate, "data is not exactly one DER certificate"};
    if (r.selector == selector_spki && !is_public_key(r.data))
        return {TlsaFault::not_public_key, "data is not exactly one DER public key"};
    return {};
}

/// RFC 6698 §4.1 and RFC 7672 §3.1: the numbers first, then the data.
Unusable check_usable(const TlsaRecord& r, const TlsaLimits& limits) {
    if (r.malformed)
        return {TlsaFault::malformed, fmt::format("record of {} octets; the shortest has 4", r.data.size())};
    if (r.usage <= pkix_ee)
        return {TlsaFault::pkix_usage, fmt::format("usage {} is not for mail between servers", r.usage)};
    if (r.usage > dane_ee) return {TlsaFault::unknown_usage, fmt::format("unknown usage {}", r.usage)};
    if (r.selector > selector_spki)
        return {TlsaFault::unknown_selector, fmt::format("unknown selector {}", r.selector)};
    return r.matching_type == full ? check_full(r, limits) : check_digest(r, limits);
}

/// RFC 7671 §9, among records found usable: in each (usage, selector) only the strongest digest stays, and
/// Full.
void apply_digest_agility(std::vector<TlsaAssessment>& records, const std::vector<std::uint8_t>& digests) {
    const auto rank = [&](const TlsaRecord& r) {
        return std::find(digests.begin(), digests.end(), r.matching_type) - digests.begin();
    };
    // Compared with all usable records, also those superseded already: the strongest never is.
    const auto is_usable_digest = [](const TlsaAssessment& a) {
        return (a.use == TlsaUse::used || a.use == TlsaUse::superseded) && a.record.matching_type != full;
    };
    for (TlsaAssessment& weaker : records) {
        if (!is_usable_digest(weaker)) continue;
        for (const TlsaAssessment& other : records) {
            if (is_usable_digest(other) && other.record.usage == weaker.record.usage &&
                other.record.selector == weaker.record.selector && rank(other.record) < rank(weaker.record)) {
                weaker.use = TlsaUse::superseded;
                weaker.why = "the same usage and selector has a stronger digest";
                break;
            }
        }
    }
}

std::string_view acronym(std::uint8_t value, std::initializer_list<std::string_view> names,
                         std::string_view priv) {
    if (value < names.size()) return *(names.begin() + value);
    return value == priv_cert ? priv : "unassigned";
}

void append_hex(std::string& text, Bytes data) {
    for (const std::uint8_t octet : data) fmt::format_to(std::back_inserter(text), "{:02X}", octet);
}

}  // namespace

TlsaRecord TlsaRecord::parse(Bytes rdata) {
    TlsaRecord record;
    if (rdata.size() < 4) {
        record.malformed = true;
        record.data.assign(rdata.begin(), rdata.end());
        return record;
    }
    record.usage = rdata[0];
    record.selector = rdata[1];
    record.matching_type = rdata[2];
    record.data.assign(rdata.begin() + 3, rdata.end());
    return record;
}

std::string TlsaRecord::str() const {
    std::string text = malformed ? fmt::format("\\# {}{}", data.size(), data.empty() ? "" : " ")
                                 : fmt::format("{} {} {} ", usage, selector, matching_type);
    append_hex(text, data);
    return text;
}

std::string TlsaRecord::describe() const {
    if (malformed) return fmt::format("malformed record of {} octets", data.size());
    return fmt::format("{}({}) {}({}) {}({})", usage_acronym(usage), usage, selector_acronym(selector),
                       selector, matching_type_acronym(matching_type), matching_type);
}

bool TlsaSet::any_used() const {
    return std::any_of(records.begin(), records.end(),
                       [](const TlsaAssessment& a) { return a.use == TlsaUse::used; });
}

std::vector<std::string> TlsaSet::policy_string() const {
    std::set<std::string> lines;
    for (const TlsaAssessment& a : records) lines.insert(a.record.str());
    return {lines.begin(), lines.end()};
}

std::string TlsaSet::meaning() const {
    if (records.empty()) return "no TLSA record: DANE does not apply";
    const auto count = std::count_if(records.begin(), records.end(),
                                     [](const TlsaAssessment& a) { return a.use == TlsaUse::used; });
    if (count == 0) return "TLS required, authentication impossible";  // RFC 7672 §2.2 [DANE-33]
    return fmt::format("TLS required, authentication by {} record{}", count, count == 1 ? "" : "s");
}

std::string_view usage_acronym(std::uint8_t usage) {
    return acronym(usage, {"PKIX-TA", "PKIX-EE", "DANE-TA", "DANE-EE"}, "PrivCert");
}

std::string_view selector_acronym(std::uint8_t selector) {
    return acronym(selector, {"Cert", "SPKI"}, "PrivSel");
}

std::string_view matching_type_acronym(std::uint8_t matching_type) {
    return acronym(matching_type, {"Full", "SHA2-256", "SHA2-512"}, "PrivMatch");
}

Result<TlsaSet> assess_tlsa(const std::vector<std::vector<std::uint8_t>>& rdata, const TlsaLimits& limits) {
    if (rdata.size() > limits.max_records)
        return fail(Errc::invalid, fmt::format("{} TLSA records; at most {} are accepted", rdata.size(),
                                               limits.max_records));
    std::size_t octets = 0;
    for (const auto& one : rdata) octets += one.size();
    if (octets > limits.max_octets)
        return fail(Errc::invalid, fmt::format("{} octets of TLSA records; at most {} are accepted", octets,
                                               limits.max_octets));
    TlsaSet set;
    std::set<TlsaRecord> seen;
    for (const auto& one : rdata) {
        TlsaRecord record = TlsaRecord::parse(one);
        TlsaAssessment& a = set.records.emplace_back();
        if (!seen.insert(record).second) {
            a = {std::move(record), TlsaUse::duplicate, TlsaFault::none,
                 "the same record stands there twice"};
            continue;
        }
        Unusable verdict = check_usable(record, limits);
        const TlsaUse use = verdict.fault == TlsaFault::none ? TlsaUse::used : TlsaUse::unusable;
        a = {std::move(record), use, verdict.fault, std::move(verdict.why)};
    }
    apply_digest_agility(set.records, limits.digests);
    return set;
}

std::string_view to_string(TlsaUse use) {
    switch (use) {
        case TlsaUse::used:
            return "used";
        case TlsaUse::unusable:
            return "unusable";
        case TlsaUse::superseded:
            return "superseded";
        case TlsaUse::duplicate:
            return "duplicate";
    }
    return "unknown";
}

std::string_view to_string(TlsaFault fault) {
    switch (fault) {
        case TlsaFault::none:
            return "none";
        case TlsaFault::malformed:
            return "malformed";
        case TlsaFault::pkix_usage:
            return "pkix-usage";
        case TlsaFault::unknown_usage:
            return "unknown-usage";
        case TlsaFault::unknown_selector:
            return "unknown-selector";
        case TlsaFault::matching_type:
            return "matching-type";
        case TlsaFault::digest_length:
            return "digest-length";
        case TlsaFault::too_long:
            return "too-long";
        case TlsaFault::not_certificate:
            return "not-certificate";
        case TlsaFault::not_public_key:
            return "not-public-key";
    }
    return "unknown";
}

}  // namespace sealpost::security
