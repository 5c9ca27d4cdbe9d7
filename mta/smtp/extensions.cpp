#include "mta/smtp/extensions.hpp"

#include <algorithm>
#include <charconv>

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

}  // namespace

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
            found.limits = parameters;
        }
    }
    return found;
}

}  // namespace sealpost
