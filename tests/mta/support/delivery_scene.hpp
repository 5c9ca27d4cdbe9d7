/// \file A destination with its zone, servers and rules, and one message that is delivered to it.
#pragma once
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "mta/delivery/deliverer.hpp"
#include "tests/mta/support/scripted_server.hpp"
#include "tests/mta/support/stand_in_resolver.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost::test {

/// Self-signed and in date today.
[[nodiscard]] std::shared_ptr<security::test::Certificate> certificate_for(const std::string& host);

struct Scene {
    Scene() {
        route.delivery.ipv6 = false;
        message.envelope.body = queue::BodyType::seven_bit;
    }

    /// All servers share the port of the first.
    ScriptedServer& server(const std::string& address, Script script);
    /// example.net with two MX hosts at 127.0.0.2 and 127.0.0.3.
    void two_hosts();
    /// As often as one likes; what TLS sessions were kept stays between.
    [[nodiscard]] DeliveryReport deliver(const std::vector<std::string>& recipients = {"a@example.net"});

    /// One after the other, each over what the one before left open, as `reuse` allows.
    [[nodiscard]] std::vector<DeliveryReport> deliver_in_a_row(unsigned count,
                                                               const std::vector<std::string>& recipients = {
                                                                   "a@example.net"});

    ReuseLimits reuse;
    std::string notify;  ///< of every recipient
    /// Changes what is different from the second delivery on.
    std::function<void(DelivererContext&, unsigned)> before_next;
    queue::test::TempDirectory directory;
    Zone zone;
    bool with_resolver = true;
    std::string domain = "example.net";
    RouteSettings route;
    std::vector<RuleSettings> rules;
    std::vector<std::unique_ptr<ScriptedServer>> servers;
    TlsSessionCache sessions{10};
    std::shared_ptr<BodySource> body;  ///< in place of the message's own
    Millis session_lifetime = std::chrono::hours(1);
    std::mt19937 random{1};  // NOLINT: the same order of hosts in every run
    queue::Delivery delivery{.message = queue::test::id_of(1), .domain = {}, .recipients = {}};
    queue::StoredMessage message{.id = queue::test::id_of(1),
                                 .envelope = queue::test::message(1, {"a@example.net"}).envelope,
                                 .body = "Subject: hello\r\n\r\n.dot\r\n"};
};

}  // namespace sealpost::test
