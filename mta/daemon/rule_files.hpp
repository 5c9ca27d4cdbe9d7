/// \file The rules table with the files that its rules name.
///
/// Errors   Errc::configuration - a CA file that cannot be read: names file, line, key and remedy.
#pragma once
#include <vector>

#include "security/rules.hpp"

namespace sealpost {

[[nodiscard]] Result<security::RuleTable> load_rules(const std::vector<RuleSettings>& rules);

/// Logs every rule that lowers what is published, and every one whose last day has passed.
void warn_of_weakening(const std::vector<RuleSettings>& rules);

}  // namespace sealpost
