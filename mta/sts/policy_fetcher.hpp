/// \file Fetches an MTA-STS policy over HTTPS.
///
/// Owns     one GET of https://mta-sts.<domain>/.well-known/mta-sts.txt: no redirect, no cache, no encoding,
/// within
///          one total deadline and size limit, never to a forbidden address.
/// Errors   StsFetchFailure, in the words of RFC 8460 §4.3.2.2.
/// Source   RFC 8461 §3.2, §3.3; STS-17..28, STS-78; AMB-14, AMB-18.
#pragma once
#include <memory>
#include <tl/expected.hpp>

#include "config/settings.hpp"
#include "mta/net/tls_client.hpp"
#include "mta/resolver/resolver.hpp"
#include "security/sts_discovery.hpp"

namespace sealpost {

struct FetchedPolicy {
    std::string body;
    security::StsPolicy policy;
};
using FetchOutcome = tl::expected<FetchedPolicy, security::StsFetchFailure>;

class PolicyFetcher {
public:
    PolicyFetcher(resolver::Resolver& resolver, const StsSettings& settings, TlsClient& tls,
                  security::TrustStore trusted);
    [[nodiscard]] Async<FetchOutcome> fetch(Domain domain);

private:
    [[nodiscard]] Async<Result<FetchOutcome>> fetch_from(Domain host);
    [[nodiscard]] Async<Result<std::vector<IpAddress>>> addresses_of(Domain host);
    [[nodiscard]] Async<Result<FetchOutcome>> get(Domain host, IpAddress address);

    resolver::Resolver& resolver_;
    StsSettings settings_;
    TlsClient& tls_;
    security::TrustStore trusted_;
};

/// What an HTTP response means (STS-21..24); pure. `content_type` is empty when the header is missing.
[[nodiscard]] FetchOutcome judge_policy_response(unsigned status, std::string_view content_type,
                                                 std::string_view content_encoding, std::string body,
                                                 std::size_t max_size);

}  // namespace sealpost
