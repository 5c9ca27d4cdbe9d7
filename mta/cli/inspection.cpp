#include "mta/cli/inspection.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "mta/admin/view.hpp"
#include "security/remote_text.hpp"
#include "security/sts_policy.hpp"
#include "security/sts_record.hpp"
#include "security/tlsa.hpp"
#include "security/tlsa_presentation.hpp"

namespace sealpost::cli {
namespace {

namespace json = boost::json;

Inspection judged(bool ok) {
    Inspection out;
    out.answer["schema"] = admin::schema;
    out.answer["ok"] = ok;
    out.code = ok ? ExitCode::ok : ExitCode::data;
    return out;
}

Inspection refused(std::string_view why) {
    Inspection out = judged(false);
    out.answer["error"] = json::string(why);
    return out;
}

json::array sentences(const std::vector<std::string>& texts) {
    return json::array(texts.begin(), texts.end());
}

json::object field(unsigned number, std::string_view acronym) {
    json::object out;
    out["number"] = number;
    out["acronym"] = json::string(acronym);
    return out;
}

json::object view_of(const security::TlsaAssessment& assessed) {
    const security::TlsaRecord& record = assessed.record;
    json::object out;
    out["record"] = record.str();
    if (!record.malformed) {
        out["usage"] = field(record.usage, security::usage_acronym(record.usage));
        out["selector"] = field(record.selector, security::selector_acronym(record.selector));
        out["matching_type"] =
            field(record.matching_type, security::matching_type_acronym(record.matching_type));
    }
    out["octets"] = record.data.size();
    out["use"] = json::string(security::to_string(assessed.use));
    if (assessed.use == security::TlsaUse::unusable)
        out["fault"] = json::string(security::to_string(assessed.fault));
    if (assessed.use != security::TlsaUse::used) out["why"] = assessed.why;
    return out;
}

}  // namespace

Inspection lint_sts_policy(std::string_view body) {
    if (body.size() > longest_sts_policy)
        return refused(fmt::format("MTA-STS policy: longer than {} octets; nobody reads more of it",
                                   longest_sts_policy));
    const Result<security::StsPolicy> policy =
        security::parse_sts_policy(body, {.max_octets = longest_sts_policy});
    if (!policy) return refused(policy.error().text);
    json::object view;
    view["version"] = "STSv1";  // or it would not have been read [STS-37]
    view["mode"] = json::string(security::to_string(policy->mode));
    view["max_age"] = policy->max_age.count();
    json::array patterns;
    for (const security::MxPattern& pattern : policy->mx) patterns.emplace_back(pattern.str());
    view["mx"] = std::move(patterns);
    Inspection out = judged(true);
    out.answer["policy"] = std::move(view);
    out.answer["diagnoses"] = sentences(policy->diagnoses);
    return out;
}

Inspection lint_sts_record(const std::vector<std::string>& txts) {
    const security::TxtSelection<security::StsRecord> selection = security::select_sts_record(txts);
    if (selection.found == security::TxtFound::none)
        return refused(txts.size() == 1
                           ? std::string("the TXT record does not start with 'v=STSv1;'")
                           : fmt::format("none of the {} TXT records starts with 'v=STSv1;'", txts.size()));
    if (!selection.record) return refused(selection.why);
    json::object view;
    view["version"] = "STSv1";
    view["id"] = selection.record->id;
    Inspection out = judged(true);
    out.answer["record"] = std::move(view);
    out.answer["diagnoses"] = sentences(selection.record->diagnoses);
    return out;
}

Inspection decode_tlsa(const std::vector<std::string>& records) {
    std::vector<std::vector<std::uint8_t>> rdata;
    for (const std::string& text : records) {
        Result<std::vector<std::uint8_t>> one = security::parse_tlsa_presentation(text);
        if (!one)
            return refused(
                fmt::format("record {}: {}; write each record as one argument, in quotes, like "
                            "'3 1 1 0123AB...'",
                            rdata.size() + 1, one.error().text));
        rdata.push_back(std::move(*one));
    }
    const Result<security::TlsaSet> set = security::assess_tlsa(rdata, {});
    if (!set) return refused(set.error().text);
    Inspection out = judged(set->any_used());
    out.answer["meaning"] = set->meaning();
    json::array views;
    for (const security::TlsaAssessment& assessed : set->records) views.push_back(view_of(assessed));
    out.answer["records"] = std::move(views);
    return out;
}

Result<std::string> read_input(const std::string& file, std::size_t limit) {
    const std::string name = file == "-" ? "standard input" : security::printable(file);
    const auto cannot = [&](int error) {
        return fail(Errc::not_found,
                    fmt::format("{}: cannot be read: {}; name a file that can, or '-' for standard input",
                                name, std::generic_category().message(error)));
    };
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(
        file == "-" ? nullptr : std::fopen(file.c_str(), "rb"), std::fclose);
    std::FILE* const in = file == "-" ? stdin : opened.get();
    if (in == nullptr) return cannot(errno);
    std::string text(limit, '\0');
    errno = 0;
    text.resize(std::fread(text.data(), 1, limit, in));
    if (std::ferror(in) != 0) return cannot(errno);  // a folder, for one
    return text;
}

}  // namespace sealpost::cli
