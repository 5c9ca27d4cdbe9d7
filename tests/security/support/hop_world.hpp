/// \file The worlds of the hop matrix: everything that may be true of one MX host and of one session with it.
///
/// Owns     the dimensions, as words; what each of them means to the code (the inputs of decide_hop(), the
/// facts
///          that judge() is given); and the lists that the sweeps walk through.
/// Never    says what should come out: hop_oracle.hpp does. Built from real RDATA and real policy bodies, so
///          that "usable" and "listed" are the code's own findings and only named here.
#pragma once
#include <string>
#include <vector>

#include "hop_scene.hpp"

namespace sealpost::security::test::matrix {

enum class MxKind { secure, insecure, implicit_secure, implicit_insecure, route, secure_alias };

enum class HostKind {
    no_address,
    address_error,
    address_bogus,
    dane_denied,  ///< no TLSA record, or none that is secure
    tlsa_error,
    tlsa_bogus,
    ee,           ///< 3 1 1
    ta,           ///< 2 1 1
    ta_expanded,  ///< 2 1 1 at the name that the host is an alias of
    mixed,        ///< 3 1 1 beside records that say nothing usable
    pkix_only,    ///< 0 0 1 and 1 1 1
    bad_length,
    unknown_type,
    short_rdata
};

enum class StsKind {
    none,
    txt_failed,  ///< nothing cached
    mode_none,
    testing,
    testing_unlisted,
    enforce,
    enforce_unlisted,
    fetch_failed,  ///< nothing cached
    fetch_failed_cached,
    memory_unreadable
};

/// Whose name stands in a certificate.
enum class Name { host, base, next_hop, expanded, partner, other };
enum class Issuer { web_pki, rule_ca, nobody };

/// A certificate, as far as the three ways to judge one can tell.
struct Shown {
    std::string_view label;
    bool tlsa = false;  ///< its key, or its issuer's, stands in the TLSA records
    Issuer issuer = Issuer::nobody;
    Name name = Name::other;
    bool in_date = true;
    bool pinned = false;
};

struct Server {
    TlsStage stage = TlsStage::not_reached;
    std::string_view reply{};  ///< to STARTTLS, of `refused`
    const Shown* shown = nullptr;
    bool tls1_3 = true;
    bool requiretls = false;
};

struct RuleCase {
    std::string label;
    Rule rule;
    bool matches_host = false;  ///< its `match` covers the MX host; else only the partner's name
};

struct World {
    MxKind mx = MxKind::secure;
    HostKind host = HostKind::dane_denied;
    StsKind sts = StsKind::none;
    const RuleCase* rule = nullptr;
    MessageTls message = MessageTls::by_policy;
    bool message_overrides_rules = false;
};

inline constexpr std::string_view partner_name = "mx.partner.example";
inline constexpr std::string_view base_name = "mx.hosting.example";

[[nodiscard]] const Domain& name_of(Name name);
[[nodiscard]] inline const Domain& host_name() {
    return name_of(Name::host);
}

[[nodiscard]] const MxSet& mx_of(const World& world);
[[nodiscard]] const HostState& state_of(HostKind kind);
[[nodiscard]] const StsState& sts_of(StsKind kind);
[[nodiscard]] HopInput input_of(const World& world);
/// What Session learns from this server when it works for this decision: a certificate is judged only where
/// the decision asks for it, by the names and records of the decision.
[[nodiscard]] TlsFacts facts_of(const HopDecision& decision, const Server& server);

[[nodiscard]] const std::vector<MxKind>& all_mx();
[[nodiscard]] const std::vector<HostKind>& all_hosts();
[[nodiscard]] const std::vector<StsKind>& all_sts();
/// Every level, bare and with each list that goes with it; no further attributes.
[[nodiscard]] const std::vector<RuleCase>& plain_rules();
/// The same with every combination of min_tls, both and observe that the configuration allows.
[[nodiscard]] const std::vector<RuleCase>& all_rules();
[[nodiscard]] const std::vector<Server>& all_servers();

[[nodiscard]] std::string describe(const World& world);
[[nodiscard]] std::string describe(const Server& server);

}  // namespace sealpost::security::test::matrix
