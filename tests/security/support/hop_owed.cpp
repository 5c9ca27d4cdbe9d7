// What each applied policy is owed in the daily report (RFC 8460 §4).
#include "hop_oracle.hpp"
#include "hop_truth.hpp"

namespace sealpost::security::test::matrix {
namespace {

constexpr std::uint32_t bit(ResultType type) {
    return 1U << static_cast<unsigned>(type);
}

struct Owed {
    PolicyType policy = PolicyType::no_policy_found;
    bool must = false;  ///< else it may be missing
    bool success = false;
    std::uint32_t needed = 0;   ///< result types
    std::uint32_t allowed = 0;  ///< beside them
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
    out.domain = mx_of(w).domain.str();
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
        if (r.policy != policy_of(w, o->policy) || r.policy_domain_of_recipient != mx_of(w).domain.str())
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
    // Without TLS both types are true of it; one of them will do.
    if (unusable(world))
        owed.push_back({PolicyType::tlsa, true, false, shown ? bit(ResultType::tlsa_invalid) : by_stage,
                        bit(ResultType::tlsa_invalid)});
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
        // RPT-72; a set that is there and says nothing usable is also RPT-70, one over an insecure MX
        // neither.
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
