#include "security/tls_result.hpp"

#include <array>
#include <utility>

namespace sealpost::security {
namespace {

constexpr std::array policy_types{
    std::pair{PolicyType::tlsa, std::string_view("tlsa")},
    std::pair{PolicyType::sts, std::string_view("sts")},
    std::pair{PolicyType::no_policy_found, std::string_view("no-policy-found")},
};

constexpr std::array result_types{
    std::pair{ResultType::none, std::string_view("none")},
    std::pair{ResultType::starttls_not_supported, std::string_view("starttls-not-supported")},
    std::pair{ResultType::certificate_host_mismatch, std::string_view("certificate-host-mismatch")},
    std::pair{ResultType::certificate_expired, std::string_view("certificate-expired")},
    std::pair{ResultType::certificate_not_trusted, std::string_view("certificate-not-trusted")},
    std::pair{ResultType::validation_failure, std::string_view("validation-failure")},
    std::pair{ResultType::tlsa_invalid, std::string_view("tlsa-invalid")},
    std::pair{ResultType::dnssec_invalid, std::string_view("dnssec-invalid")},
    std::pair{ResultType::dane_required, std::string_view("dane-required")},
    std::pair{ResultType::sts_policy_fetch_error, std::string_view("sts-policy-fetch-error")},
    std::pair{ResultType::sts_policy_invalid, std::string_view("sts-policy-invalid")},
    std::pair{ResultType::sts_webpki_invalid, std::string_view("sts-webpki-invalid")},
};

template <class Table, class Value>
std::string_view name_of(const Table& table, Value value) {
    for (const auto& [known, name] : table)
        if (known == value) return name;
    return "unknown";
}

template <class Value, class Table>
std::optional<Value> value_of(const Table& table, std::string_view text) {
    for (const auto& [value, name] : table)
        if (name == text) return value;
    return std::nullopt;
}

}  // namespace

std::string_view to_string(PolicyType type) {
    return name_of(policy_types, type);
}

std::string_view to_string(ResultType type) {
    return name_of(result_types, type);
}

std::optional<PolicyType> policy_type_from_string(std::string_view text) {
    return value_of<PolicyType>(policy_types, text);
}

std::optional<ResultType> result_type_from_string(std::string_view text) {
    return value_of<ResultType>(result_types, text);
}

}  // namespace sealpost::security
