#include "hop_oracle.hpp"

#include <algorithm>
#include <array>

namespace sealpost::security::test::matrix {
namespace {

// What is true of a world.

bool mx_secure(const World& w) {
    return w.mx != MxKind::insecure && w.mx != MxKind::implicit_insecure;
}
bool has_address(const World& w) {
    return w.host != HostKind::no_address && w.host != HostKind::address_error &&
           w.host != HostKind::address_bogus;
}
bool tlsa_failed(const World& w) {
    return w.host == HostKind::tlsa_error || w.host == HostKind::tlsa_bogus;
}
bool usable(const World& w) {
    return w.host == HostKind::ee || w.host == HostKind::ta || w.host == HostKind::ta_expanded ||
           w.host == HostKind::mixed;
}
bool unusable(const World& w) {
    return w.host == HostKind::pkix_only || w.host == HostKind::bad_length ||
           w.host == HostKind::unknown_type || w.host == HostKind::short_rdata;
}
bool dane_vouches(const World& w) {
    return usable(w) && mx_secure(w);
}
bool enforced(const World& w) {
    return w.sts == StsKind::enforce || w.sts == StsKind::enforce_unlisted ||
           w.sts == StsKind::fetch_failed_cached;
}
bool tested(const World& w) {
    return w.sts == StsKind::testing || w.sts == StsKind::testing_unlisted;
}
bool listed(const World& w) {
    return w.sts == StsKind::enforce || w.sts == StsKind::testing || w.sts == StsKind::fetch_failed_cached;
}
bool memory_unreadable(const World& w) {
    return w.sts == StsKind::memory_unreadable;
}
bool requires_tls(const World& w) {
    return w.message == MessageTls::required;
}
TlsLevel level(const World& w) {
    return w.rule->rule.tls;
}
/// `none` asks for no TLS at all, unless the message requires it.
bool asks_tls(const World& w) {
    return level(w) != TlsLevel::none || requires_tls(w);
}

// What is true of a session.

bool tls(const World&, const Server& s) {
    return s.stage == TlsStage::established;
}
bool never(const World&, const Server&) {
    return false;
}
bool is_one_of(Name name, std::initializer_list<Name> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// DANE-64..68 and DANE-08: the names that a 2 x x chain may carry.
bool is_dane_name(const World& w, Name name) {
    const Name base = w.host == HostKind::ta_expanded ? Name::base : Name::host;
    if (name == base) return true;
    switch (w.mx) {
        case MxKind::secure:
            return name == Name::next_hop;
        case MxKind::secure_alias:
            return is_one_of(name, {Name::next_hop, Name::expanded});
        case MxKind::implicit_secure:
        case MxKind::route:
            return name == Name::host;  // the next hop itself
        case MxKind::insecure:
        case MxKind::implicit_insecure:
            return false;
    }
    return false;
}

ChainFault dane_fault(const World& w, const Server& s) {
    if (!usable(w) || !s.shown->tlsa) return ChainFault::no_match;
    if (w.host == HostKind::ee || w.host == HostKind::mixed) return ChainFault::none;
    if (!s.shown->in_date) return ChainFault::expired;
    return is_dane_name(w, s.shown->name) ? ChainFault::none : ChainFault::host_mismatch;
}
ChainFault names_fault(const Shown& shown, Issuer trusted, bool named) {
    if (shown.issuer != trusted) return ChainFault::not_trusted;
    if (!shown.in_date) return ChainFault::expired;
    return named ? ChainFault::none : ChainFault::host_mismatch;
}
ChainFault web_pki_fault(const Server& s) {
    return names_fault(*s.shown, Issuer::web_pki, s.shown->name == Name::host);
}
bool dane_ok(const World& w, const Server& s) {
    return tls(w, s) && dane_fault(w, s) == ChainFault::none;
}
bool web_pki_ok(const World& w, const Server& s) {
    return tls(w, s) && web_pki_fault(s) == ChainFault::none;
}
bool dane_vouched_ok(const World& w, const Server& s) {
    return dane_vouches(w) && dane_ok(w, s);
}
/// STS-58, STS-61.
bool sts_ok(const World& w, const Server& s) {
    return listed(w) && web_pki_ok(w, s);
}

/// The names of `match`; without it the domain itself and every name below.
bool rule_names_ok(const World& w, const Server& s) {
    if (!tls(w, s)) return false;
    const Rule& rule = w.rule->rule;
    const bool domain_is_host = w.mx == MxKind::implicit_secure || w.mx == MxKind::implicit_insecure ||
                                w.mx == MxKind::route;
    const bool named = !rule.match.empty() ? s.shown->name == Name::partner
                       : domain_is_host    ? s.shown->name == Name::host
                                           : is_one_of(s.shown->name, {Name::host, Name::next_hop});
    const Issuer trusted = rule.trusted ? Issuer::rule_ca : Issuer::web_pki;
    return names_fault(*s.shown, trusted, named) == ChainFault::none;
}
bool pinned_ok(const World& w, const Server& s) {
    const Rule& rule = w.rule->rule;
    if (!tls(w, s)) return false;
    return (!rule.pins.empty() && s.shown->pinned) || (rule.trusted && rule_names_ok(w, s));
}
bool authenticated_ok(const World& w, const Server& s) {
    return dane_vouched_ok(w, s) || (enforced(w) && sts_ok(w, s)) ||
           (!w.rule->rule.match.empty() && rule_names_ok(w, s));
}

// The tables.

using W = const World&;
using S = const Server&;

const std::array rows{
    Row{"DANE-16 DANE-17: no address", Voice::circumstances, [](W w) { return !has_address(w); }, never, true},
    Row{"RPT-55: not reached", Voice::circumstances, [](W) { return true; },
        [](W, S s) { return s.stage != TlsStage::not_reached; }},
    Row{"TLS-04: octets in clear behind STARTTLS", Voice::circumstances, asks_tls,
        [](W, S s) { return s.stage != TlsStage::injected; }},

    Row{"DANE-31 COMB-02: TLSA lookup failed", Voice::published, tlsa_failed, never, true},
    Row{"DANE-32 COMB-01: usable TLSA", Voice::published, usable, dane_ok},
    Row{"DANE-33: unusable TLSA", Voice::published, unusable, tls},
    Row{"STS-58 STS-64: enforced, host not listed", Voice::published,
        [](W w) { return enforced(w) && !listed(w) && !dane_vouches(w); }, never, true},
    Row{"STS-61 COMB-03..06: enforced", Voice::published,
        [](W w) { return enforced(w) && listed(w) && !dane_vouches(w); }, sts_ok},
    Row{"STS-50: memory of policies unreadable", Voice::published, memory_unreadable, never, true},

    Row{"encrypt", Voice::rule, [](W w) { return level(w) == TlsLevel::encrypt; }, tls},
    Row{"authenticated", Voice::rule, [](W w) { return level(w) == TlsLevel::authenticated; },
        authenticated_ok},
    Row{"DANE-05 DANE-82: dane-only", Voice::rule, [](W w) { return level(w) == TlsLevel::dane_only; },
        dane_vouched_ok},
    Row{"secure", Voice::rule, [](W w) { return level(w) == TlsLevel::secure; }, rule_names_ok},
    Row{"fingerprint", Voice::rule, [](W w) { return level(w) == TlsLevel::fingerprint; }, pinned_ok},
    Row{"min_tls", Voice::rule, [](W w) { return w.rule->rule.min_tls.has_value(); },
        [](W w, S s) { return tls(w, s) && (w.rule->rule.min_tls == TlsVersion::tls1_2 || s.tls1_3); }},
    Row{"COMB-06: both", Voice::rule,
        [](W w) { return w.rule->rule.both && dane_vouches(w) && enforced(w); },
        [](W w, S s) { return dane_ok(w, s) && sts_ok(w, s); }},

    Row{"REQTLS-08: host name vouched for", Voice::message, requires_tls,
        [](W w, S) { return mx_secure(w) || (enforced(w) && listed(w)); }},
    Row{"REQTLS-09 REQTLS-10: certificate", Voice::message, requires_tls,
        [](W w, S s) { return dane_vouched_ok(w, s) || web_pki_ok(w, s); }},
    Row{"REQTLS-11: REQUIRETLS after TLS", Voice::message, requires_tls,
        [](W w, S s) { return tls(w, s) && s.requiretls; }},
};

/// REQTLS-23: whether "TLS-Required: No" lowers the rules too.
bool rule_lowered(const World& w) {
    return w.message == MessageTls::optional && w.message_overrides_rules;
}
bool rule_in_force(const World& w, bool despite_observe) {
    return (!w.rule->rule.observe || despite_observe) && !rule_lowered(w);
}
/// A rule that rests on what is published keeps it against "TLS-Required: No" (AMB-32).
bool rests_on_published(const World& w) {
    return level(w) == TlsLevel::authenticated || level(w) == TlsLevel::dane_only || w.rule->rule.both;
}

bool binds(const Row& row, const World& w, bool despite_observe) {
    switch (row.voice) {
        case Voice::circumstances:
        case Voice::message:
            return true;
        case Voice::published:
            if (requires_tls(w)) return true;
            if (w.rule->rule.weakens()) return false;
            if (w.message != MessageTls::optional) return true;
            return rests_on_published(w) && rule_in_force(w, despite_observe);
        case Voice::rule:
            return rule_in_force(w, despite_observe);
    }
    return true;
}

bool holds(const Row& row, const World& w, const Server& s, bool despite_observe) {
    return row.speaks(w) && binds(row, w, despite_observe) && !row.satisfied(w, s);
}

const Row& row_named(std::string_view start) {
    return *std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.name.starts_with(start); });
}

}  // namespace

