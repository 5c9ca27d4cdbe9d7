/// \file What somebody publishes, judged without a daemon: an MTA-STS policy or record, a TLSA RRset.
///
/// Owns     the commands' JSON, whose members are told here; the judgement itself is security's.
/// Shape    {"schema": 1, "ok": true, ...} with exit code 0, or "ok": false with 65. What could not be read
/// at
///          all has "error", a sentence:
///            policy: {"version", "mode", "max_age", "mx": [...]} and "diagnoses": [sentence, ...]
///            record: {"version", "id"} and "diagnoses"
///            TLSA:   "meaning" for a hop, and "records": [{"record", "octets", "use", and unless used
///            "why"},
///                    and "fault" of an unusable one; the fields of a well-formed one as {"number",
///                    "acronym"} in "usage", "selector", "matching_type"]
/// Never    uses the configuration: the limits are the defaults.
#pragma once
#include <boost/json/object.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.hpp"
#include "config/settings.hpp"
#include "mta/cli/exit_code.hpp"

namespace sealpost::cli {

inline const std::size_t longest_sts_policy = StsSettings{}.max_policy_size;  ///< octets

struct Inspection {
    boost::json::object answer;
    ExitCode code = ExitCode::ok;
};

/// One more octet than `longest_sts_policy` is enough to tell that a body is too long.
[[nodiscard]] Inspection lint_sts_policy(std::string_view body);
/// `txts` are all TXT records of the name; the strings of each are joined.
[[nodiscard]] Inspection lint_sts_record(const std::vector<std::string>& txts);
/// Each in one of the forms of security/tlsa_presentation.hpp; together they are one secure RRset.
[[nodiscard]] Inspection decode_tlsa(const std::vector<std::string>& records);

/// The first `limit` octets of a file; "-" is standard input. Errc::not_found - it cannot be read.
[[nodiscard]] Result<std::string> read_input(const std::string& file, std::size_t limit);

}  // namespace sealpost::cli
