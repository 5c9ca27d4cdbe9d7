#include "mta/smtp/extensions.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace sealpost {
namespace {

std::string upper(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return out;
}

/// 0, which means "none known", for what is no number or larger than any message.
std::uint64_t parse_limit(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() ? value : 0;
}

/// RFC 9422 §4: one to six digits, the first of them no zero. 0 for everything else.
std::uint32_t parse_small(std::string_view text) {
    constexpr std::size_t most_digits = 6;
    if (text.empty() || text.size() > most_digits || text.front() == '0') return 0;
    return static_cast<std::uint32_t>(parse_limit(text));
}

}  // namespace

void SessionLimits::read(std::string_view parameters) {
    const std::array<std::pair<std::string_view, std::uint32_t*>, 3> known{
        {{"MAILMAX", &mail_max}, {"RCPTMAX", &rcpt_max}, {"RCPTDOMAINMAX", &rcpt_domain_max}}};
    while (!parameters.empty()) {
        const std::string_view word = parameters.substr(0, parameters.find(' '));
        parameters.remove_prefix(std::min(word.size() + 1, parameters.size()));
        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string name = upper(word.substr(0, equals));
        const std::uint32_t value = parse_small(word.substr(equals + 1));
        for (const auto& [limit, at] : known)
            if (name == limit && value > 0) *at = *at == 0 ? value : std::min(*at, value);
    }
}

Extensions Extensions::parse(const Reply& ehlo) {
    Extensions found;
    for (std::size_t i = 1; i < ehlo.lines.size(); ++i) {
        const std::string_view line = ehlo.lines[i];
        const std::size_t blank = std::min(line.find(' '), line.size());
        const std::string keyword = upper(line.substr(0, blank));
        const std::string_view parameters = line.substr(std::min(blank + 1, line.size()));
        if (keyword == "STARTTLS") {
            found.starttls = true;
        } else if (keyword == "PIPELINING") {
            found.pipelining = true;
        } else if (keyword == "SIZE") {
            found.size = true;
            found.size_limit = parse_limit(parameters.substr(0, parameters.find(' ')));
        } else if (keyword == "8BITMIME") {
            found.eight_bit_mime = true;
        } else if (keyword == "SMTPUTF8") {
            found.smtputf8 = true;
        } else if (keyword == "CHUNKING") {
            found.chunking = true;
        } else if (keyword == "BINARYMIME") {
            found.binary_mime = true;
        } else if (keyword == "DSN") {
            found.dsn = true;
        } else if (keyword == "ENHANCEDSTATUSCODES") {
            found.enhanced_status_codes = true;
        } else if (keyword == "REQUIRETLS") {
            found.requiretls = true;
        } else if (keyword == "LIMITS") {
            found.limits.read(parameters);
        }
    }
    return found;
}

}  // namespace sealpost
