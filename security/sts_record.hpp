/// \file The _mta-sts TXT record: whether a domain has a policy, and under which id.
///
/// Shape    id: 1..32 ASCII letters and digits; only equality means anything (STS-15).
/// Errors   Errc::invalid - not an MTA-STS record. To discovery that is the same as none (STS-08).
/// Source   RFC 8461 §3.1; conformance STS-05..15, AMB-13, AMB-36.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/result.hpp"
#include "security/versioned_txt.hpp"

namespace sealpost::security {

inline constexpr std::size_t max_sts_record_diagnoses = 10;

struct StsRecord {
    std::string id;
    /// What was tolerated or passed over: sentences, printable, at most `max_sts_record_diagnoses`.
    std::vector<std::string> diagnoses = {};
    bool operator==(const StsRecord&) const = default;
};

/// `text` is one TXT record with its strings joined.
[[nodiscard]] Result<StsRecord> parse_sts_record(std::string_view text);

/// All TXT records of _mta-sts.<domain>. Only `TxtFound::one` is a live policy; the others never remove a
/// cached one (STS-07).
[[nodiscard]] TxtSelection<StsRecord> select_sts_record(const std::vector<std::string>& txts);

}  // namespace sealpost::security
