#include "security/tls_required.hpp"

#include <algorithm>

#include "config/keyword.hpp"

namespace sealpost::security {

namespace {

constexpr std::string_view blanks = " \t";

bool begins_with_blank(std::string_view text) {
    return !text.empty() && blanks.find(text.front()) != std::string_view::npos;
}

/// Takes one line and its CR LF off `rest`; the last one may lack it.
std::string_view take_line(std::string_view& rest) {
    const std::size_t end = std::min(rest.find("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 2, rest.size()));
    return line;
}

/// Without the blanks at both ends, those that a fold left among them; a fold inside the text stays.
std::string_view without_outer_blanks(std::string_view value) {
    constexpr std::string_view outer = " \t\r\n";
    const std::size_t begin = value.find_first_not_of(outer);
    if (begin == std::string_view::npos) return {};
    return value.substr(begin, value.find_last_not_of(outer) - begin + 1);
}

}  // namespace

TlsRequiredField parse_tls_required(std::string_view message) {
    TlsRequiredField found = TlsRequiredField::absent;
    std::string_view rest = message;
    while (!rest.empty()) {
        const std::string_view begin = rest;
        const std::string_view line = take_line(rest);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0 || begins_with_blank(line)) break;
        // The whole field, with its folds: lines that begin with a blank belong to it.
        while (begins_with_blank(rest)) take_line(rest);
        const std::string_view field = begin.substr(0, begin.size() - rest.size());

        const std::string_view name = field.substr(0, colon);
        const std::string_view bare = without_outer_blanks(name);
        if (bare.find_first_of(blanks) != std::string_view::npos) break;
        if (!same_keyword(bare, "tls-required")) continue;
        const bool says_no =
            name == bare && same_keyword(without_outer_blanks(field.substr(colon + 1)), "no");
        found =
            says_no && found == TlsRequiredField::absent ? TlsRequiredField::no : TlsRequiredField::invalid;
    }
    return found;
}

MessageTls tag_message(bool requiretls, TlsRequiredField field) {
    if (requiretls) return MessageTls::required;
    return field == TlsRequiredField::no ? MessageTls::optional : MessageTls::by_policy;
}

}  // namespace sealpost::security
