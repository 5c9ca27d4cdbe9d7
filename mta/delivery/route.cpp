#include "mta/delivery/route.hpp"

namespace sealpost {

using security::AttemptTrace;
using security::DnsAnswer;
using security::HopTrace;
using security::HostQuery;
using security::HostQuestion;
using security::HostState;

Route::Route(resolver::Resolver& resolver, StsService& sts, const RouteSettings& settings,
             const security::RuleTable& rules, Domain domain)
    : resolver_(resolver),
      sts_(sts),
      settings_(settings),
      rule_(rules.find(domain)),
      domain_(std::move(domain)) {}

Async<void> Route::look_up(AttemptTrace& trace, std::mt19937& random) {
    trace.rule = rule_.describe();
    trace.rule_level = to_string(rule_.tls);
    resolver::Question question{domain_.str(), security::RrType::mx};
    DnsAnswer answer = co_await resolver_.resolve(std::move(question));
    const security::MxLimits limits{.max_hosts = settings_.delivery.max_mx_hosts};
    security::MxSet set = security::build_mx_set(domain_, answer, settings_.own_names, limits);
    security::shuffle_equal_preference(set.hosts, random);
    const bool go_on = set.status == security::MxStatus::hosts;
    trace.mx_answer = std::move(answer);
    trace.mx = std::move(set);
    if (!go_on) co_return;
    trace.sts = co_await sts_.lookup(domain_);
}

Async<HostState> Route::look_up_host(AttemptTrace& trace, security::MxHost host) {
    const bool secure = trace.mx->security == security::DnsStatus::secure;
    const HostQuery query{.host = host.name,
                          .port = settings_.delivery.port,
                          .ipv4 = settings_.delivery.ipv4,
                          .ipv6 = settings_.delivery.ipv6,
                          .dane = settings_.dane.enabled && (secure || settings_.dane.insecure_mx)};
    HopTrace hop{.host = std::move(host), .answers = {}, .decision = {}, .sessions = {}};
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
                                   .port = settings_.delivery.port};
    hop.decision = security::decide_hop(input);
    trace.hops.push_back(std::move(hop));
    co_return state;
}

}  // namespace sealpost
