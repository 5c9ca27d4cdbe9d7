#include "security/sts_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "config/keyword.hpp"
#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

constexpr std::chrono::seconds longest_max_age{31557600};  // RFC 8461 §3.2
constexpr std::size_t max_line_kept = 1024;
constexpr std::string_view white_space = " \t";

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_alnum(char c) {
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_key(std::string_view text) {
    return !text.empty() && text.size() <= 32 && is_alnum(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; });
}

/// sts-policy-ext-value: UTF-8 with spaces inside, no control characters. White space around it is gone
/// already.
bool is_extension_value(std::string_view text) {
    return !text.empty() && is_utf8(text) &&
           std::none_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7F; });
}

std::string_view trim(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(white_space), text.size()));
    return text.substr(0, text.find_last_not_of(white_space) + 1);
}

/// Takes the next line off `body`, without its LF or CRLF.
std::string_view take_line(std::string_view& body) {
    const std::size_t lf = body.find('\n');
    std::string_view line = body.substr(0, lf);
    if (lf != std::string_view::npos && line.ends_with('\r')) line.remove_suffix(1);
    body.remove_prefix(lf == std::string_view::npos ? body.size() : lf + 1);
    return line;
}

tl::unexpected<Error> invalid(std::size_t line, std::string_view what, std::string_view text) {
    return fail(Errc::invalid,
                fmt::format("MTA-STS policy line {}: {}: '{}'", line, what, printable(text, 80)));
}

class Parser {
public:
    explicit Parser(const StsPolicyLimits& limits) : limits_(limits) {}

    Result<StsPolicy> parse(std::string_view body) {
        if (body.empty()) return fail(Errc::invalid, "MTA-STS policy: empty");
        if (body.size() > limits_.max_octets)
            return fail(Errc::invalid, fmt::format("MTA-STS policy: {} octets; at most {} are read",
                                                   body.size(), limits_.max_octets));
        policy_.lines = sts_policy_lines(body, limits_);
        while (!body.empty()) {
            if (++line_ > limits_.max_lines)
                return fail(Errc::invalid,
                            fmt::format("MTA-STS policy: more than {} lines", limits_.max_lines));
            if (const Result<void> ok = take(take_line(body)); !ok) return tl::unexpected(ok.error());
        }
        return finish();
    }

private:
    Result<void> take(std::string_view line) {
        if (line.find('\0') != std::string_view::npos || line.find('\r') != std::string_view::npos)
            return invalid(line_, "a NUL or a bare CR", line);
        if (trim(line).empty()) {  // against the ABNF; but to refuse the policy would open the door (AMB-16)
            diagnose("the line is blank, which the grammar does not allow; it is passed over");
            return {};
        }
        const std::size_t colon = line.find(':');
        const std::string_view key = line.substr(0, colon);
        // A BOM, leading space and space before the colon all end here.
        if (colon == std::string_view::npos || !is_key(key)) return invalid(line_, "not 'key: value'", line);
        return take_field(key, trim(line.substr(colon + 1)));
    }

    Result<void> take_field(std::string_view key, std::string_view value) {
        if (key == "mx") return take_mx(value);
        if (key == "version") return take_version(value);
        if (key == "mode") return take_mode(value);
        if (key == "max_age") return take_max_age(value);
        if (!is_extension_value(value)) return invalid(line_, "malformed value", value);
        diagnose_unknown(key);
        return {};
    }

    void diagnose_unknown(std::string_view key) {
        const std::string lower = ascii_lower(std::string(key));
        if (lower == "mx" || lower == "version" || lower == "mode" || lower == "max_age")
            diagnose(fmt::format("the key '{}' is ignored: it counts only as '{}'", key, lower));
        else
            diagnose(fmt::format("the key '{}' is unknown and ignored", key));
    }

    /// Of all fields but mx the first alone counts, and the others may be anything (STS-43).
    bool is_repeated(bool& seen, std::string_view key) {
        if (seen) diagnose(fmt::format("'{}' stands there again and is ignored: the first counts", key));
        return std::exchange(seen, true);
    }

    Result<void> take_version(std::string_view value) {
        if (is_repeated(has_version_, "version")) return {};
        if (value != "STSv1") return invalid(line_, "the version must be STSv1", value);
        return {};
    }

