/// \file TlsRequiredField: what the header of a message says about TLS ("TLS-Required: No").
///
/// Shape    a message with CR LF line ends. Its own header alone is looked at: up to the first empty line, or
///          to the first line that is no field, where others may take the body to begin.
/// Rule     nothing but one field with the value "No" relaxes anything. A second field, another value, a
///          comment, blanks before the colon: invalid, and policies stay in force.
/// Source   RFC 8689 §3 (ABNF), §4.1; RFC 5322 §2.2, §3.2.2 (folding).
#pragma once
#include <string_view>

#include "security/message_tls.hpp"

namespace sealpost::security {

enum class TlsRequiredField {
    absent,
    no,      ///< the one field that there is says "No"
    invalid  ///< a field is there, and it asks for nothing that exists
};

[[nodiscard]] TlsRequiredField parse_tls_required(std::string_view message);

/// The tag of a message at its reception. `requiretls`: the parameter of MAIL, before which the field counts
/// for nothing (RFC 8689 §4.1).
[[nodiscard]] MessageTls tag_message(bool requiretls, TlsRequiredField field);

}  // namespace sealpost::security