Expected expect(const World& world, const Server& server) {
    Expected out;
    for (const Row& row : rows) {
        if (holds(row, world, server, true)) out.rule_would_hold = true;
        if (!holds(row, world, server, false)) continue;
        out.unmet.push_back(&row);
        out.no_connection |= row.before_connect;
    }
    if (!world.rule->rule.observe) out.rule_would_hold = false;
    if (!out.unmet.empty()) return out;
    if (!asks_tls(world))
        out.fate = Fate::clear;
    else if (server.stage == TlsStage::established)
        out.fate = Fate::tls;
    else
        out.fate = server.stage == TlsStage::handshake_failed ? Fate::clear_again : Fate::clear;
    return out;
}

bool may_be_verified(const World& world, const Server& server) {
    if (!asks_tls(world) || !tls(world, server)) return false;
    if (dane_vouched_ok(world, server)) return true;
    if (enforced(world) && sts_ok(world, server)) return true;
    if (requires_tls(world) && mx_secure(world) && web_pki_ok(world, server)) return true;
    switch (level(world)) {
        case TlsLevel::authenticated:
            return authenticated_ok(world, server);
        case TlsLevel::secure:
            return rule_names_ok(world, server);
        case TlsLevel::fingerprint:
            return pinned_ok(world, server);
        default:
            return false;
    }
}

