/// \file The rules table: what the operator demands of a destination.
///
/// Owns     the order of search: the exact domain, then the longest ".suffix", then "*", then the built-in
///          `auto`. A rule that weakens is passed over from its last day on.
/// Never    lowers what the destination publishes, but for `may` and `none`: a rule is one input of
///          decide_hop() (hop.hpp), beside DANE and MTA-STS, and the strongest wins [COMB-08]. Never reads a
///          file or the clock: CAs and the day are arguments.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "security/certificate.hpp"
#include "security/name_pattern.hpp"

namespace sealpost::security {

struct Rule {
    std::string pattern;  ///< "example.org", ".example.org", "*"; empty: the built-in default
    TlsLevel tls = TlsLevel::automatic;
    std::vector<NamePattern> match;
    std::vector<SpkiPin> pins;
    std::shared_ptr<const TrustStore> trusted;  ///< the rule's own CAs; none: those of tls.ca_file
    std::optional<TlsVersion> min_tls;
    std::vector<NextHop> route;
    std::optional<bool> insecure_mx;
    bool both = false;
    // How mail is sent, not how securely: for the queue and its workers.
    std::optional<unsigned> max_connections;
    std::optional<Rate> rate;
    std::optional<Millis> notify_after;
    std::optional<Millis> max_age;
    bool observe = false;
    std::string reason;
    std::optional<std::chrono::sys_days> until;
    std::string contact;
    std::string file;
    std::uint32_t line = 0;

    /// "rule 'example.org' (domains.d/partners.toml:3)", for traces.
    [[nodiscard]] std::string describe() const;
    [[nodiscard]] bool weakens() const { return sealpost::weakens(tls); }
    /// False from `until` on.
    [[nodiscard]] bool applies(std::chrono::sys_days today) const { return !until || today < *until; }
};

/// By path, as `ca_file` names them.
using RuleAuthorities = std::map<std::string, std::shared_ptr<const TrustStore>>;

class RuleTable {
public:
    /// Errc::configuration - a pattern or a name that is none, a CA file that is not among `authorities`; the
    /// loader has said so before, with the line.
    [[nodiscard]] static Result<RuleTable> build(const std::vector<RuleSettings>& settings,
                                                 const RuleAuthorities& authorities = {});
    [[nodiscard]] const Rule& find(const Domain& domain, std::chrono::sys_days today) const;
    /// Rules for this domain that came before the one that find() gives, and have ended.
    [[nodiscard]] std::vector<const Rule*> ended(const Domain& domain, std::chrono::sys_days today) const;

private:
    /// Every rule whose pattern covers the domain, the most exact first; the built-in one is last.
    [[nodiscard]] std::vector<const Rule*> candidates(const Domain& domain) const;

    std::map<std::string, Rule, std::less<>> exact_;
    std::map<std::string, Rule, std::less<>> suffix_;  ///< without the leading dot
    std::optional<Rule> all_;
    Rule built_in_;
};

}  // namespace sealpost::security
