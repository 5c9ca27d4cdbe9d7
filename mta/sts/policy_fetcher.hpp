/// \file Fetches an MTA-STS policy over HTTPS.
///
/// Owns     one GET of https://mta-sts.<domain>/.well-known/mta-sts.txt: no redirect, no cache, no encoding,
///          within one total deadline and size limit, never to a forbidden address. The certificate is
///          checked against the trust store and the name; revocation is not asked for, since the answer that
///          does not come would keep the policy away [STS-31].
/// TLS      1.2 at least, and no more even where [tls] min_version demands it of mail: a policy that cannot
/// be
///          fetched protects nothing.
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
    [[nodiscard]] Result<void> check_address(const Domain& host, const IpAddress& address) const;

    resolver::Resolver& resolver_;
    StsSettings settings_;
    TlsClient& tls_;
    security::TrustStore trusted_;
};

struct PolicyResponse {
    unsigned status = 0;
    std::string_view content_type;  ///< empty: the header is missing
    std::string_view content_encoding;
    std::string body;
};
/// What an HTTP response means (STS-21..25); pure. Of `settings`: max_policy_size, require_content_type.
[[nodiscard]] FetchOutcome judge_policy_response(PolicyResponse response, const StsSettings& settings);

}  // namespace sealpost