bool must_be_verified(const World& world, const Server& server) {
    static const std::array demanding{&row_named("STS-61 COMB-03..06: enforced"), &row_named("authenticated"),
                                      &row_named("DANE-05"),    &row_named("secure"),
                                      &row_named("fingerprint"), &row_named("REQTLS-09")};
    if (!asks_tls(world) || !tls(world, server)) return false;
    const Row& dane = row_named("DANE-32");
    if (dane_vouched_ok(world, server) && binds(dane, world, false)) return true;
    return std::any_of(demanding.begin(), demanding.end(), [&](const Row* row) {
        return row->speaks(world) && binds(*row, world, false) && row->satisfied(world, server);
    });
}

bool host_authenticated(const World& world, const Server& server) {
    return dane_ok(world, server) || web_pki_ok(world, server) || may_be_verified(world, server);
}

LackChoice expected_lack(const World& world, const Server& server, bool connected) {
    constexpr LackChoice nothing{.none = true};
    if (!requires_tls(world)) return nothing;
    const bool vouched = mx_secure(world) || (enforced(world) && listed(world));
    // Trouble that may pass by itself: with a policy that we could not get, nobody knows who is vouched for.
    const bool sts_trouble = memory_unreadable(world) || world.sts == StsKind::fetch_failed ||
                             world.sts == StsKind::txt_failed;
    const bool host_trouble = !has_address(world) || tlsa_failed(world);
    if (!vouched) return {.none = sts_trouble || host_trouble, .tls = !sts_trouble};
    if (host_trouble || memory_unreadable(world)) return nothing;
    if (!connected) {
        // Not by the message's wish, then: by the rule, or because the policy names other hosts (STS-67).
        return {.none = true, .tls = enforced(world) && !listed(world)};
    }
    switch (server.stage) {
        case TlsStage::not_reached:
            return nothing;
        case TlsStage::injected:
            return {.none = true, .tls = true};
        case TlsStage::refused:
            return server.reply.starts_with('4') ? nothing : LackChoice{.tls = true};
        case TlsStage::not_offered:
        case TlsStage::handshake_failed:
            return {.tls = true};
        case TlsStage::established:
            break;
    }
    const std::vector<const Row*> unmet = expect(world, server).unmet;
    const auto unmet_of = [&](std::string_view start) {
        return std::any_of(unmet.begin(), unmet.end(),
                           [&](const Row* row) { return row->name.starts_with(start); });
    };
    if (unmet_of("REQTLS-09")) return {.tls = true};
    const bool others = std::any_of(unmet.begin(), unmet.end(),
                                    [](const Row* row) { return row->voice != Voice::message; });
    const bool published = std::any_of(unmet.begin(), unmet.end(),
                                       [](const Row* row) { return row->voice == Voice::published; });
    const bool wanting = unmet_of("REQTLS-11");
    return {.none = others || !wanting, .tls = published, .requiretls = wanting};
}

