/// \file The rules: [domain."example.org"], [domain.".example.org"], [domain."*"].
///
/// Shape    patterns and match names in A-labels. The keys of a rule are RuleSettings'.
/// Errors   a key that the rule's own level cannot use, a level that lacks what it needs (a rule that
///          weakens needs a reason and an end) are problems like a wrong type.
/// Never    merges: a pattern that is defined already is a problem that names both places.
#pragma once
#include <toml++/toml.h>
#include <map>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "config/settings_value.hpp"

namespace sealpost {

struct RuleSet {
    std::vector<RuleSettings> rules;
    std::map<std::string, std::string> places;  ///< pattern -> "file:line:column" of its definition
};

/// Adds the rules of one [domain] table; a problem's text names the key. `file` is kept with each rule.
void read_rules(const toml::node& domains, const std::string& file, RuleSet& set,
                std::vector<ValueProblem>& problems);

/// A rule as it is written after "[domain."; also its name in messages: `domain."example.org"`.
[[nodiscard]] std::string rule_name(const std::string& pattern);

}  // namespace sealpost
