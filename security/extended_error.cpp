#include "security/extended_error.hpp"

#include <fmt/format.h>

#include <array>

namespace sealpost::security {
namespace {

struct Entry {
    std::string_view words;
    ExtendedError error;
};

// The words of validator/*.c of unbound 1.17. The first that occurs decides: the dates of a signature say
// more than that nothing else fitted.
constexpr std::array table{
    Entry{"signature expired", {7, "Signature Expired"}},
    Entry{"signature before inception", {8, "Signature Not Yet Valid"}},
    Entry{"signature crypto failed", {6, "DNSSEC Bogus"}},
    Entry{"dnskey without ZSK flag", {11, "No Zone Key Bit Set"}},
    Entry{"no signatures", {10, "RRSIGs Missing"}},
    Entry{"signatures from unknown keys", {9, "DNSKEY Missing"}},
    Entry{"no keys have a DS", {9, "DNSKEY Missing"}},
    Entry{"DNSKEY missing", {9, "DNSKEY Missing"}},
    Entry{"No DNSKEY record", {9, "DNSKEY Missing"}},
    Entry{"No DNSKEY", {9, "DNSKEY Missing"}},
    Entry{"no DNSSEC records", {10, "RRSIGs Missing"}},
    Entry{"proof failed", {12, "NSEC Missing"}},
    Entry{"no NSEC", {12, "NSEC Missing"}},
};

}  // namespace

ExtendedError extended_error(std::string_view why) {
    for (const Entry& entry : table)
        if (why.find(entry.words) != std::string_view::npos) return entry.error;
    return {};
}

std::string with_extended_error(std::string_view why) {
    const ExtendedError error = extended_error(why);
    return fmt::format("EDE {} ({}): {}", error.code, error.name, why);
}

}  // namespace sealpost::security
