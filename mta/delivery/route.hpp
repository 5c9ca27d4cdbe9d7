/// \file Route: what DNS and MTA-STS say of a destination, host by host.
///
/// Owns     the lookups of one delivery attempt; what they mean is decided in security/.
/// Source   RFC 5321 §5.1; RFC 7672 §2.2; RFC 8461 §3.4 (the next hop is the policy domain); the decision
///          order of security/hop.hpp.
#pragma once
#include <random>
#include <vector>

#include "config/settings.hpp"
#include "mta/resolver/resolver.hpp"
#include "mta/sts/sts_service.hpp"
#include "security/hop.hpp"
#include "security/rules.hpp"
#include "security/trace.hpp"

namespace sealpost {

struct RouteSettings {
    DeliverySettings delivery;
    DaneSettings dane;
    bool message_overrides_rules = false;
    std::vector<Domain> own_names;
};

class Route {
public:
    Route(resolver::Resolver& resolver, StsService& sts, const RouteSettings& settings,
          const security::RuleTable& rules, Domain domain, security::MessageTls message,
          security::StsUrgency urgency = security::StsUrgency::normal);

    /// MX set and MTA-STS state; the trace holds them afterwards.
    [[nodiscard]] Async<void> look_up(security::AttemptTrace& trace, std::mt19937& random);
    /// Addresses and TLSA records of one host, and the decision about it. The last element of `trace.hops` is
    /// this.
    [[nodiscard]] Async<security::HostState> look_up_host(security::AttemptTrace& trace,
                                                          security::MxHost host);

    [[nodiscard]] const security::Rule& rule() const { return rule_; }
    /// Of this host: the route's own, or delivery.port.
    [[nodiscard]] std::uint16_t port_of(const security::MxHost& host) const {
        return host.port != 0 ? host.port : settings_.delivery.port;
    }

private:
    [[nodiscard]] Async<void> look_up_hosts(security::AttemptTrace& trace, std::mt19937& random);

    resolver::Resolver& resolver_;
    StsService& sts_;
    const RouteSettings& settings_;
    const security::Rule& rule_;
    Domain domain_;
    security::MessageTls message_;
    security::StsUrgency urgency_;
};

}  // namespace sealpost
