#include "mta/daemon/rule_files.hpp"

#include <spdlog/spdlog.h>

#include "config/units.hpp"
#include "mta/daemon/clock.hpp"
#include "mta/net/tls_client.hpp"

namespace sealpost {

Result<security::RuleTable> load_rules(const std::vector<RuleSettings>& rules) {
    security::RuleAuthorities authorities;
    for (const RuleSettings& rule : rules) {
        if (rule.ca_file.empty() || authorities.contains(rule.ca_file)) continue;
        const std::string key =
            fmt::format("{}:{}: domain.\"{}\".ca_file", rule.file, rule.line, rule.pattern);
        Result<security::TrustStore> store = load_trust_store(key, rule.ca_file);
        if (!store) return tl::unexpected(store.error());
        authorities.emplace(rule.ca_file, std::make_shared<const security::TrustStore>(std::move(*store)));
    }
    return security::RuleTable::build(rules, authorities);
}

void warn_of_weakening(const std::vector<RuleSettings>& rules) {
    const auto today = std::chrono::floor<std::chrono::days>(wall_clock());
    for (const RuleSettings& rule : rules) {
        if (!rule.until) continue;
        if (*rule.until <= today)
            spdlog::warn("{}:{}: the rule for '{}' ended on {} and is passed over; take it out", rule.file,
                         rule.line, rule.pattern, format_day(*rule.until));
        else
            spdlog::warn("{}:{}: the rule for '{}' lowers what is published (tls = \"{}\") until {}: {}",
                         rule.file, rule.line, rule.pattern, to_string(rule.tls), format_day(*rule.until),
                         rule.reason);
    }
}

}  // namespace sealpost
