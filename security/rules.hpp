/// \file The rules table: what the operator demands of a destination.
///
/// Owns     the order of search: the exact domain, then the longest ".suffix", then "*", then the built-in
/// `auto`. Never    lowers what the destination publishes: a rule is one input of decide_hop() (hop.hpp),
/// beside DANE and
///          MTA-STS, and the strongest wins [COMB-08].
#pragma once
#include <map>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "config/settings.hpp"

namespace sealpost::security {

/// A name that WebPKI may vouch for: "mx.example.org", or ".example.org" for every name below.
struct NamePattern {
    Domain name;
    bool below = false;
    [[nodiscard]] bool matches(const Domain& host) const {
        return below ? host.is_below(name) : host == name;
    }
};

struct Rule {
    std::string pattern;  ///< "example.org", ".example.org", "*"; empty: the built-in default
    TlsLevel tls = TlsLevel::automatic;
    std::vector<NamePattern> match;
    std::string contact;
    std::string file;
    std::uint32_t line = 0;

    /// "rule 'example.org' (domains.d/partners.toml:3)", for traces.
    [[nodiscard]] std::string describe() const;
};

class RuleTable {
public:
    /// Errc::configuration - a pattern or a name that is none; the loader has said so before, with the line.
    [[nodiscard]] static Result<RuleTable> build(const std::vector<RuleSettings>& settings);
    [[nodiscard]] const Rule& find(const Domain& domain) const;

private:
    std::map<std::string, Rule, std::less<>> exact_;
    std::map<std::string, Rule, std::less<>> suffix_;  ///< without the leading dot
    Rule fallback_;
};

}  // namespace sealpost::security
