#include "mta/admin/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <vector>

namespace sealpost::admin {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(const char* name, const char* help, MetricType type) {
    MetricFamily out;
    out.name = name;
    out.help = help;
    out.type = type;
    return out;
}

MetricFamily gauge(const char* name, const char* help, double value) {
    MetricFamily out = family(name, help, MetricType::Gauge);
    out.metric.emplace_back().gauge.value = value;
    return out;
}

MetricFamily counter(const char* name, const char* help, std::uint64_t value) {
    MetricFamily out = family(name, help, MetricType::Counter);
    out.metric.emplace_back().counter.value = static_cast<double>(value);
    return out;
}

/// One series for each state, of which one is 1: an alert needs no table of numbers.
MetricFamily self_test(security::SelfTestState now) {
    using enum security::SelfTestState;
    MetricFamily out =
        family("sealpost_resolver_self_test", "The resolver's self test, 1 at its state.", MetricType::Gauge);
    for (const security::SelfTestState state : {off, unknown, passed, failed}) {
        ClientMetric& metric = out.metric.emplace_back();
        metric.label = {{"state", std::string(security::to_string(state))}};
        metric.gauge.value = state == now ? 1 : 0;
    }
    return out;
}

}  // namespace

std::string metrics_text(const Metrics& metrics) {
    std::vector<MetricFamily> all{
        gauge("sealpost_queue_messages", "Messages in the queue.", static_cast<double>(metrics.messages)),
        gauge("sealpost_queue_recipients", "Recipients that wait.", static_cast<double>(metrics.recipients)),
        gauge("sealpost_storage_healthy", "1: mail can be stored.", metrics.storage_healthy ? 1 : 0)};
    if (const auto& r = metrics.resolver) {
        all.push_back(
            gauge("sealpost_resolver_running", "1: the resolver process runs.", r->running ? 1 : 0));
        all.push_back(
            counter("sealpost_resolver_questions_total", "Questions to the resolver.", r->questions));
        all.push_back(
            counter("sealpost_resolver_timeouts_total", "Questions past their deadline.", r->timeouts));
        all.push_back(
            counter("sealpost_resolver_restarts_total", "How often its process ended.", r->restarts));
        all.push_back(
            gauge("sealpost_resolver_pending", "Questions under way.", static_cast<double>(r->pending)));
        all.push_back(
            gauge("sealpost_resolver_held", "1: no answer is believed and mail waits.", r->held ? 1 : 0));
        all.push_back(self_test(r->self_test));
    }
    return prometheus::TextSerializer().Serialize(all);
}

}  // namespace sealpost::admin
