// The _mta-sts record: what parses prints and parses again to the same; the input is also taken as several
// records.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "require.hpp"
#include "security/sts_record.hpp"

using namespace sealpost;
using namespace sealpost::security;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(data, data + size);
    const Result<StsRecord> record = parse_sts_record(text);
    if (record) {
        require(text.starts_with("v=STSv1"));
        require(!record->id.empty() && record->id.size() <= 32);
        const StsRecord plain = parse_sts_record("v=STSv1; id=" + record->id + ";").value();
        require(plain.id == record->id && plain.diagnoses.empty());
        require(record->diagnoses.size() <= max_sts_record_diagnoses);
        for (const std::string& diagnosis : record->diagnoses)
            for (const char c : diagnosis) require(c >= 0x20 && c < 0x7F);
        require(select_sts_record({text}).record == *record);
    } else {
        for (const char c : record.error().text) require(c >= 0x20 && c < 0x7F);
    }

    std::vector<std::string> txts;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        txts.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const TxtSelection<StsRecord> selected = select_sts_record(txts);
    require(selected.record.has_value() == (selected.found == TxtFound::one));
    std::reverse(txts.begin(), txts.end());
    require(select_sts_record(txts).record == selected.record);
    return 0;
}
