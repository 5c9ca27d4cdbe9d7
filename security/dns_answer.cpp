#include "security/dns_answer.hpp"

namespace sealpost::security {

std::string_view to_string(RrType type) {
    switch (type) {
        case RrType::a:
            return "A";
        case RrType::cname:
            return "CNAME";
        case RrType::mx:
            return "MX";
        case RrType::txt:
            return "TXT";
        case RrType::aaaa:
            return "AAAA";
        case RrType::tlsa:
            return "TLSA";
    }
    return type == dnskey_type ? "DNSKEY" : "unknown";
}

std::string_view to_string(DnsStatus status) {
    switch (status) {
        case DnsStatus::secure:
            return "secure";
        case DnsStatus::insecure:
            return "insecure";
        case DnsStatus::bogus:
            return "bogus";
        case DnsStatus::indeterminate:
            return "indeterminate";
        case DnsStatus::error:
            return "error";
    }
    return "unknown";
}

std::string_view to_string(DnsData data) {
    switch (data) {
        case DnsData::data:
            return "data";
        case DnsData::nodata:
            return "NODATA";
        case DnsData::nxdomain:
            return "NXDOMAIN";
    }
    return "unknown";
}

}  // namespace sealpost::security
