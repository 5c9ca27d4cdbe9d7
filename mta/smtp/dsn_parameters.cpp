#include "mta/smtp/dsn_parameters.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "config/dsn_parameters.hpp"
#include "config/keyword.hpp"
#include "config/xtext.hpp"

namespace sealpost {
namespace {

/// RFC 3464 §2.1.2: address types are atoms.
bool is_atom(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c <= '~' && std::string_view("()<>@,;:\\\".[]+=").find(c) == std::string_view::npos;
    });
}

}  // namespace

bool is_xtext(std::string_view text) {
    return decode_xtext(text).has_value();
}

bool is_envid(std::string_view value) {
    return !value.empty() && value.size() <= max_envid && is_xtext(value);
}

bool is_notify(std::string_view value) {
    if (same_keyword(value, "NEVER")) return true;
    constexpr std::array<std::string_view, 3> keywords{"SUCCESS", "FAILURE", "DELAY"};
    std::array<bool, keywords.size()> seen{};
    std::size_t begin = 0;
    while (true) {
        const std::size_t comma = std::min(value.find(',', begin), value.size());
        const std::string_view word = value.substr(begin, comma - begin);
        const auto* const found = std::find_if(keywords.begin(), keywords.end(),
                                               [&](auto known) { return same_keyword(word, known); });
        if (found == keywords.end()) return false;
        bool& again = seen.at(static_cast<std::size_t>(found - keywords.begin()));
        if (again) return false;
        again = true;
        if (comma == value.size()) return true;
        begin = comma + 1;
    }
}

bool is_orcpt(std::string_view value) {
    const std::size_t semicolon = value.find(';');
    if (semicolon == std::string_view::npos || value.size() > max_orcpt) return false;
    const std::string_view address = value.substr(semicolon + 1);
    return is_atom(value.substr(0, semicolon)) && !address.empty() && is_xtext(address);
}

}  // namespace sealpost
