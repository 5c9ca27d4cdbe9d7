/// \file The identity of a hop's policy: what a connection or a TLS session was made for.
///
/// Owns     one digest over the whole effective policy. Two hops with the same identity demand the same of
/// the
///          same peer; whatever differs, even by a record, gives another one. So a session that is found
///          under an identity was made under exactly this policy, and none is ever used under a looser or
///          another.
/// Shape    SHA-256 in hexadecimal.
/// Source   DANE-78, DANE-79, STS-74, TLS-23, AMB-09.
#pragma once
#include <string>

#include "config/ip.hpp"
#include "security/hop.hpp"

namespace sealpost::security {

/// `host` and `peer`: whom the connection goes to; `self`: as whom (EHLO name, and source address if one is
/// configured).
[[nodiscard]] std::string policy_identity(const HopDecision& decision, const Domain& host,
                                          const Endpoint& peer, const std::string& self);

}  // namespace sealpost::security
