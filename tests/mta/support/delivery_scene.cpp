#include "tests/mta/support/delivery_scene.hpp"

#include <optional>

#include "mta/net/task_group.hpp"
#include "tests/mta/run_async.hpp"

namespace sealpost::test {
namespace {

namespace certs = security::test;

const certs::Certificate& authority() {
    static const certs::Certificate made = certs::issue({.common_name = "CA", .ca = true});
    return made;
}

Async<std::optional<DeliveryReport>> run(Deliverer& deliverer, std::mt19937& random,
                                         std::unique_ptr<KeptSession> kept) {
    DeliveryReport report = co_await deliverer.run(random, std::move(kept));
    co_return std::optional<DeliveryReport>(std::move(report));
}

Async<void> quit(KeptSession& session) {
    co_await session.smtp->quit();
}

}  // namespace

std::shared_ptr<certs::Certificate> certificate_for(const std::string& host) {
    const std::time_t now = std::time(nullptr);
    const long days = static_cast<long>((now - certs::verification_time) / 86400);
    certs::CertificateOrder order{.common_name = host, .dns = {host}};
    order.begins = days - 10;
    order.ends = days + 10;
    return std::make_shared<certs::Certificate>(certs::issue(order));
}

ScriptedServer& Scene::server(const std::string& address, Script script) {
    const std::uint16_t port = servers.empty() ? std::uint16_t{0} : servers.front()->port();
    servers.push_back(std::make_unique<ScriptedServer>(address, port, std::move(script)));
    route.delivery.port = servers.front()->port();
    return *servers.back();
}

void Scene::two_hosts() {
    zone.mx("example.net", {"mx1.example.net", "mx2.example.net"});
    zone.a("mx1.example.net", "127.0.0.2");
    zone.a("mx2.example.net", "127.0.0.3");
}

DeliveryReport Scene::deliver(const std::vector<std::string>& recipients) {
    std::vector<DeliveryReport> reports = deliver_in_a_row(1, recipients);
    return std::move(reports.front());
}

std::vector<DeliveryReport> Scene::deliver_in_a_row(unsigned count,
                                                    const std::vector<std::string>& recipients) {
    asio::io_context io{1};
    TaskGroup tasks{io.get_executor(), [](std::string_view what) { FAIL_CHECK(std::string(what)); }};
    delivery.domain = domain;
    delivery.recipients.clear();
    for (const std::string& address : recipients) {
        queue::DueRecipient due{.id = {message.id, static_cast<std::uint32_t>(delivery.recipients.size())},
                                .recipient = {}};
        due.recipient.address = address;
        due.recipient.domain = domain;
        due.recipient.notify = notify;
        delivery.recipients.push_back(std::move(due));
    }
    resolver::Resolver resolver(io.get_executor(), tasks, zone.config());
    if (with_resolver) resolver.start();
    TlsClient tls = TlsClient::create({}).value();
    const security::TrustStore trusted = certs::store_of({authority()});
    StoreThread store(queue::test::open_store(directory), queue::test::options_for(directory.path()));
    StsSettings off;
    off.enabled = false;
    PolicyFetcher fetcher(resolver, off, tls, trusted);
    StsService sts(io.get_executor(), tasks, resolver, store, off, std::move(fetcher));
    DelivererContext context;
    context.resolver = &resolver;
    context.sts = &sts;
    context.route = &route;
    context.body = body;
    context.rules = std::make_shared<const security::RuleTable>(security::RuleTable::build(rules).value());
    context.session.settings = &route.delivery;
    context.session.tls = &tls;
    context.session.trusted = &trusted;
    context.session.sessions = &sessions;
    context.session.session_lifetime = session_lifetime;
    context.session.helo_name = "mta.example.org";
    context.reuse = reuse;
    if (count == 1) context.reuse.messages = 1;  // nothing is left open
    std::vector<DeliveryReport> reports;
    std::unique_ptr<KeptSession> kept;
    for (unsigned i = 0; i < count; ++i) {
        if (i > 0 && before_next) before_next(context, i);
        Deliverer deliverer(context, delivery, std::make_shared<const queue::StoredMessage>(message));
        std::optional<DeliveryReport> report = run_async(io, run(deliverer, random, std::move(kept)));
        kept = std::move(report->kept);
        if (kept && !kept->trace) kept->trace = 7;
        reports.push_back(std::move(*report));
    }
    if (kept) run_async(io, quit(*kept));
    tasks.stop();
    run_async(io, tasks.join());
    return reports;
}

}  // namespace sealpost::test
