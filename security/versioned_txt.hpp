/// \file The "v=...; name=value" TXT records that MTA-STS and TLS-RPT share.
///
/// Owns     the choice of the one record among all TXT records of a name, and its split into fields. What the
///          fields mean: security/sts_record.hpp, security/tlsrpt_record.hpp.
/// Errors   Errc::invalid - names the first breach of the grammar.
/// Source   RFC 8461 §3.1 and RFC 8460 §3 (the same ABNF); conformance STS-06, RPT-03, AMB-13.
#pragma once
#include <fmt/format.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.hpp"

namespace sealpost::security {

enum class TxtFound {
    none,  ///< no TXT record of this version
    one,
    several,  ///< which is as good as none, even if only one of them parses
    invalid   ///< one, and it breaks the grammar
};

/// What a set of TXT records says. Anything but `one` means: no live record.
template <class Record>
struct TxtSelection {
    TxtFound found = TxtFound::none;
    std::optional<Record> record;  ///< of `one`
    std::string why;               ///< of `several` and `invalid`; printable
};

struct TxtField {
    std::string_view name;
    std::string_view value;  ///< as written; may hold anything but ';'
};

/// `version` is "v=STSv1" or the like. Views point into `text`. The fields after the version, at least one.
[[nodiscard]] Result<std::vector<TxtField>> parse_versioned_txt(std::string_view text,
                                                                std::string_view version);

/// A value that an unknown field may have: visible ASCII without '=' and ';', not empty.
[[nodiscard]] bool is_txt_extension_value(std::string_view value);

struct TxtCandidates {
    std::size_t count = 0;
    std::string_view first;
};
/// Records that begin with the version and ';'. White space before that ';' is allowed by the ABNF but not by
/// the rule for choosing among several, so it passes in a sole record only (AMB-13).
[[nodiscard]] TxtCandidates find_versioned_txt(const std::vector<std::string>& txts,
                                               std::string_view version);

/// Chooses among `txts` and parses the one with `parse(std::string_view) -> Result<Record>`.
template <class Record, class Parse>
[[nodiscard]] TxtSelection<Record> select_versioned_txt(const std::vector<std::string>& txts,
                                                        std::string_view version, Parse parse) {
    TxtSelection<Record> out;
    const TxtCandidates candidates = find_versioned_txt(txts, version);
    if (candidates.count == 0) return out;
    if (candidates.count > 1) {
        out.found = TxtFound::several;
        out.why = fmt::format("{} records start with '{};' where one may", candidates.count, version);
        return out;
    }
    Result<Record> record = parse(candidates.first);
    if (record) {
        out.found = TxtFound::one;
        out.record = std::move(*record);
    } else {
        out.found = TxtFound::invalid;
        out.why = record.error().text;
    }
    return out;
}

}  // namespace sealpost::security
