#include "security/versioned_txt.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

constexpr std::size_t max_text = 8192;  // far above what any record needs
constexpr std::size_t max_name = 32;
constexpr std::string_view white_space = " \t";

std::string_view skip_space(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(white_space), text.size()));
    return text;
}

std::string_view drop_trailing_space(std::string_view text) {
    return text.substr(0, text.find_last_not_of(white_space) + 1);
}

bool is_alnum(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_field_name(std::string_view name) {
    return !name.empty() && name.size() <= max_name && is_alnum(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; });
}

bool is_text(char c) {
    return (c >= 0x20 && c < 0x7F) || c == '\t';
}

}  // namespace

bool is_txt_extension_value(std::string_view value) {
    return !value.empty() && std::all_of(value.begin(), value.end(),
                                         [](char c) { return c > 0x20 && c < 0x7F && c != '=' && c != ';'; });
}

Result<std::vector<TxtField>> parse_versioned_txt(std::string_view text, std::string_view version) {
    if (text.size() > max_text)
        return fail(Errc::invalid,
                    fmt::format("record of {} octets; at most {} are read", text.size(), max_text));
    if (!std::all_of(text.begin(), text.end(), is_text))
        return fail(Errc::invalid, "record with an octet that is not printable ASCII");
    if (!text.starts_with(version))
        return fail(Errc::invalid, fmt::format("record does not start with '{}'", version));
    std::string_view rest = skip_space(text.substr(version.size()));
    std::vector<TxtField> fields;
    while (!rest.empty()) {
        // Here stands the ';' that ends what came before.
        if (rest.front() != ';') return fail(Errc::invalid, fmt::format("no ';' after '{}'", version));
        rest = skip_space(rest.substr(1));
        if (rest.empty()) break;  // the delimiter may also end the record
        const std::size_t end = std::min(rest.find(';'), rest.size());
        std::string_view field = rest.substr(0, end);
        rest.remove_prefix(end);
        // White space belongs to a delimiter; after the last field there is none.
        if (!rest.empty()) field = drop_trailing_space(field);
        const std::size_t equals = field.find('=');
        if (equals == std::string_view::npos || !is_field_name(field.substr(0, equals)))
            return fail(Errc::invalid, fmt::format("'{}' is not a 'name=value' field", printable(field, 60)));
        fields.push_back({field.substr(0, equals), field.substr(equals + 1)});
    }
    if (fields.empty()) return fail(Errc::invalid, fmt::format("nothing follows '{}'", version));
    return fields;
}

TxtCandidates find_versioned_txt(const std::vector<std::string>& txts, std::string_view version) {
    TxtCandidates found;
    for (const std::string_view text : txts) {
        if (!text.starts_with(version)) continue;
        std::string_view rest = text.substr(version.size());
        if (txts.size() == 1) rest = skip_space(rest);
        if (!rest.starts_with(';')) continue;
        if (found.count++ == 0) found.first = text;
    }
    return found;
}

}  // namespace sealpost::security
