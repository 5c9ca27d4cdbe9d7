#include "mta/delivery/explanation.hpp"

#include <algorithm>

namespace sealpost {
namespace {

using security::AttemptTrace;
using security::HopTrace;

constexpr std::size_t max_hosts = 20;

void conclude_without_hosts(AttemptTrace& trace) {
    const security::NoHosts none = security::describe_no_hosts(*trace.mx);
    trace.outcome = none.permanent ? "would fail" : none.by_policy ? "would be held" : "would wait";
    trace.summary = none.text;
    trace.remedy = none.remedy;
    if (!none.remedy.empty()) trace.side = security::Side::theirs;
}

/// The first host that would be contacted tells how mail would go; without any, the last one why it waits.
void conclude(AttemptTrace& trace) {
    const auto first = std::find_if(trace.hops.begin(), trace.hops.end(),
                                    [](const HopTrace& hop) { return hop.decision->attempt; });
    const bool any = first != trace.hops.end();
    const HopTrace& hop = any ? *first : trace.hops.back();
    trace.outcome = any ? "would be tried" : "would be held";
    trace.summary = fmt::format("{}: {}", hop.host.name, hop.decision->explanation);
    trace.remedy = hop.decision->remedy;
    trace.side = hop.decision->side;
}

}  // namespace

Async<AttemptTrace> explain(ExplanationContext context, Domain domain, security::MessageTls message) {
    std::mt19937 random{std::random_device{}()};
    AttemptTrace trace(domain);
    Route route(*context.resolver, *context.sts, *context.route, *context.rules, std::move(domain), message);
    co_await route.look_up(trace, random);
    if (trace.mx->status != security::MxStatus::hosts) {
        conclude_without_hosts(trace);
        co_return trace;
    }
    // A copy: the trace grows while we walk.
    std::vector<security::MxHost> hosts = trace.mx->hosts;
    hosts.resize(std::min(hosts.size(), max_hosts), hosts.front());
    for (const security::MxHost& host : hosts) co_await route.look_up_host(trace, host);
    conclude(trace);
    co_return trace;
}

}  // namespace sealpost
