#include "mta/delivery/route.hpp"

#include "mta/daemon/clock.hpp"
#include "security/freshness.hpp"

namespace sealpost {

using security::AttemptTrace;
using security::DnsAnswer;
using security::HopTrace;
using security::HostQuery;
using security::HostQuestion;
using security::HostState;

Route::Route(resolver::Resolver& resolver, StsService& sts, const RouteSettings& settings,
             const security::RuleTable& rules, Domain domain, security::MessageTls message,
             security::StsUrgency urgency)
    : resolver_(resolver),
      sts_(sts),
      settings_(settings),
      rule_(rules.find(domain, std::chrono::floor<std::chrono::days>(wall_clock()))),
      domain_(std::move(domain)),
      message_(message),
      urgency_(urgency) {}

Async<void> Route::look_up(AttemptTrace& trace, std::mt19937& random) {
    trace.rule = rule_.describe();
    trace.rule_level = to_string(rule_.tls);
    trace.rule_observes = rule_.observe;
    trace.message_tls = message_;
    for (const NextHop& hop : rule_.route) trace.route.push_back(hop.str());
    if (!rule_.route.empty() && !rule_.route.front().mx)
        trace.mx = security::mx_set_of_route(rule_.route);
    else
        co_await look_up_hosts(trace, random);
    if (trace.mx->status == security::MxStatus::hosts)
        trace.sts = co_await sts_.lookup(trace.mx->domain, urgency_);
}

Async<void> Route::look_up_hosts(AttemptTrace& trace, std::mt19937& random) {
    const Domain next_hop = rule_.route.empty() ? domain_ : rule_.route.front().name;
    resolver::Question question{next_hop.str(), security::RrType::mx};
    DnsAnswer answer = co_await resolver_.resolve(std::move(question));
    const security::MxLimits limits{.max_hosts = settings_.delivery.max_mx_hosts};
    security::MxSet set = security::build_mx_set(next_hop, answer, settings_.own_names, limits);
    security::shuffle_equal_preference(set.hosts, random);
    if (!rule_.route.empty())
        for (security::MxHost& host : set.hosts) host.port = rule_.route.front().port;
    trace.mx_answer = std::move(answer);
    trace.mx = std::move(set);
}

Async<HostState> Route::look_up_host(AttemptTrace& trace, security::MxHost host) {
    const bool secure = trace.mx->security == security::DnsStatus::secure;
    const bool insecure_mx = rule_.insecure_mx.value_or(settings_.dane.insecure_mx);
    const HostQuery query{.host = host.name,
                          .port = port_of(host),
                          .ipv4 = settings_.delivery.ipv4,
                          .ipv6 = settings_.delivery.ipv6,
                          .dane = settings_.dane.enabled && (secure || insecure_mx)};
    HopTrace hop{.host = std::move(host), .answers = {}, .tlsa = {}, .decision = {}, .sessions = {}};
    for (;;) {
        const std::vector<HostQuestion> questions = security::next_questions(query, hop.answers);
        if (questions.empty()) break;
        for (const HostQuestion& asked : questions) {
            resolver::Question question{asked.name, asked.type};
            DnsAnswer answer = co_await resolver_.resolve(std::move(question));
            security::add_answer(query, hop.answers, std::move(answer));
        }
    }
    security::TlsaLimits limits;
    limits.max_records = settings_.dane.max_tlsa_records;
    HostState state = security::conclude_host(query, hop.answers, limits);
    const security::HopInput input{.rule = &rule_,
                                   .mx = &*trace.mx,
                                   .host = &hop.host.name,
                                   .state = &state,
                                   .sts = &*trace.sts,
                                   .port = query.port,
                                   .message = message_,
                                   .message_overrides_rules = settings_.message_overrides_rules};
    hop.tlsa = state.tlsa;
    hop.decision = security::decide_hop(input);
    hop.decision->fresh_for = security::fresh_for(trace.mx_answer, hop.answers, *trace.sts, wall_clock());
    trace.hops.push_back(std::move(hop));
    co_return state;
}

}  // namespace sealpost
