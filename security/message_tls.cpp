#include "security/message_tls.hpp"

namespace sealpost::security {

std::string_view to_string(MessageTls tls) {
    switch (tls) {
        case MessageTls::required:
            return "required";
        case MessageTls::optional:
            return "optional";
        case MessageTls::by_policy:
            break;
    }
    return "by-policy";
}

}  // namespace sealpost::security
