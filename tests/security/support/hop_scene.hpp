/// \file One MX host mx.example.org of example.org with everything that decides about it, to be turned knob
/// by knob.
#pragma once
#include <string>
#include <vector>

#include "answers.hpp"
#include "security/hop.hpp"
#include "security/verdict.hpp"

namespace sealpost::security::test {

enum class Sts {
    none,
    mode_none,
    testing,
    testing_unlisted,
    enforce,
    enforce_unlisted,
    fetch_failed,         ///< nothing cached
    fetch_failed_cached,  ///< an enforced policy is cached and lists the host
    cache_failed          ///< our own memory cannot be read
};

inline StsState sts_state(Sts kind) {
    StsState out;
    out.why = "there is no MTA-STS record";
    if (kind == Sts::none) return out;
    if (kind == Sts::cache_failed) {
        out.cache_failed = true;
        out.why = "the database cannot be read";
        return out;
    }
    out.txt = StsTxt::found;
    if (kind == Sts::fetch_failed || kind == Sts::fetch_failed_cached) {
        out.failure = StsFetchFailure{ResultType::sts_webpki_invalid, "certificate expired"};
        out.why = "the policy could not be fetched";
    }
    if (kind == Sts::fetch_failed) return out;
    const bool testing = kind == Sts::testing || kind == Sts::testing_unlisted;
    const bool unlisted = kind == Sts::testing_unlisted || kind == Sts::enforce_unlisted;
    out.origin = kind == Sts::fetch_failed_cached ? StsOrigin::cached : StsOrigin::fetched;
    out.id = "1";
    out.policy = parse_sts_policy(fmt::format("version: STSv1\nmode: {}\nmx: {}\nmax_age: 86400\n",
                                              kind == Sts::mode_none ? "none"
                                              : testing              ? "testing"
                                                                     : "enforce",
                                              unlisted ? "*.example.net" : "*.example.org"))
                     .value();
    return out;
}

struct HopScene {
    Rule rule;
    Domain host = domain("mx.example.org");
    MxSet mx{.status = MxStatus::hosts,
             .security = DnsStatus::secure,
             .domain = domain("example.org"),
             .expanded = domain("example.org"),
             .hosts = {{domain("mx.example.org"), 10, 0}},
             .cut = false,
             .notes = {},
             .why = {}};
    HostState state;
    StsState sts = sts_state(Sts::none);
    MessageTls message = MessageTls::by_policy;
    bool message_overrides_rules = false;

    explicit HopScene(TlsLevel level = TlsLevel::automatic, DnsStatus mx_security = DnsStatus::secure,
                      DaneState dane = DaneState::not_applicable, Sts sts_kind = Sts::none) {
        rule.tls = level;
        if (level != TlsLevel::automatic) rule.pattern = "example.org";
        mx.security = mx_security;
        state.address = AddressState::found;
        state.addresses = {IpAddress::parse("192.0.2.1").value()};
        sts = sts_state(sts_kind);
        set_dane(dane);
    }
    void set_dane(DaneState dane) {
        state.dane = dane;
        state.why = "what the lookups said";
        if (dane != DaneState::usable && dane != DaneState::unusable) return;
        state.base_domain = host;
        const std::uint8_t usage = dane == DaneState::usable ? 3 : 1;
        state.tlsa = assess_tlsa({tlsa_rdata(usage, 1, 1)}, {}).value();
    }
    void set_match(std::string_view name) { rule.match = {{domain(name), false}}; }
    [[nodiscard]] HopDecision decide() const {
        return decide_hop({.rule = &rule,
                           .mx = &mx,
                           .host = &host,
                           .state = &state,
                           .sts = &sts,
                           .message = message,
                           .message_overrides_rules = message_overrides_rules});
    }
    [[nodiscard]] Verdict judge(const TlsFacts& facts) const {
        return security::judge(decide(), facts, host, mx.domain);
    }
};

inline ChainOutcome chain_ok() {
    ChainOutcome out;
    out.ok = true;
    out.fault = ChainFault::none;
    out.matched = "mx.example.org";
    return out;
}

inline ChainOutcome chain_bad(ChainFault fault) {
    ChainOutcome out;
    out.fault = fault;
    out.detail = "words of OpenSSL";
    return out;
}

inline TlsFacts facts_of(TlsStage stage) {
    TlsFacts out;
    out.stage = stage;
    out.detail = stage == TlsStage::refused ? "454 4.7.0 TLS not available" : "words of TLS";
    out.local_ip = "198.51.100.7";
    out.remote_ip = "192.0.2.1";
    out.helo = "mx.provider.example";
    return out;
}

/// "tlsa mx.example.org success, sts example.org certificate-expired"
inline std::string results_text(const std::vector<TlsResult>& results) {
    std::string out;
    for (const TlsResult& r : results) {
        out += fmt::format("{}{} {} {}", out.empty() ? "" : ", ", to_string(r.policy.type), r.policy.domain,
                           r.session_success ? "success" : "");
        for (const TlsFailure& f : r.failures) out += to_string(f.type);
    }
    return out;
}

}  // namespace sealpost::security::test
