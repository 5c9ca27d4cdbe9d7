/// \file RuleCheck: what a rule of the operator demands of the certificate itself, beside DANE and MTA-STS.
///
/// Shape    a pinned key, or a chain to CAs of the rule's choice with one of its names; whichever is listed,
///          one of them must hold. An empty check is never met.
/// Errors   a chain that fails is a ChainOutcome, never an Error.
/// Source   the levels `secure`, `fingerprint`, `authenticated` of the rules; RFC 7469 §2.4 (pins); NAME-03,
///          NAME-04, NAME-12.
#pragma once
#include <memory>
#include <vector>

#include "config/spki_pin.hpp"
#include "security/certificate.hpp"
#include "security/name_pattern.hpp"

namespace sealpost::security {

struct RuleCheck {
    std::vector<SpkiPin> pins;                  ///< of the leaf's key
    std::vector<NamePattern> names;             ///< that the leaf may carry, when its chain is good
    std::shared_ptr<const TrustStore> trusted;  ///< none: the CAs of tls.ca_file
};

/// `public_cas`: the CAs of tls.ca_file.
[[nodiscard]] ChainOutcome verify_rule(const PeerChain& chain, const RuleCheck& check,
                                       const TrustStore& public_cas, std::time_t now);

}  // namespace sealpost::security