bool reason_fits(const World& world, HopReason reason) {
    switch (reason) {
        case HopReason::no_address:
            return world.host == HostKind::no_address;
        case HopReason::address_lookup_failed:
            return world.host == HostKind::address_error || world.host == HostKind::address_bogus;
        case HopReason::tlsa_lookup_failed:
            return tlsa_failed(world);
        case HopReason::dane_required:
            return level(world) == TlsLevel::dane_only && !dane_vouches(world);
        case HopReason::sts_mx_mismatch:
            return enforced(world) && !listed(world);
        case HopReason::policy_unknown:
            return memory_unreadable(world);
        case HopReason::not_authenticable:
            return level(world) == TlsLevel::authenticated && !dane_vouches(world) &&
                   !(enforced(world) && listed(world)) && world.rule->rule.match.empty();
        case HopReason::requiretls_not_vouched:
            return requires_tls(world) && !mx_secure(world) && !(enforced(world) && listed(world));
        default:
            return false;
    }
}

const std::string& expected_sni(const World& world) {
    return name_of(world.host == HostKind::ta_expanded ? Name::base : Name::host).str();
}

// What each applied policy is owed.

namespace {

constexpr std::uint32_t bit(ResultType type) {
    return 1U << static_cast<unsigned>(type);
}

struct Owed {
    PolicyType policy = PolicyType::no_policy_found;
    bool must = false;            ///< else it may be missing
    bool success = false;
    std::uint32_t needed = 0;     ///< result types
    std::uint32_t allowed = 0;    ///< beside them
};

std::uint32_t type_of(ChainFault fault) {
    switch (fault) {
        case ChainFault::none:
            return 0;
        case ChainFault::host_mismatch:
            return bit(ResultType::certificate_host_mismatch);
        case ChainFault::expired:
            return bit(ResultType::certificate_expired);
        case ChainFault::not_trusted:
            return bit(ResultType::certificate_not_trusted);
        case ChainFault::no_match:
        case ChainFault::internal:
            break;
    }
    return bit(ResultType::validation_failure);
}

/// RPT-64, RPT-69: how a session failed that has no certificate.
std::uint32_t type_of(TlsStage stage) {
    if (stage == TlsStage::established) return 0;
    const bool missing = stage == TlsStage::not_offered || stage == TlsStage::refused;
    return bit(missing ? ResultType::starttls_not_supported : ResultType::validation_failure);
}

bool dane_applies(const World& w) {
    return usable(w) || unusable(w);
}
bool sts_applies(const World& w) {
    return enforced(w) || tested(w);
}

/// RPT-71: what the resolver called bogus is reported; a mere timeout may be.
Owed owed_for_dns(const World& w) {
    const bool bogus = w.host == HostKind::tlsa_bogus || w.host == HostKind::address_bogus;
    return {.policy = PolicyType::tlsa, .must = bogus, .needed = bit(ResultType::dnssec_invalid)};
}

AppliedPolicy policy_of(const World& w, PolicyType type) {
    AppliedPolicy out;
    out.type = type;
    out.domain = mx_of(w.mx).domain.str();
    if (type == PolicyType::tlsa) {
        out.domain = name_of(w.host == HostKind::ta_expanded ? Name::base : Name::host).str();
        out.policy_string = state_of(w.host).tlsa.policy_string();
    }
    if (type == PolicyType::sts && sts_of(w.sts).policy) {
        out.policy_string = sts_of(w.sts).policy->lines;
        out.mx_host = {listed(w) ? "*.example.org" : "*.example.net"};
    }
    return out;
}

std::string wrong(const World& w, const std::vector<Owed>& owed, const std::vector<TlsResult>& results) {
    for (const Owed& o : owed) {
        const auto matching = [&](const TlsResult& r) { return r.policy.type == o.policy; };
        const auto count = std::count_if(results.begin(), results.end(), matching);
        if (count > 1) return fmt::format("{} is reported twice", to_string(o.policy));
        if (count == 0 && o.must) return fmt::format("{} is not reported", to_string(o.policy));
    }
    for (const TlsResult& r : results) {
        const auto o = std::find_if(owed.begin(), owed.end(),
                                    [&](const Owed& one) { return one.policy == r.policy.type; });
        if (o == owed.end()) return fmt::format("{} does not apply", to_string(r.policy.type));
        if (r.policy != policy_of(w, o->policy) ||
            r.policy_domain_of_recipient != mx_of(w.mx).domain.str())
            return fmt::format("{} is not the policy that applied", to_string(o->policy));
        std::uint32_t types = 0;
        for (const TlsFailure& f : r.failures) types |= bit(f.type);
        if (r.session_success != o->success || !r.counts_session)
            return fmt::format("{} is counted wrongly", to_string(o->policy));
        if ((types & o->needed) != o->needed || (types & ~(o->needed | o->allowed)) != 0)
            return fmt::format("{} has other result types", to_string(o->policy));
        if (r.session_success != r.failures.empty())
            return fmt::format("{} contradicts itself", to_string(o->policy));
    }
    return {};
}

}  // namespace

