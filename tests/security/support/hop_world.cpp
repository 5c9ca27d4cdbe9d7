#include "hop_world.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "certificate_factory.hpp"

namespace sealpost::security::test::matrix {
namespace {

const TrustStore& rule_ca() {
    static const TrustStore made = store_of({issue({.common_name = "CA of a rule", .ca = true})});
    return made;
}

const SpkiPin& pin() {
    static const SpkiPin made = [] {
        SpkiPin out;
        out.digest.fill(0x51);
        return out;
    }();
    return made;
}

/// `alias`: the host is one, and its TLSA records stand where it points.
MxSet make_mx(MxKind kind, bool alias) {
    if (kind == MxKind::route)
        return mx_set_of_route({NextHop::parse(fmt::format("[{}]", host_name().str())).value()});
    const bool implicit = kind == MxKind::implicit_secure || kind == MxKind::implicit_insecure;
    const bool insecure = kind == MxKind::insecure || kind == MxKind::implicit_insecure;
    const Domain& next_hop = implicit ? host_name() : name_of(Name::next_hop);
    return {.status = MxStatus::hosts,
            .security = insecure ? DnsStatus::insecure : DnsStatus::secure,
            .implicit = implicit,
            .domain = next_hop,
            .expanded = kind == MxKind::secure_alias ? name_of(Name::expanded)
                        : implicit && alias          ? name_of(Name::base)
                                                     : next_hop,
            .hosts = {{host_name(), 10, 0}},
            .notes = {},
            .why = {}};
}

Bytes shorter(Bytes rdata, std::size_t octets) {
    rdata.resize(octets);
    return rdata;
}

std::vector<Bytes> rdata_of(HostKind kind) {
    switch (kind) {
        case HostKind::ee:
            return {tlsa_rdata(3, 1, 1)};
        case HostKind::ta:
        case HostKind::ta_expanded:
            return {tlsa_rdata(2, 1, 1)};
        case HostKind::mixed:
            return {tlsa_rdata(1, 1, 1), tlsa_rdata(3, 1, 1), shorter(tlsa_rdata(3, 1, 2), 20), {3, 1}};
        case HostKind::pkix_only:
            return {tlsa_rdata(0, 0, 1), tlsa_rdata(1, 1, 1)};
        case HostKind::bad_length:
            return {shorter(tlsa_rdata(3, 1, 1), 34), shorter(tlsa_rdata(2, 0, 2), 35)};
        case HostKind::unknown_type:
            return {tlsa_rdata(3, 1, 3), tlsa_rdata(3, 1, 255)};
        case HostKind::short_rdata:
            return {{3, 1, 1}, {}};
        default:
            return {};
    }
}

HostState make_state(HostKind kind) {
    HostState out;
    out.why = "what the lookups said";
    if (kind == HostKind::no_address || kind == HostKind::address_error || kind == HostKind::address_bogus) {
        out.address = kind == HostKind::no_address ? AddressState::none : AddressState::failed;
        out.failure = kind == HostKind::address_bogus ? DnsStatus::bogus : DnsStatus::error;
        return out;
    }
    out.address = AddressState::found;
    out.addresses = {IpAddress::parse("192.0.2.1").value()};
    if (kind == HostKind::dane_denied) return out;
    if (kind == HostKind::tlsa_error || kind == HostKind::tlsa_bogus) {
        out.dane = DaneState::lookup_failed;
        out.failure = kind == HostKind::tlsa_bogus ? DnsStatus::bogus : DnsStatus::error;
        return out;
    }
    out.base_domain = kind == HostKind::ta_expanded ? name_of(Name::base) : host_name();
    out.tlsa = assess_tlsa(rdata_of(kind), {}).value();
    out.dane = out.tlsa.any_used() ? DaneState::usable : DaneState::unusable;
    return out;
}

StsState make_sts(StsKind kind) {
    switch (kind) {
        case StsKind::none:
            return sts_state(Sts::none);
        case StsKind::mode_none:
            return sts_state(Sts::mode_none);
        case StsKind::testing:
            return sts_state(Sts::testing);
        case StsKind::testing_unlisted:
            return sts_state(Sts::testing_unlisted);
        case StsKind::enforce:
            return sts_state(Sts::enforce);
        case StsKind::enforce_unlisted:
            return sts_state(Sts::enforce_unlisted);
        case StsKind::fetch_failed:
            return sts_state(Sts::fetch_failed);
        case StsKind::fetch_failed_cached:
            return sts_state(Sts::fetch_failed_cached);
        case StsKind::memory_unreadable:
            return sts_state(Sts::cache_failed);
        case StsKind::txt_failed:
            break;
    }
    StsState out = sts_state(Sts::none);
    out.txt = StsTxt::failed;
    out.why = "the TXT lookup timed out";
    return out;
}

/// One entry for each value of an enumeration, made once.
template <class Made, class Kind>
const Made& made_once(Kind kind, Made (*make)(Kind)) {
    static std::map<Kind, Made> made;
    const auto found = made.find(kind);
    return found != made.end() ? found->second : made.emplace(kind, make(kind)).first->second;
}

ChainOutcome outcome(ChainFault fault) {
    return fault == ChainFault::none ? chain_ok() : chain_bad(fault);
}

/// What verify_dane() finds: 3 x x looks at the key alone, 2 x x at dates and names too.
ChainOutcome judge_dane(const Shown& shown, const DaneRequirement& dane) {
    bool ta = false;
    for (const TlsaAssessment& a : dane.tlsa.records) {
        if (a.use != TlsaUse::used || !shown.tlsa) continue;
        if (a.record.usage == 3) return outcome(ChainFault::none);
        ta = true;
    }
    if (!ta) return outcome(ChainFault::no_match);
    if (!shown.in_date) return outcome(ChainFault::expired);
    const auto& names = dane.reference_names;
    const bool named = std::find(names.begin(), names.end(), name_of(shown.name)) != names.end();
    return outcome(named ? ChainFault::none : ChainFault::host_mismatch);
}

ChainOutcome judge_names(const Shown& shown, Issuer trusted, bool named) {
    if (shown.issuer != trusted) return outcome(ChainFault::not_trusted);
    if (!shown.in_date) return outcome(ChainFault::expired);
    return outcome(named ? ChainFault::none : ChainFault::host_mismatch);
}

ChainOutcome judge_rule(const Shown& shown, const RuleCheck& check) {
    if (shown.pinned && std::find(check.pins.begin(), check.pins.end(), pin()) != check.pins.end())
        return outcome(ChainFault::none);
    const bool named = std::any_of(check.names.begin(), check.names.end(), [&](const NamePattern& pattern) {
        return pattern.matches(name_of(shown.name));
    });
    return judge_names(shown, check.trusted ? Issuer::rule_ca : Issuer::web_pki, named);
}

std::vector<RuleCase> make_plain_rules() {
    const std::vector<NamePattern> match{{domain(partner_name), false}};
    const auto own_ca = std::make_shared<const TrustStore>(rule_ca());
    std::vector<RuleCase> out;
    const auto add = [&](std::string_view more, TlsLevel level) -> Rule& {
        RuleCase& made = out.emplace_back();
        made.label = fmt::format("{}{}", to_string(level), more);
        made.rule.tls = level;
        if (level != TlsLevel::automatic) made.rule.pattern = "example.org";
        return made.rule;
    };
    add("", TlsLevel::automatic);
    add("", TlsLevel::encrypt);
    add("", TlsLevel::authenticated);
    add("+match", TlsLevel::authenticated).match = match;
    Rule& vouched = add("+match+ca", TlsLevel::authenticated);
    vouched.match = match;
    vouched.trusted = own_ca;
    add("+match host", TlsLevel::authenticated).match = {{domain("example.org"), true}};
    out.back().matches_host = true;
    Rule& own = add("+match host+ca", TlsLevel::authenticated);
    own.match = {{host_name(), false}};
    own.trusted = own_ca;
    out.back().matches_host = true;
    add("", TlsLevel::dane_only);
    add("", TlsLevel::secure);
    add("+match", TlsLevel::secure).match = match;
    add("+ca", TlsLevel::secure).trusted = own_ca;
    add("+pins", TlsLevel::fingerprint).pins = {pin()};
    add("+ca", TlsLevel::fingerprint).trusted = own_ca;
    Rule& either = add("+pins+ca+match", TlsLevel::fingerprint);
    either.pins = {pin()};
    either.trusted = own_ca;
    either.match = match;
    add("", TlsLevel::may);
    add("", TlsLevel::none);
    return out;
}

std::vector<RuleCase> make_all_rules() {
    std::vector<RuleCase> out;
    for (const RuleCase& plain : plain_rules()) {
        for (unsigned bits = 0; bits < (plain.rule.weakens() ? 1U : 12U); ++bits) {
            RuleCase& made = out.emplace_back(plain);
            const auto set = [&](bool wanted, std::string_view word) {
                if (wanted) made.label += fmt::format(" {}", word);
                return wanted;
            };
            made.rule.both = set((bits & 1U) != 0, "both");
            made.rule.observe = set((bits & 2U) != 0, "observe");
            if (set(bits / 4 == 1, "min-1.2")) made.rule.min_tls = TlsVersion::tls1_2;
            if (set(bits / 4 == 2, "min-1.3")) made.rule.min_tls = TlsVersion::tls1_3;
        }
    }
    return out;
}

constexpr std::array certificates{
    Shown{"all in order", true, Issuer::web_pki, Name::host, true, true},
    Shown{"private key of the TLSA record", true, Issuer::nobody, Name::other},
    Shown{"private issuer of the TLSA record", true, Issuer::nobody, Name::host},
    Shown{"WebPKI for the host", false, Issuer::web_pki, Name::host},
    Shown{"WebPKI for the next hop, of the TLSA record", true, Issuer::web_pki, Name::next_hop},
    Shown{"WebPKI for the partner", false, Issuer::web_pki, Name::partner},
    Shown{"WebPKI for another", false, Issuer::web_pki, Name::other},
    Shown{"expired, of the TLSA record", true, Issuer::web_pki, Name::host, false},
    Shown{"expired", false, Issuer::web_pki, Name::host, false},
    Shown{"the rule's CA, for the host", false, Issuer::rule_ca, Name::host},
    Shown{"the rule's CA, for the next hop", false, Issuer::rule_ca, Name::next_hop},
    Shown{"the rule's CA, for the partner", false, Issuer::rule_ca, Name::partner},
    Shown{"pinned, nothing else", false, Issuer::nobody, Name::other, true, true},
    Shown{"private, for the expanded next hop, of the TLSA record", true, Issuer::nobody, Name::expanded},
    Shown{"private, for the expanded host, of the TLSA record", true, Issuer::nobody, Name::base},
    Shown{"nothing in order", false, Issuer::nobody, Name::other},
};

std::vector<Server> make_servers() {
    std::vector<Server> out{{.stage = TlsStage::not_reached},
                            {.stage = TlsStage::not_offered},
                            {.stage = TlsStage::refused, .reply = "454 4.7.0 TLS not available"},
                            {.stage = TlsStage::refused, .reply = "554 5.7.0 no"},
                            {.stage = TlsStage::injected},
                            {.stage = TlsStage::handshake_failed}};
    for (const Shown& shown : certificates)
        for (const bool tls1_3 : {true, false})
            for (const bool requiretls : {true, false})
                out.push_back({.stage = TlsStage::established,
                               .shown = &shown,
                               .tls1_3 = tls1_3,
                               .requiretls = requiretls});
    return out;
}

}  // namespace

const Domain& name_of(Name name) {
    static const std::array made{domain("mx.example.org"), domain(base_name),    domain("example.org"),
                                 domain("example.com"),    domain(partner_name), domain("other.example")};
    return made.at(static_cast<std::size_t>(name));
}

const MxSet& mx_of(const World& world) {
    static const auto made = [] {
        std::vector<MxSet> out;
        for (const MxKind kind : all_mx())
            for (const bool alias : {false, true}) out.push_back(make_mx(kind, alias));
        return out;
    }();
    return made.at(2 * static_cast<std::size_t>(world.mx) + (world.host == HostKind::ta_expanded ? 1 : 0));
}

const HostState& state_of(HostKind kind) {
    return made_once(kind, &make_state);
}

const StsState& sts_of(StsKind kind) {
    return made_once(kind, &make_sts);
}

HopInput input_of(const World& world) {
    return {.rule = &world.rule->rule,
            .mx = &mx_of(world),
            .host = &host_name(),
            .state = &state_of(world.host),
            .sts = &sts_of(world.sts),
            .message = world.message,
            .message_overrides_rules = world.message_overrides_rules};
}

TlsFacts facts_of(const HopDecision& decision, const Server& server) {
    TlsStage stage = server.stage;
    if (decision.tls_off && stage != TlsStage::not_reached) stage = TlsStage::not_asked;
    TlsFacts out = test::facts_of(stage);
    if (stage == TlsStage::refused) out.detail = server.reply;
    if (stage != TlsStage::established) return out;
    out.protocol = server.tls1_3 ? "TLSv1.3" : "TLSv1.2";
    out.requiretls = server.requiretls;
    for (const HopDecision* d : {&decision, decision.observed.get()}) {
        if (d == nullptr) continue;
        if (d->dane && !out.dane) out.dane = judge_dane(*server.shown, *d->dane);
        if (d->web_pki != Check::no && !out.web_pki)
            out.web_pki = judge_names(*server.shown, Issuer::web_pki, server.shown->name == Name::host);
        if (d->rule_check && !out.rule) out.rule = judge_rule(*server.shown, *d->rule_check);
    }
    return out;
}

const std::vector<MxKind>& all_mx() {
    static const std::vector<MxKind> made{MxKind::secure,          MxKind::insecure,
                                          MxKind::implicit_secure, MxKind::implicit_insecure,
                                          MxKind::route,           MxKind::secure_alias};
    return made;
}

const std::vector<HostKind>& all_hosts() {
    using H = HostKind;
    static const std::vector<H> made{H::no_address,
                                     H::address_error,
                                     H::address_bogus,
                                     H::dane_denied,
                                     H::tlsa_error,
                                     H::tlsa_bogus,
                                     H::ee,
                                     H::ta,
                                     H::ta_expanded,
                                     H::mixed,
                                     H::pkix_only,
                                     H::bad_length,
                                     H::unknown_type,
                                     H::short_rdata};
    return made;
}

const std::vector<StsKind>& all_sts() {
    using S = StsKind;
    static const std::vector<S> made{S::none,
                                     S::txt_failed,
                                     S::mode_none,
                                     S::testing,
                                     S::testing_unlisted,
                                     S::enforce,
                                     S::enforce_unlisted,
                                     S::fetch_failed,
                                     S::fetch_failed_cached,
                                     S::memory_unreadable};
    return made;
}

const std::vector<RuleCase>& plain_rules() {
    static const std::vector<RuleCase> made = make_plain_rules();
    return made;
}

const std::vector<RuleCase>& all_rules() {
    static const std::vector<RuleCase> made = make_all_rules();
    return made;
}

const std::vector<Server>& all_servers() {
    static const std::vector<Server> made = make_servers();
    return made;
}

std::string describe(const World& world) {
    constexpr std::array mx{"MX secure", "MX insecure",          "implicit MX secure", "implicit MX insecure",
                            "route",     "MX secure at an alias"};
    constexpr std::array host{"no address", "address error", "address bogus", "no TLSA",       "TLSA error",
                              "TLSA bogus", "3 1 1",         "2 1 1",         "2 1 1 at base", "mixed TLSA",
                              "usages 0 1", "bad lengths",   "unknown types", "short RDATA"};
    constexpr std::array sts{"no STS",
                             "STS TXT failed",
                             "STS none",
                             "STS testing",
                             "STS testing unlisted",
                             "STS enforce",
                             "STS enforce unlisted",
                             "STS fetch failed",
                             "STS cached enforce",
                             "STS memory unreadable"};
    return fmt::format("{} | {} | {} | {} | {}{}", mx.at(static_cast<std::size_t>(world.mx)),
                       host.at(static_cast<std::size_t>(world.host)),
                       sts.at(static_cast<std::size_t>(world.sts)), world.rule->label,
                       to_string(world.message), world.message_overrides_rules ? " over rules" : "");
}

std::string describe(const Server& server) {
    if (server.shown == nullptr) return fmt::format("{} {}", to_string(server.stage), server.reply);
    return fmt::format("{}, TLS 1.{}{}", server.shown->label, server.tls1_3 ? 3 : 2,
                       server.requiretls ? ", REQUIRETLS" : "");
}

}  // namespace sealpost::security::test::matrix
