/// \file The MX set of a domain: which hosts, in which order, and how sure that is.
///
/// Shape    hosts in ascending preference, each name once (its best preference), at most `max_hosts`.
/// Never    looks anything up, draws a random number itself.
/// Source   RFC 5321 §5.1; RFC 7505 (null MX); RFC 7672 §2.2.1; AMB-33.
#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "config/next_hop.hpp"
#include "security/dns_answer.hpp"

namespace sealpost::security {

struct MxHost {
    Domain name;
    std::uint16_t preference = 0;
    std::uint16_t port = 0;  ///< of a configured route; 0: delivery.port
    bool operator==(const MxHost&) const = default;
};

enum class MxStatus {
    hosts,           ///< there is at least one host to try
    null_mx,         ///< the domain takes no mail (RFC 7505): permanent
    no_such_domain,  ///< NXDOMAIN: permanent
    loops_back,      ///< we are the best host ourselves: permanent
    no_usable_host,  ///< only records that name no host
    failed           ///< the answer could not be had: wait
};

struct MxSet {
    MxStatus status = MxStatus::failed;
    /// secure or insecure; of `failed` the state that stopped us.
    DnsStatus security = DnsStatus::error;
    bool implicit = false;    ///< no MX record: the domain itself is the host
    bool configured = false;  ///< the operator's own list of hosts, trusted as if it were secure
    Domain domain;            ///< as addressed
    Domain expanded;          ///< after CNAMEs; equals `domain` without
    std::vector<MxHost> hosts;
    bool cut = false;                ///< there are more hosts than are considered
    std::vector<std::string> notes;  ///< what was left out, and why
    std::string why;                 ///< of `failed`: the resolver's words
};

struct MxLimits {
    std::size_t max_hosts = 100;
};

[[nodiscard]] MxSet build_mx_set(const Domain& domain, const DnsAnswer& answer,
                                 const std::vector<Domain>& own_names, const MxLimits& limits);

/// The same for domains that share their best hosts: for limits alone, never for policy. Empty without hosts.
[[nodiscard]] std::string name_of_mx_set(const MxSet& set);

/// What becomes of mail for a set that names no host to try.
struct NoHosts {
    bool permanent = false;
    std::string enhanced;  ///< RFC 3463
    std::string text;
    std::string remedy;
    bool by_policy = false;  ///< the answer does not validate: that is policy, not weather
};
/// `set.status` is anything but `hosts`.
[[nodiscard]] NoHosts describe_no_hosts(const MxSet& set);

/// The hosts of a route in brackets, in its order. What the operator writes is as good as a signed MX record;
/// the first host is the policy domain (RFC 8461 §3.4: the next hop's, not the recipient's) [STS-77].
[[nodiscard]] MxSet mx_set_of_route(const std::vector<NextHop>& route);

/// Randomizes hosts of equal preference (RFC 5321 §5.1); nothing else changes the order [DANE-11 DANE-12].
void shuffle_equal_preference(std::vector<MxHost>& hosts, std::mt19937& random);

[[nodiscard]] std::string_view to_string(MxStatus status);

}  // namespace sealpost::security
