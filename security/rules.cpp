#include "security/rules.hpp"

#include <algorithm>

namespace sealpost::security {
namespace {

Result<Rule> make_rule(const RuleSettings& from, const RuleAuthorities& authorities) {
    Rule rule;
    rule.pattern = from.pattern;
    rule.tls = from.tls;
    rule.pins = from.pins;
    rule.min_tls = from.min_tls;
    rule.route = from.route;
    rule.insecure_mx = from.insecure_mx;
    rule.both = from.both;
    rule.observe = from.observe;
    rule.max_connections = from.max_connections;
    rule.rate = from.rate;
    rule.notify_after = from.notify_after;
    rule.max_age = from.max_age;
    rule.reason = from.reason;
    rule.until = from.until;
    rule.contact = from.contact;
    rule.file = from.file;
    rule.line = from.line;
    for (const std::string& name : from.match) {
        Result<NamePattern> pattern = NamePattern::parse(name);
        if (!pattern) return fail(rule.describe(), pattern.error());
        rule.match.push_back(std::move(*pattern));
    }
    // A weakening without its end would never stop; the loader refuses it, and so do we.
    if (rule.weakens() && (!rule.until || rule.reason.empty()))
        return fail(Errc::configuration, fmt::format("{}: tls = \"{}\" needs `reason` and `until`",
                                                     rule.describe(), to_string(rule.tls)));
    if (rule.tls == TlsLevel::fingerprint && rule.pins.empty() && from.ca_file.empty())
        return fail(Errc::configuration,
                    fmt::format("{}: \"fingerprint\" needs `pins` or `ca_file`", rule.describe()));
    if (from.ca_file.empty()) return rule;
    const auto found = authorities.find(from.ca_file);
    if (found == authorities.end() || !found->second)
        return fail(Errc::configuration,
                    fmt::format("{}: ca_file '{}' was not read", rule.describe(), from.ca_file));
    rule.trusted = found->second;
    return rule;
}

}  // namespace

std::string Rule::describe() const {
    if (pattern.empty()) return "the built-in default rule";
    return file.empty() ? fmt::format("rule '{}'", pattern)
                        : fmt::format("rule '{}' ({}:{})", pattern, file, line);
}

Result<RuleTable> RuleTable::build(const std::vector<RuleSettings>& settings,
                                   const RuleAuthorities& authorities) {
    RuleTable table;
    for (const RuleSettings& from : settings) {
        Result<Rule> rule = make_rule(from, authorities);
        if (!rule) return tl::unexpected(rule.error());
        if (from.pattern == "*") {
            if (rule->weakens())
                return fail(Errc::configuration,
                            fmt::format("{}: tls = \"{}\" is for one domain, or the names below one",
                                        rule->describe(), to_string(rule->tls)));
            table.all_ = std::move(*rule);
            continue;
        }
        const Result<NamePattern> pattern = NamePattern::parse(from.pattern);
        if (!pattern) return fail(fmt::format("rule '{}'", from.pattern), pattern.error());
        (pattern->below ? table.suffix_ : table.exact_)
            .insert_or_assign(pattern->name.str(), std::move(*rule));
    }
    return table;
}

std::vector<const Rule*> RuleTable::candidates(const Domain& domain) const {
    std::vector<const Rule*> out;
    if (const auto found = exact_.find(domain.str()); found != exact_.end()) out.push_back(&found->second);
    for (std::string_view rest = domain.parent(); !rest.empty();) {
        if (const auto found = suffix_.find(rest); found != suffix_.end()) out.push_back(&found->second);
        const std::size_t dot = rest.find('.');
        rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
    }
    if (all_) out.push_back(&*all_);
    out.push_back(&built_in_);
    return out;
}

const Rule& RuleTable::find(const Domain& domain, std::chrono::sys_days today) const {
    const std::vector<const Rule*> all = candidates(domain);
    return **std::find_if(all.begin(), all.end(), [&](const Rule* rule) { return rule->applies(today); });
}

std::vector<const Rule*> RuleTable::ended(const Domain& domain, std::chrono::sys_days today) const {
    std::vector<const Rule*> out = candidates(domain);
    out.erase(std::find_if(out.begin(), out.end(), [&](const Rule* rule) { return rule->applies(today); }),
              out.end());
    return out;
}

}  // namespace sealpost::security