    Result<void> take_mode(std::string_view value) {
        if (is_repeated(has_mode_, "mode")) return {};
        for (const StsMode mode : {StsMode::enforce, StsMode::testing, StsMode::none}) {
            if (value != to_string(mode)) continue;
            policy_.mode = mode;
            return {};
        }
        return invalid(line_, "the mode must be enforce, testing or none", value);
    }

    Result<void> take_max_age(std::string_view value) {
        if (is_repeated(has_max_age_, "max_age")) return {};
        if (value.empty() || value.size() > 10 || !std::all_of(value.begin(), value.end(), is_digit))
            return invalid(line_, "max_age must be 1 to 10 digits", value);
        std::int64_t seconds = 0;
        std::from_chars(value.data(), value.data() + value.size(), seconds);  // ten digits cannot overflow
        policy_.max_age = std::chrono::seconds(seconds);
        if (policy_.max_age > longest_max_age) {
            diagnose(fmt::format("max_age {} is taken as {}, the longest allowed", value,
                                 longest_max_age.count()));
            policy_.max_age = longest_max_age;
        }
        return {};
    }

    Result<void> take_mx(std::string_view value) {
        if (policy_.mx.size() >= limits_.max_mx)
            return fail(Errc::invalid, fmt::format("MTA-STS policy: more than {} mx lines", limits_.max_mx));
        std::string_view name = value;
        const bool wildcard = name.starts_with("*.");
        if (wildcard) name.remove_prefix(2);
        Result<Domain> domain = Domain::parse(name);
        if (!domain) return invalid(line_, "not an mx pattern", value);
        // No top-level domain is a number: this is an IPv4 address.
        const std::string_view last = std::string_view(domain->str()).substr(domain->str().rfind('.') + 1);
        if (std::all_of(last.begin(), last.end(), is_digit)) return invalid(line_, "not a host name", value);
        if (std::any_of(name.begin(), name.end(),
                        [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
            diagnose(fmt::format("the mx is written in Unicode and taken as {}", domain->str()));
        else if (name.ends_with('.'))
            diagnose(
                fmt::format("the mx {} is written with a trailing dot, which is dropped", domain->str()));
        policy_.mx.push_back({std::move(*domain), wildcard});
        return {};
    }

    Result<StsPolicy> finish() {
        if (!has_version_) return fail(Errc::invalid, "MTA-STS policy: no version");
        if (!has_mode_) return fail(Errc::invalid, "MTA-STS policy: no mode");
        if (!has_max_age_) return fail(Errc::invalid, "MTA-STS policy: no max_age");
        if (policy_.mx.empty() && policy_.mode != StsMode::none)
            return fail(Errc::invalid,
                        fmt::format("MTA-STS policy: mode {} without an mx", to_string(policy_.mode)));
        return std::move(policy_);
    }

    void diagnose(std::string_view what) {
        std::vector<std::string>& all = policy_.diagnoses;
        if (all.size() + 1 < max_sts_diagnoses)
            all.push_back(fmt::format("Line {}: {}.", line_, what));
        else if (all.size() < max_sts_diagnoses)
            all.emplace_back("There are more remarks of this kind.");
    }

    const StsPolicyLimits& limits_;
    StsPolicy policy_;
    std::size_t line_ = 0;
    bool has_version_ = false;
    bool has_mode_ = false;
    bool has_max_age_ = false;
};

}  // namespace

bool MxPattern::matches(const Domain& host) const {
    return wildcard ? host.parent() == name.str() : host == name;
}

std::string MxPattern::str() const {
    return wildcard ? "*." + name.str() : name.str();
}

bool StsPolicy::allows(const Domain& host) const {
    return std::any_of(mx.begin(), mx.end(), [&](const MxPattern& pattern) { return pattern.matches(host); });
}

Result<StsPolicy> parse_sts_policy(std::string_view body, const StsPolicyLimits& limits) {
    return Parser(limits).parse(body);
}

std::vector<std::string> sts_policy_lines(std::string_view body, const StsPolicyLimits& limits) {
    std::vector<std::string> lines;
    while (!body.empty() && lines.size() < limits.max_lines) {
        const std::string_view line = take_line(body);
        if (!trim(line).empty()) lines.emplace_back(line.substr(0, max_line_kept));
    }
    return lines;
}

std::string_view to_string(StsMode mode) {
    switch (mode) {
        case StsMode::none:
            return "none";
        case StsMode::testing:
            return "testing";
        case StsMode::enforce:
            return "enforce";
    }
    return "unknown";
}

}  // namespace sealpost::security
