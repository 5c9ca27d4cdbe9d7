#include "mta/admin/metrics.hpp"

#include <doctest/doctest.h>

namespace sealpost::admin {
namespace {

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

Metrics busy() {
    Metrics out{.messages = 3, .recipients = 5, .storage_healthy = true, .resolver = ResolverMetrics{}};
    out.resolver->running = true;
    out.resolver->questions = 1'234'567;
    out.resolver->timeouts = 2;
    out.resolver->restarts = 1;
    out.resolver->pending = 4;
    out.resolver->held = true;
    out.resolver->self_test = security::SelfTestState::failed;
    return out;
}

}  // namespace

TEST_SUITE("mta/admin/metrics") {
    TEST_CASE("every value stands on its line with its type") {
        const std::string text = metrics_text(busy());
        for (const char* line :
             {"sealpost_queue_messages 3", "sealpost_queue_recipients 5", "sealpost_storage_healthy 1",
              "sealpost_resolver_running 1", "sealpost_resolver_questions_total 1234567",
              "sealpost_resolver_timeouts_total 2", "sealpost_resolver_restarts_total 1",
              "sealpost_resolver_pending 4", "sealpost_resolver_held 1",
              "sealpost_resolver_self_test{state=\"failed\"} 1",
              "sealpost_resolver_self_test{state=\"passed\"} 0",
              "# TYPE sealpost_resolver_questions_total counter", "# TYPE sealpost_resolver_pending gauge"}) {
            CAPTURE(line);
            CHECK(has_line(text, line));
        }
    }

    TEST_CASE("what is broken is zero and not absent") {
        const std::string text = metrics_text(
            {.messages = 0, .recipients = 0, .storage_healthy = false, .resolver = ResolverMetrics{}});
        CHECK(has_line(text, "sealpost_storage_healthy 0"));
        CHECK(has_line(text, "sealpost_resolver_running 0"));
    }

    TEST_CASE("a daemon that does not answer in time leaves the resolver out") {
        Metrics metrics = busy();
        metrics.resolver.reset();
        const std::string text = metrics_text(metrics);
        CHECK(text.find("resolver") == std::string::npos);
        CHECK(has_line(text, "sealpost_queue_messages 3"));
    }
}

}  // namespace sealpost::admin
