/// \file MessageTls: what a message itself asks of the TLS on each of its hops.
///
/// Owns     the tag that a message carries from reception to its last delivery, beside the policies of the
///          recipient domains and of the operator.
/// Never    weighs the tag against a policy: hop.hpp does.
/// Source   RFC 8689 §2, §3, §4.1.
#pragma once
#include <string_view>

namespace sealpost::security {

enum class MessageTls {
    by_policy,  ///< nothing: policies alone decide
    required,   ///< REQUIRETLS on MAIL: verified TLS and REQUIRETLS on every hop, or no transmission
    optional    ///< "TLS-Required: No" in the header: the policy of the recipient domain is to be ignored
};

/// "by-policy", "required", "optional"
[[nodiscard]] std::string_view to_string(MessageTls tls);

}  // namespace sealpost::security
