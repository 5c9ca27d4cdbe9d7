/// \file TLSA records: which of a secure RRset may authenticate an SMTP server, and why the others may not.
///
/// Owns     the record, its usability and digest agility. The set keeps every record, also the unusable: a
///          secure non-empty RRset without a usable record still demands TLS (DANE-33, DANE-37).
/// Errors   Errc::invalid - more records or octets than the limits allow. That is an error of the host, never
///          "no DANE" (DANE-86).
/// Never    matches a certificate, and never sees an insecure RRset: those count as absent (DANE-29).
/// Source   RFC 6698 §2.1, §4.1; RFC 7671 §9 (digest agility); RFC 7672 §2.2.3, §3.1; RFC 7218 (acronyms).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.hpp"

namespace sealpost::security {

struct TlsaRecord {
    std::uint8_t usage = 0;
    std::uint8_t selector = 0;
    std::uint8_t matching_type = 0;
    std::vector<std::uint8_t> data;  ///< certificate association data; all octets of a malformed record
    bool malformed = false;          ///< RDATA shorter than 4 octets: the three numbers mean nothing

    /// Never fails: a record that cannot be read still counts as one.
    [[nodiscard]] static TlsaRecord parse(std::span<const std::uint8_t> rdata);
    /// "3 1 1 0123AB..." as in reports (RPT-31); a malformed record as RFC 3597 writes unknown RDATA.
    [[nodiscard]] std::string str() const;
    /// "DANE-EE(3) SPKI(1) SHA2-256(1)", for people.
    [[nodiscard]] std::string describe() const;

    auto operator<=>(const TlsaRecord&) const = default;
};

enum class TlsaUse {
    used,
    unusable,    ///< as if the record said nothing about whom to trust
    superseded,  ///< usable, but the same usage and selector has a stronger digest
    duplicate    ///< of an earlier record
};

enum class TlsaFault {
    none,
    malformed,
    pkix_usage,  ///< PKIX-TA(0), PKIX-EE(1): not for SMTP between MTAs (RFC 7672 §3.1.3)
    unknown_usage,
    unknown_selector,
    matching_type,  ///< unknown, or not enabled here
    digest_length,
    too_long,         ///< Full(0) data over the limit
    not_certificate,  ///< Cert(0) Full(0) that is not one DER certificate
    not_public_key    ///< SPKI(1) Full(0) that is not one DER SubjectPublicKeyInfo
};

struct TlsaAssessment {
    TlsaRecord record;
    TlsaUse use = TlsaUse::unusable;
    TlsaFault fault = TlsaFault::none;  ///< set for `unusable` only
    std::string why;                    ///< of everything that is not used: plain words
    bool operator==(const TlsaAssessment&) const = default;
};

struct TlsaLimits {
    std::size_t max_records = 100;
    std::size_t max_octets = 65535;       ///< RDATA of the whole set
    std::size_t max_full_octets = 16384;  ///< of one Full(0) record, before it meets the ASN.1 parser
    /// Enabled digests, the strongest first. One that is missing makes its records unusable (DANE-44,
    /// DANE-50).
    std::vector<std::uint8_t> digests{2, 1};
};

struct TlsaSet {
    std::vector<TlsaAssessment> records;  ///< in the order received, every record of the RRset
    /// False with a non-empty set: TLS is required, authentication is not possible (DANE-33).
    [[nodiscard]] bool any_used() const;
    /// Every distinct record's str(), sorted: the same RRset gives the same text however DNS rotates it
    /// (RPT-32).
    [[nodiscard]] std::vector<std::string> policy_string() const;
    /// What a secure RRset of these records means for a hop: "TLS required, authentication by 1 record".
    [[nodiscard]] std::string meaning() const;
};

/// `rdata` is the TLSA RRset of a secure answer.
[[nodiscard]] Result<TlsaSet> assess_tlsa(const std::vector<std::vector<std::uint8_t>>& rdata,
                                          const TlsaLimits& limits);

/// The names of RFC 7218: "DANE-EE", "SPKI", "SHA2-256"; "unassigned" where the registry has none.
[[nodiscard]] std::string_view usage_acronym(std::uint8_t usage);
[[nodiscard]] std::string_view selector_acronym(std::uint8_t selector);
[[nodiscard]] std::string_view matching_type_acronym(std::uint8_t matching_type);

[[nodiscard]] std::string_view to_string(TlsaUse use);
[[nodiscard]] std::string_view to_string(TlsaFault fault);  ///< "pkix-usage", "digest-length", ...

}  // namespace sealpost::security
