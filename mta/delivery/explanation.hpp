/// \file An explanation: everything that a delivery would ask and decide for a domain, without dialling.
///
/// Owns     the walk over all hosts; lookups and decisions are those of a delivery (route.hpp).
/// Errors   none: what cannot be had is in the trace, as it would be in that of a delivery.
/// Limits   hosts looked up; the trace says how many there are.
#pragma once
#include <memory>

#include "mta/delivery/route.hpp"

namespace sealpost {

struct ExplanationContext {
    resolver::Resolver* resolver = nullptr;
    StsService* sts = nullptr;
    const RouteSettings* route = nullptr;
    std::shared_ptr<const security::RuleTable> rules;
};

/// `outcome` of the trace: "would be tried", "would be held", "would wait", "would fail".
[[nodiscard]] Async<security::AttemptTrace> explain(ExplanationContext context, Domain domain,
                                                    security::MessageTls message);

}  // namespace sealpost
