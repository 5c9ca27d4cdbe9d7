// A TLSA RRset, each record as one length octet pair and its RDATA. Order must not matter, agility must leave
// exactly one digest in each usage and selector, and nothing that breaks a rule of RFC 7672 may be used.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "require.hpp"
#include "security/tlsa.hpp"

using namespace sealpost;
using namespace sealpost::security;

namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> split(std::span<const std::uint8_t> input) {
    std::vector<Bytes> rdata;
    while (input.size() >= 2) {
        const std::size_t length =
            std::min<std::size_t>(static_cast<std::size_t>(input[0] * 256 + input[1]), input.size() - 2);
        rdata.emplace_back(input.begin() + 2, input.begin() + 2 + static_cast<std::ptrdiff_t>(length));
        input = input.subspan(2 + length);
    }
    return rdata;
}

std::set<TlsaRecord> used(const TlsaSet& set) {
    std::set<TlsaRecord> out;
    for (const TlsaAssessment& a : set.records)
        if (a.use == TlsaUse::used) require(out.insert(a.record).second);
    return out;
}

void check_record(const Bytes& rdata, const TlsaAssessment& a, const TlsaLimits& limits) {
    const TlsaRecord& r = a.record;
    require(r.malformed == (rdata.size() < 4));
    require(r.data.size() + (r.malformed ? 0 : 3) == rdata.size());
    require((a.use == TlsaUse::used) == a.why.empty());
    require((a.use == TlsaUse::unusable) == (a.fault != TlsaFault::none));
    if (a.use != TlsaUse::used && a.use != TlsaUse::superseded) return;
    require(!r.malformed && (r.usage == 2 || r.usage == 3) && r.selector <= 1 && r.matching_type <= 2);
    if (r.matching_type == 1) require(r.data.size() == 32);
    if (r.matching_type == 2) require(r.data.size() == 64);
    if (r.matching_type == 0) require(a.use == TlsaUse::used && r.data.size() <= limits.max_full_octets);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<Bytes> rdata = split(std::span(data, size));
    const TlsaLimits limits{.max_records = 20, .max_octets = 8192};
    const Result<TlsaSet> set = assess_tlsa(rdata, limits);
    if (!set) return 0;
    require(rdata.size() <= limits.max_records && set->records.size() == rdata.size());

    std::map<std::pair<int, int>, std::set<int>> digests;
    bool usable = false;
    for (std::size_t i = 0; i < rdata.size(); ++i) {
        const TlsaAssessment& a = set->records[i];
        check_record(rdata[i], a, limits);
        usable = usable || a.use == TlsaUse::used || a.use == TlsaUse::superseded;
        if (a.use == TlsaUse::used && a.record.matching_type != 0)
            digests[{a.record.usage, a.record.selector}].insert(a.record.matching_type);
    }
    require(set->any_used() == usable);  // agility never empties a set
    for (const auto& [pair, types] : digests) require(types.size() == 1);

    std::reverse(rdata.begin(), rdata.end());
    const TlsaSet reversed = assess_tlsa(rdata, limits).value();
    require(used(reversed) == used(*set));
    require(reversed.policy_string() == set->policy_string());
    return 0;
}
