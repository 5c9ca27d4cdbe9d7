/// \file Checked: everything that the daemon needs from outside, found and read before anything has changed.
///
/// Errors   Errc::configuration - names the key, what is wrong with it and the remedy.
#pragma once
#include <memory>

#include "config/settings.hpp"
#include "mta/net/tls_client.hpp"
#include "mta/net/tls_server.hpp"
#include "mta/resolver/process.hpp"
#include "mta/resolver/watch.hpp"
#include "security/rules.hpp"

namespace sealpost {

struct Checked {
    Domain hostname;
    security::RuleTable rules;
    resolver::ProcessConfig resolver;
    resolver::WatchConfig watch;
    security::TrustStore trusted;
    security::TrustStore sts_trusted;
    std::shared_ptr<TlsServer> listener_tls;  ///< none: STARTTLS is not offered
};

[[nodiscard]] Result<Checked> check(const Settings& settings);

}  // namespace sealpost
