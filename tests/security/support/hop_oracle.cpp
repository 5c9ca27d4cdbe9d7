#include "hop_oracle.hpp"

#include <algorithm>
#include <array>

#include "hop_truth.hpp"

namespace sealpost::security::test::matrix {
namespace {

/// The names of `match`; without it the domain itself and every name below, or of a pinned CA the host.
bool rule_names_ok(const World& w, const Server& s) {
    if (!tls(w, s)) return false;
    const Rule& rule = w.rule->rule;
    const bool domain_is_host =
        w.mx == MxKind::implicit_secure || w.mx == MxKind::implicit_insecure || w.mx == MxKind::route;
    const bool host_alone = domain_is_host || level(w) == TlsLevel::fingerprint;
    const bool named = !rule.match.empty()
                           ? s.shown->name == (w.rule->matches_host ? Name::host : Name::partner)
                       : host_alone ? s.shown->name == Name::host
                                    : is_one_of(s.shown->name, {Name::host, Name::next_hop});
    const Issuer trusted = rule.trusted ? Issuer::rule_ca : Issuer::web_pki;
    return names_fault(*s.shown, trusted, named) == ChainFault::none;
}
bool pinned_ok(const World& w, const Server& s) {
    const Rule& rule = w.rule->rule;
    if (!tls(w, s)) return false;
    return (!rule.pins.empty() && s.shown->pinned) || (rule.trusted && rule_names_ok(w, s));
}
/// "DANE, else WebPKI for the names MTA-STS or `match` allow": read as names of the host, which a testing
/// policy gives as well. `match` of a rule that covers the host is marked in its label.
bool host_allowed(const World& w) {
    return listed(w) || w.rule->matches_host;
}
bool authenticated_ok(const World& w, const Server& s) {
    if (dane_vouched_ok(w, s) || (enforced(w) && sts_ok(w, s))) return true;
    if (!host_allowed(w) || !tls(w, s)) return false;
    const Issuer trusted = w.rule->rule.trusted ? Issuer::rule_ca : Issuer::web_pki;
    return names_fault(*s.shown, trusted, s.shown->name == Name::host) == ChainFault::none;
}

// The tables.

using W = const World&;
using S = const Server&;

const std::array rows{
    Row{"DANE-16 DANE-17: no address", Voice::circumstances, [](W w) { return !has_address(w); }, never,
        true},
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
    Row{"STS-50: memory of policies unreadable", Voice::published,
        [](W w) { return memory_unreadable(w) && !dane_vouches(w); }, never, true},

    Row{"encrypt", Voice::rule, [](W w) { return level(w) == TlsLevel::encrypt; }, tls},
    Row{"authenticated", Voice::rule, [](W w) { return level(w) == TlsLevel::authenticated; },
        authenticated_ok},
    Row{"DANE-05 DANE-82: dane-only", Voice::rule, [](W w) { return level(w) == TlsLevel::dane_only; },
        dane_vouched_ok},
    Row{"secure", Voice::rule, [](W w) { return level(w) == TlsLevel::secure; }, rule_names_ok},
    Row{"fingerprint", Voice::rule, [](W w) { return level(w) == TlsLevel::fingerprint; }, pinned_ok},
    Row{"min_tls", Voice::rule, [](W w) { return w.rule->rule.min_tls.has_value(); },
        [](W w, S s) { return tls(w, s) && (w.rule->rule.min_tls == TlsVersion::tls1_2 || s.tls1_3); }},
    Row{"COMB-06: both", Voice::rule, [](W w) { return w.rule->rule.both && dane_vouches(w) && enforced(w); },
        [](W w, S s) { return dane_ok(w, s) && sts_ok(w, s); }},
    Row{"COMB-06: both, and memory unreadable", Voice::rule,
        [](W w) { return w.rule->rule.both && memory_unreadable(w); }, never, true},

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

namespace {
/// False: by what is known before the connection the rule holds the mail whatever the server shows.
bool rule_can_be_met(const World& w) {
    return !reason_fits(w, HopReason::dane_required) && !reason_fits(w, HopReason::not_authenticable);
}
}  // namespace

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
    static const std::array demanding{&row_named("STS-61 COMB-03..06: enforced"),
                                      &row_named("authenticated"),
                                      &row_named("DANE-05"),
                                      &row_named("secure"),
                                      &row_named("fingerprint"),
                                      &row_named("REQTLS-09")};
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
    const bool sts_trouble =
        memory_unreadable(world) || world.sts == StsKind::fetch_failed || world.sts == StsKind::txt_failed;
    const bool host_trouble = !has_address(world) || tlsa_failed(world);
    const bool rule_too = !connected && !rule_can_be_met(world);
    if (!vouched) return {.none = sts_trouble || host_trouble || rule_too, .tls = !sts_trouble};
    if (host_trouble) return nothing;
    if (!connected) {
        // Not by the message's wish, then: by the rule, or because the policy names other hosts (STS-67).
        if (memory_unreadable(world)) return nothing;
        return {.none = true, .tls = enforced(world) && !listed(world)};
    }
    switch (server.stage) {
        case TlsStage::not_reached:
        case TlsStage::not_asked:
            return nothing;
        case TlsStage::injected:
        case TlsStage::handshake_failed:  // whether it broke or could not agree is not known here
            return {.none = true, .tls = true};
        case TlsStage::refused:
            return server.reply.starts_with('4') ? nothing : LackChoice{.tls = true};
        case TlsStage::not_offered:
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
    const bool others =
        std::any_of(unmet.begin(), unmet.end(), [](const Row* row) { return row->voice != Voice::message; });
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
            return level(world) == TlsLevel::authenticated && !dane_vouches(world) && !host_allowed(world);
        case HopReason::requiretls_not_vouched:
            return requires_tls(world) && !mx_secure(world) && !(enforced(world) && listed(world));
        default:
            return false;
    }
}

const std::string& expected_sni(const World& world) {
    return name_of(world.host == HostKind::ta_expanded ? Name::base : Name::host).str();
}

}  // namespace sealpost::security::test::matrix
