/// \file The hop decision: what one MX host must offer before this message may go there.
///
/// Owns     the order DANE, MTA-STS, local rule, and "the strongest wins". Every other place prints what is
/// decided
///          here: explain, logs, DSN, reports, pages.
/// Shape    skip (with the reason and what to report) or attempt (with the requirement).
/// Never    looks anything up; an input that is missing fails closed.
/// Source   RFC 7672 §2.2, §3.2.2, §6, §8.1; RFC 8461 §2, §5; DESIGN's rules table; AMB-01, AMB-02.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "security/host_lookup.hpp"
#include "security/mx.hpp"
#include "security/rules.hpp"
#include "security/sts_discovery.hpp"
#include "security/tls_result.hpp"

namespace sealpost::security {

enum class HopReason {
    // skipped
    no_address,
    address_lookup_failed,
    tlsa_lookup_failed,
    dane_required,      ///< the rule demands DANE, and this host cannot have it
    sts_mx_mismatch,    ///< not in the enforced MTA-STS policy
    policy_unknown,     ///< our memory of MTA-STS policies cannot be read
    not_authenticable,  ///< the rule demands authentication, and nothing says whom to trust
    // attempted
    dane,                ///< authenticate by TLSA records
    dane_unusable,       ///< TLS by TLSA records that say nothing usable
    sts_enforce,         ///< authenticate by WebPKI, as MTA-STS demands
    rule_authenticated,  ///< authenticate by WebPKI, as the rule demands
    rule_encrypt,        ///< TLS, as the rule demands
    opportunistic        ///< TLS where it is offered
};

/// Whose side must act for it to get better.
enum class Side { nobody, ours, theirs };

struct DaneRequirement {
    Domain base_domain;
    TlsaSet tlsa;
    std::vector<Domain> reference_names;  ///< for DANE-TA(2) [DANE-64..68]
};

/// How far WebPKI is asked about the MX host's own name.
enum class WebPki {
    no,
    observe,  ///< judged and reported, but no reason to withhold mail: testing mode, or DANE decides
    require
};

struct HopDecision {
    bool attempt = false;
    HopReason reason = HopReason::no_address;
    bool tls_required = true;
    std::optional<DaneRequirement> dane;  ///< set: authentication by these records is required
    WebPki web_pki = WebPki::no;
    std::string sni;  ///< of an attempt
    bool mx_secure = false;
    std::vector<AppliedPolicy> policies;  ///< that this host is measured against; reported for each
    bool sts_listed = true;               ///< false: an applied MTA-STS policy does not name this host
    Side side = Side::nobody;
    std::string explanation;                ///< one sentence
    std::string remedy;                     ///< one sentence; empty: nothing to do
    std::vector<std::string> not_stronger;  ///< why nothing stronger than this was demanded
    std::vector<TlsResult> results;         ///< of a skipped host: there will be no session to report on
};

struct HopInput {
    const Rule* rule = nullptr;
    const MxSet* mx = nullptr;
    const Domain* host = nullptr;
    const HostState* state = nullptr;
    const StsState* sts = nullptr;
    std::uint16_t port = 25;
};

[[nodiscard]] HopDecision decide_hop(const HopInput& input);

/// What is reported when no host could even be chosen, because the MX answer failed validation [AMB-21].
[[nodiscard]] std::vector<TlsResult> results_of_failed_mx(const MxSet& mx);
/// What is reported for a policy that should be there and could not be had; once for each delivery attempt.
[[nodiscard]] std::vector<TlsResult> results_of_sts_failure(const Domain& domain, const StsState& sts);

[[nodiscard]] AppliedPolicy applied_sts(const Domain& domain, const StsPolicy& policy);

[[nodiscard]] std::string_view to_string(HopReason reason);  ///< "tlsa-lookup-failed", ...
[[nodiscard]] std::string_view to_string(Side side);
[[nodiscard]] std::string_view to_string(WebPki web_pki);

}  // namespace sealpost::security
