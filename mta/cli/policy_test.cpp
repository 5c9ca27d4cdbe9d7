#include "mta/cli/policy_test.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "config/units.hpp"
#include "mta/admin/view.hpp"

namespace sealpost::cli {

PolicyAnswer test_policy(const LoadedSettings& loaded, const security::RuleTable& table, const Domain& domain,
                         std::chrono::sys_days today) {
    const security::Rule& rule = table.find(domain, today);
    PolicyAnswer out;
    out.json["schema"] = admin::schema;
    out.json["domain"] = domain.str();
    out.json["rule"] = rule.describe();
    out.text = fmt::format("{}: {}\n", domain, rule.describe());
    const auto& rules = loaded.settings.rules;
    const auto written = std::find_if(rules.begin(), rules.end(),
                                      [&](const RuleSettings& r) { return r.pattern == rule.pattern; });
    if (written != rules.end()) {
        out.text += render_rule(*written);
        out.json["settings"] = boost::json::parse(render_rule_json(*written));
    } else {
        out.text += fmt::format("tls = \"{}\"\n", to_string(rule.tls));
    }
    boost::json::array ended;
    for (const security::Rule* const passed : table.ended(domain, today)) {
        ended.emplace_back(passed->describe());
        out.text += fmt::format("# {} ended on {} and is passed over\n", passed->describe(),
                                format_day(*passed->until));
    }
    out.json["ended"] = std::move(ended);
    return out;
}

}  // namespace sealpost::cli
