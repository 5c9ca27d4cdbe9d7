/// \file The hop decision: what one MX host must offer before this message may go there.
///
/// Owns     the order DANE, MTA-STS, local rule, the message's own wish, and "the strongest wins". Every
/// other
///          place prints what is decided here: explain, logs, DSN, reports, pages.
/// Shape    skip (with the reason and what to report) or attempt (with the requirement).
/// Never    looks anything up; an input that is missing fails closed.
/// Source   RFC 7672 §2.2, §3.2.2, §6, §8.1; RFC 8461 §2, §5; RFC 8689 §4.2; the table of rules in README;
///          conformance COMB, REQTLS, AMB-01, AMB-02, AMB-31, AMB-32.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "security/host_lookup.hpp"
#include "security/message_tls.hpp"
#include "security/mx.hpp"
#include "security/rule_check.hpp"
#include "security/rules.hpp"
#include "security/sts_discovery.hpp"
#include "security/tls_result.hpp"

namespace sealpost::security {

enum class HopReason {
    // skipped
    no_address,
    address_lookup_failed,
    tlsa_lookup_failed,
    dane_required,           ///< the rule demands DANE, and this host cannot have it
    sts_mx_mismatch,         ///< not in the enforced MTA-STS policy
    policy_unknown,          ///< our memory of MTA-STS policies cannot be read
    not_authenticable,       ///< the rule demands authentication, and nothing says whom to trust
    requiretls_not_vouched,  ///< REQUIRETLS, and neither DNSSEC nor MTA-STS vouches for the host name
    // attempted
    dane,                ///< authenticate by TLSA records
    dane_unusable,       ///< TLS by TLSA records that say nothing usable
    sts_enforce,         ///< authenticate by WebPKI, as MTA-STS demands
    rule_authenticated,  ///< authenticate by WebPKI, as the rule demands
    rule_secure,         ///< a certificate for a name that the rule lists
    rule_fingerprint,    ///< a key that the rule pins, or a certificate of its own CA
    rule_encrypt,        ///< TLS, as the rule demands
    requiretls,          ///< authenticate by WebPKI, as the message demands
    opportunistic,       ///< TLS where it is offered
    rule_may,            ///< the same, though more is published: the rule weakens
    rule_none,           ///< no TLS at all: the rule weakens
    tls_not_required     ///< as opportunistic, though more is published: the message says so
};

/// Whose side must act for it to get better.
enum class Side { nobody, ours, theirs };

struct DaneRequirement {
    Domain base_domain;
    TlsaSet tlsa;
    std::vector<Domain> reference_names;  ///< for DANE-TA(2) [DANE-64..68]
};

/// How far a check of the certificate decides.
enum class Check {
    no,
    observe,  ///< judged and reported, but no reason to withhold mail: testing mode, or another policy
              ///< decides
    require
};

/// What a message that requires TLS (RFC 8689) cannot get at this host, as things stand and not by mishap.
enum class Lack {
    none,
    tls,        ///< authenticated TLS with a host that is vouched for: 5.7.10
    requiretls  ///< the server does not offer REQUIRETLS: 5.7.30
};

struct HopDecision {
    bool attempt = false;
    HopReason reason = HopReason::no_address;
    bool tls_required = true;
    bool tls_off = false;                 ///< STARTTLS is not even asked for (`none`)
    std::optional<DaneRequirement> dane;  ///< the records to judge by
    Check dane_check = Check::no;         ///< `require`: a match of these records, or no mail
    Check web_pki = Check::no;            ///< WebPKI for the MX host's own name
    std::optional<RuleCheck> rule_check;  ///< set: required, beside the others
    std::optional<TlsVersion> min_tls;    ///< no session below it counts as TLS
    bool requiretls = false;              ///< the server must offer REQUIRETLS after TLS [REQTLS-11]
    std::string sni;                      ///< of an attempt
    bool mx_secure = false;
    std::vector<AppliedPolicy> policies;  ///< that this host is measured against; reported for each
    std::string tlsa_failure;  ///< of an attempt: the TLSA lookup failed, and nothing is held for it
    bool sts_listed = true;    ///< false: an applied MTA-STS policy does not name this host
    Lack lack = Lack::none;    ///< of a skipped host, and a message that requires TLS
    Side side = Side::nobody;
    std::string explanation;                ///< one sentence
    std::string remedy;                     ///< one sentence; empty: nothing to do
    std::vector<std::string> not_stronger;  ///< why nothing stronger than this was demanded
    std::vector<TlsResult> results;         ///< of a skipped host: there will be no session to report on
    /// What the rule would have decided, had it not been told to observe; judged beside this, holds nothing.
    std::shared_ptr<const HopDecision> observed;
    /// How long all that it rests on stays true; a TLS session may not be resumed beyond it.
    std::chrono::seconds fresh_for{0};
};

struct HopInput {
    const Rule* rule = nullptr;
    const MxSet* mx = nullptr;
    const Domain* host = nullptr;
    const HostState* state = nullptr;
    const StsState* sts = nullptr;
    std::uint16_t port = 25;
    MessageTls message = MessageTls::by_policy;
    /// Whether "TLS-Required: No" overrides the operator's rules too (tls.message_overrides_rules)
    /// [REQTLS-23].
    bool message_overrides_rules = false;
};

[[nodiscard]] HopDecision decide_hop(const HopInput& input);

/// What is reported when no host could even be chosen, because the MX answer failed validation [AMB-21].
[[nodiscard]] std::vector<TlsResult> results_of_failed_mx(const MxSet& mx);
/// What is reported for a policy that should be there and could not be had; once for each delivery attempt.
[[nodiscard]] std::vector<TlsResult> results_of_sts_failure(const Domain& domain, const StsState& sts);

[[nodiscard]] AppliedPolicy applied_sts(const Domain& domain, const StsPolicy& policy);
/// `host`: stands for the base domain where there is none.
[[nodiscard]] AppliedPolicy applied_tlsa(const HostState& state, const Domain& host);

[[nodiscard]] std::string_view to_string(HopReason reason);  ///< "tlsa-lookup-failed", ...
[[nodiscard]] std::string_view to_string(Side side);
[[nodiscard]] std::string_view to_string(Check check);
[[nodiscard]] std::string_view to_string(Lack lack);  ///< "none", "tls", "requiretls"

}  // namespace sealpost::security
