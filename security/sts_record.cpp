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

void diagnose(StsRecord& record, std::string sentence) {
    if (record.diagnoses.size() + 1 < max_sts_record_diagnoses)
        record.diagnoses.push_back(std::move(sentence));
    else if (record.diagnoses.size() < max_sts_record_diagnoses)
        record.diagnoses.emplace_back("There are more remarks of this kind.");
}

}  // namespace

Result<StsRecord> parse_sts_record(std::string_view text) {
    const Result<std::vector<TxtField>> fields = parse_versioned_txt(text, version);
    if (!fields) return fail("MTA-STS record", fields.error());
    StsRecord record;
    if (!text.substr(version.size()).starts_with(';'))  // AMB-13
        diagnose(
            record,
            "There is white space before the first semicolon: senders that see another TXT record beside "
            "this one pass it over.");
    for (const TxtField& field : *fields) {
        if (field.name == "id") {
            if (!record.id.empty()) {  // the first counts, whatever the later ones are
                diagnose(record, "The field 'id' stands there again and is ignored: the first counts.");
                continue;
            }
            if (!is_id(field.value))
                return fail(Errc::invalid,
                            fmt::format("MTA-STS record: id '{}' is not 1 to 32 letters and digits",
                                        printable(field.value, 60)));
            record.id = field.value;
        } else if (!is_txt_extension_value(field.value)) {
            return fail(Errc::invalid, fmt::format("MTA-STS record: field '{}' has the malformed value '{}'",
                                                   field.name, printable(field.value, 60)));
        } else {
            diagnose(record, fmt::format("The field '{}' is unknown and ignored.", field.name));
        }
    }
    if (record.id.empty()) return fail(Errc::invalid, "MTA-STS record without an id");
    return record;
}

TxtSelection<StsRecord> select_sts_record(const std::vector<std::string>& txts) {
    return select_versioned_txt<StsRecord>(txts, version, parse_sts_record);
}

}  // namespace sealpost::security
