/// \file DnsAnswer: what one DNS question brought, never without its DNSSEC state.
///
/// Owns     the vocabulary between the resolver and every decision. Data and status travel in one value, so
/// no
///          caller can see records without having the status at hand.
/// Units    ttl in seconds. `rdata` is wire format, one entry a record, names inside uncompressed.
/// Never    judges: what an insecure or bogus answer means to a hop is decided where the hop is.
/// Source   RFC 4035 §4.3; RFC 7672 §2.1.1 (erratum 5395 for "indeterminate"); conformance DNS-02..08.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost::security {

enum class RrType : std::uint16_t { a = 1, cname = 5, mx = 15, txt = 16, aaaa = 28, tlsa = 52 };

/// Asked by the resolver's own watch alone; no delivery sees an answer of this type.
inline constexpr auto dnskey_type = static_cast<RrType>(48);

enum class DnsStatus {
    secure,         ///< validated from a trust anchor down
    insecure,       ///< provably or, without a covering anchor, simply not signed
    bogus,          ///< should be signed, and does not validate
    indeterminate,  ///< RFC 4035's meaning: signatures could not be had; handled as an error [DNS-06]
    error           ///< no answer: SERVFAIL, timeout, resolver gone
};

enum class DnsData { data, nodata, nxdomain };  ///< meaningful for secure and insecure only

struct DnsAnswer {
    std::string name;  ///< as asked: A-labels, lower case, no trailing dot
    RrType type = RrType::a;
    DnsStatus status = DnsStatus::error;
    DnsData data = DnsData::nodata;
    std::vector<std::vector<std::uint8_t>> rdata;
    std::string canonical;  ///< final owner after CNAMEs; == name if there are none
    std::chrono::seconds ttl{0};
    std::string why;  ///< of bogus and error: the resolver's words, printable ASCII, bounded
    std::vector<std::vector<std::uint8_t>> rrsig;  ///< RDATA of the signatures; of DNSKEY answers alone

    /// No conclusion may be drawn: not "no such record" either.
    [[nodiscard]] bool failed() const { return status != DnsStatus::secure && status != DnsStatus::insecure; }
    [[nodiscard]] bool has_data() const { return !failed() && data == DnsData::data; }
    /// NODATA or NXDOMAIN, secure or insecure [DNS-08].
    [[nodiscard]] bool denied() const { return !failed() && data != DnsData::data; }
    [[nodiscard]] bool via_cname() const { return canonical != name; }

    bool operator==(const DnsAnswer&) const = default;
};

/// "A", "CNAME", ...; "TYPE<n>" is never needed: only the listed types are asked.
[[nodiscard]] std::string_view to_string(RrType type);
/// The enumerator's own name.
[[nodiscard]] std::string_view to_string(DnsStatus status);
/// "data", "NODATA", "NXDOMAIN".
[[nodiscard]] std::string_view to_string(DnsData data);

}  // namespace sealpost::security
