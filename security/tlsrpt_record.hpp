/// \file The _smtp._tls TXT record: where a domain wants its TLS reports.
///
/// Owns     the parsed record. A destination that cannot be used is skipped with its reason, the others stay
///          (RPT-10); a record may so end up without any, and then no report leaves.
/// Limits   8192 octets, 10 destinations.
/// Errors   Errc::invalid - not a TLS-RPT record, or without rua (RPT-06).
/// Source   RFC 8460 §3; RFC 6068 §2 (mailto); RFC 3986; conformance RPT-03..11.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/result.hpp"
#include "security/versioned_txt.hpp"

namespace sealpost::security {

enum class ReportVia { mail, https };

struct ReportDestination {
    ReportVia via = ReportVia::mail;
    std::string target;  ///< mail: the addr-spec, decoded, domain in A-labels; https: the URI as written
    bool operator==(const ReportDestination&) const = default;
};

struct TlsrptRecord {
    std::vector<ReportDestination> destinations;  ///< of all rua fields in their order, each once
    std::vector<std::string> skipped;             ///< printable: the URI and why it cannot be used
    bool operator==(const TlsrptRecord&) const = default;
};

/// `text` is one TXT record with its strings joined.
[[nodiscard]] Result<TlsrptRecord> parse_tlsrpt_record(std::string_view text);

/// All TXT records of _smtp._tls.<domain>. Anything but `TxtFound::one` means that no report is wanted.
[[nodiscard]] TxtSelection<TlsrptRecord> select_tlsrpt_record(const std::vector<std::string>& txts);

/// One URI of a rua list. Header fields of a mailto URI ("?subject=") are dropped. Several addresses in one
/// mailto URI cannot occur: their comma would have ended the URI, and an encoded one belongs to a local part.
[[nodiscard]] Result<ReportDestination> parse_report_destination(std::string_view uri);

}  // namespace sealpost::security
