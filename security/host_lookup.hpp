/// \file Which lookups an MX host needs, one after the other, and what they say together.
///
/// Owns     the order (addresses, then CNAME where it matters, then TLSA) and the choice of the TLSA base
/// domain. Use      ask next_questions(), put the answers in, until it returns none; then conclude_host().
/// Never    asks anything itself; so the order of the questions is tested without a network.
/// Source   RFC 7672 §2.1.2, §2.1.3, §2.2.2, §2.2.3; RFC 7671 §7; AMB-05.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "config/ip.hpp"
#include "security/dns_answer.hpp"
#include "security/tlsa.hpp"

namespace sealpost::security {

struct HostQuery {
    Domain host;
    std::uint16_t port = 25;
    bool ipv4 = true;
    bool ipv6 = true;
    bool dane = true;  ///< false: switched off, or an insecure MX set where that rules DANE out
};

struct TlsaLookup {
    Domain base_domain;
    DnsAnswer answer;
};

struct HostAnswers {
    std::optional<DnsAnswer> a;
    std::optional<DnsAnswer> aaaa;
    std::optional<DnsAnswer> cname;
    std::vector<TlsaLookup> tlsa;
};

struct HostQuestion {
    std::string name;
    RrType type = RrType::a;
    bool operator==(const HostQuestion&) const = default;
};

/// Questions that may be asked at once; empty: conclude.
[[nodiscard]] std::vector<HostQuestion> next_questions(const HostQuery& query, const HostAnswers& answers);
/// Stores an answer to one of next_questions().
void add_answer(const HostQuery& query, HostAnswers& answers, DnsAnswer answer);

enum class AddressState {
    found,
    none,   ///< denied: there is no such address
    failed  ///< could not be had
};
enum class DaneState {
    not_applicable,  ///< no secure TLSA record: `why` says at which step
    lookup_failed,   ///< may hide an attack: the host must not be contacted
    unusable,        ///< secure records, none usable: TLS without authentication
    usable           ///< TLS with authentication by these records
};

struct HostState {
    AddressState address = AddressState::failed;
    std::vector<IpAddress> addresses;
    DaneState dane = DaneState::not_applicable;
    std::optional<Domain> base_domain;  ///< of `unusable` and `usable`
    TlsaSet tlsa;
    DnsStatus failure = DnsStatus::error;  ///< of a failed address or TLSA lookup: what stopped it
    std::string why;                       ///< why DANE does not apply, or what failed; a sentence
};

[[nodiscard]] HostState conclude_host(const HostQuery& query, const HostAnswers& answers,
                                      const TlsaLimits& limits);

/// "_25._tcp.mx.example.org" [DANE-27].
[[nodiscard]] std::string tlsa_owner(const Domain& base_domain, std::uint16_t port);

[[nodiscard]] std::string_view to_string(DaneState state);
[[nodiscard]] std::string_view to_string(AddressState state);

}  // namespace sealpost::security