std::string wrong_session_results(const World& world, const Server& server,
                                  const std::vector<TlsResult>& results) {
    std::vector<Owed> owed;
    if (!asks_tls(world)) return wrong(world, owed, results);
    if (tlsa_failed(world)) owed.push_back(owed_for_dns(world));
    if (server.stage == TlsStage::not_reached) {
        for (Owed& o : owed) o.must = false;
        return wrong(world, owed, results);
    }
    const bool shown = server.stage == TlsStage::established;
    const std::uint32_t by_stage = type_of(server.stage);
    if (usable(world)) {
        const std::uint32_t types = shown ? type_of(dane_fault(world, server)) : by_stage;
        owed.push_back({PolicyType::tlsa, true, types == 0, types});
    }
    if (unusable(world))
        owed.push_back({PolicyType::tlsa, true, false, bit(ResultType::tlsa_invalid) | by_stage});
    if (sts_applies(world)) {
        const std::uint32_t types = shown ? type_of(web_pki_fault(server)) : by_stage;
        if (listed(world))
            owed.push_back({PolicyType::sts, true, types == 0, types});
        else
            owed.push_back({PolicyType::sts, true, false, bit(ResultType::validation_failure), types});
    }
    if (!dane_applies(world) && !sts_applies(world))
        owed.push_back({PolicyType::no_policy_found, !tlsa_failed(world), by_stage == 0, by_stage});
    // A rule of dane-only that is observed may say what it misses.
    if (level(world) == TlsLevel::dane_only)
        for (Owed& o : owed) o.allowed |= o.success ? 0 : bit(ResultType::dane_required);
    if (tlsa_failed(world) && results.empty()) return "nothing is reported";
    return wrong(world, owed, results);
}

std::string wrong_skip_results(const World& world, HopReason reason, const std::vector<TlsResult>& results) {
    std::vector<Owed> owed;
    const bool dns = tlsa_failed(world) || !has_address(world);
    Owed tlsa = dns ? owed_for_dns(world) : Owed{.policy = PolicyType::tlsa};
    if (world.host == HostKind::no_address) tlsa = {.policy = PolicyType::tlsa};
    if (unusable(world)) tlsa.allowed |= bit(ResultType::tlsa_invalid);
    if (reason == HopReason::dane_required) {
        // RPT-72; a set that is there and says nothing usable is also RPT-70, one over an insecure MX neither.
        const bool absent = world.host == HostKind::dane_denied;
        tlsa.must |= absent || unusable(world);
        if (absent) tlsa.needed |= bit(ResultType::dane_required);
        tlsa.allowed |= bit(ResultType::dane_required);
    }
    if (tlsa.must || tlsa.needed != 0 || tlsa.allowed != 0) owed.push_back(tlsa);
    if (enforced(world) && !listed(world))
        owed.push_back({PolicyType::sts, reason == HopReason::sts_mx_mismatch, false,
                        bit(ResultType::validation_failure)});
    return wrong(world, owed, results);
}

}  // namespace sealpost::security::test::matrix
