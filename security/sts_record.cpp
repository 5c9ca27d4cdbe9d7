#include "security/sts_record.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

constexpr std::string_view version = "v=STSv1";

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    });
}

}  // namespace

Result<StsRecord> parse_sts_record(std::string_view text) {
    const Result<std::vector<TxtField>> fields = parse_versioned_txt(text, version);
    if (!fields) return fail("MTA-STS record", fields.error());
    StsRecord record;
    for (const TxtField& field : *fields) {
        if (field.name == "id") {
            if (!record.id.empty()) continue;  // the first counts, whatever the later ones are
            if (!is_id(field.value))
                return fail(Errc::invalid,
                            fmt::format("MTA-STS record: id '{}' is not 1 to 32 letters and digits",
                                        printable(field.value, 60)));
            record.id = field.value;
        } else if (!is_txt_extension_value(field.value)) {
            return fail(Errc::invalid, fmt::format("MTA-STS record: field '{}' has the malformed value '{}'",
                                                   field.name, printable(field.value, 60)));
        }
    }
    if (record.id.empty()) return fail(Errc::invalid, "MTA-STS record without an id");
    return record;
}

TxtSelection<StsRecord> select_sts_record(const std::vector<std::string>& txts) {
    return select_versioned_txt<StsRecord>(txts, version, parse_sts_record);
}

}  // namespace sealpost::security
