#include "mta/daemon/checked.hpp"

#include "mta/daemon/prepare.hpp"
#include "mta/daemon/rule_files.hpp"

namespace sealpost {

Result<Checked> check(const Settings& settings) {
    Result<Domain> hostname = own_hostname(settings.daemon);
    if (!hostname) return tl::unexpected(hostname.error());
    Result<security::RuleTable> rules = load_rules(settings.rules);
    if (!rules) return tl::unexpected(rules.error());
    Result<resolver::ProcessConfig> resolver = resolver::load_process_config(settings.dns);
    if (!resolver) return tl::unexpected(resolver.error());
    Result<resolver::WatchConfig> watch = resolver::load_watch_config(settings.dns, *resolver);
    if (!watch) return tl::unexpected(watch.error());
    Result<security::TrustStore> trusted = load_trust_store("tls.ca_file", settings.tls.ca_file);
    if (!trusted) return tl::unexpected(trusted.error());
    Result<security::TrustStore> sts_trusted = *trusted;
    if (!settings.mta_sts.ca_file.empty())
        sts_trusted = load_trust_store("mta_sts.ca_file", settings.mta_sts.ca_file);
    if (!sts_trusted) return tl::unexpected(sts_trusted.error());
    Result<std::shared_ptr<TlsServer>> listener_tls = nullptr;
    if (!settings.listener.tls_certificate.empty())
        listener_tls = TlsServer::create(settings.listener, settings.tls);
    if (!listener_tls) return tl::unexpected(listener_tls.error());
    return Checked{std::move(*hostname), std::move(*rules),       std::move(*resolver),    std::move(*watch),
                   std::move(*trusted),  std::move(*sts_trusted), std::move(*listener_tls)};
}

}  // namespace sealpost
