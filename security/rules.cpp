#include "security/rules.hpp"

namespace sealpost::security {
namespace {

Result<NamePattern> parse_pattern(std::string_view text) {
    const bool below = text.starts_with('.');
    Result<Domain> name = Domain::parse(below ? text.substr(1) : text);
    if (!name) return fail(Errc::configuration, name.error().text);
    return NamePattern{std::move(*name), below};
}

}  // namespace

std::string Rule::describe() const {
    if (pattern.empty()) return "the built-in default rule";
    return file.empty() ? fmt::format("rule '{}'", pattern)
                        : fmt::format("rule '{}' ({}:{})", pattern, file, line);
}

Result<RuleTable> RuleTable::build(const std::vector<RuleSettings>& settings) {
    RuleTable table;
    for (const RuleSettings& from : settings) {
        Rule rule{.pattern = from.pattern,
                  .tls = from.tls,
                  .match = {},
                  .contact = from.contact,
                  .file = from.file,
                  .line = from.line};
        for (const std::string& name : from.match) {
            Result<NamePattern> pattern = parse_pattern(name);
            if (!pattern) return fail(fmt::format("rule '{}'", from.pattern), pattern.error());
            rule.match.push_back(std::move(*pattern));
        }
        if (from.pattern == "*") {
            table.fallback_ = std::move(rule);
            continue;
        }
        const Result<NamePattern> pattern = parse_pattern(from.pattern);
        if (!pattern) return fail(fmt::format("rule '{}'", from.pattern), pattern.error());
        (pattern->below ? table.suffix_ : table.exact_)
            .insert_or_assign(pattern->name.str(), std::move(rule));
    }
    return table;
}

const Rule& RuleTable::find(const Domain& domain) const {
    if (const auto found = exact_.find(domain.str()); found != exact_.end()) return found->second;
    for (std::string_view rest = domain.parent(); !rest.empty();) {
        if (const auto found = suffix_.find(rest); found != suffix_.end()) return found->second;
        const std::size_t dot = rest.find('.');
        rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
    }
    return fallback_;
}

}  // namespace sealpost::security
