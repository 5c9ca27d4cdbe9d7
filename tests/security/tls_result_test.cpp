#include "security/tls_result.hpp"

#include <doctest/doctest.h>

using namespace sealpost::security;

TEST_SUITE("security/tls_result") {
    TEST_CASE("result types have their registered names [RPT-39]") {
        struct Row {
            ResultType type;
            const char* name;
        };
        for (const Row& row : {Row{ResultType::none, "none"},
                               {ResultType::starttls_not_supported, "starttls-not-supported"},
                               {ResultType::certificate_host_mismatch, "certificate-host-mismatch"},
                               {ResultType::certificate_expired, "certificate-expired"},
                               {ResultType::certificate_not_trusted, "certificate-not-trusted"},
                               {ResultType::validation_failure, "validation-failure"},
                               {ResultType::tlsa_invalid, "tlsa-invalid"},
                               {ResultType::dnssec_invalid, "dnssec-invalid"},
                               {ResultType::dane_required, "dane-required"},
                               {ResultType::sts_policy_fetch_error, "sts-policy-fetch-error"},
                               {ResultType::sts_policy_invalid, "sts-policy-invalid"},
                               {ResultType::sts_webpki_invalid, "sts-webpki-invalid"}}) {
            CHECK(to_string(row.type) == row.name);
            CHECK(result_type_from_string(row.name) == row.type);
        }
        CHECK_FALSE(result_type_from_string("Validation-Failure").has_value());
        CHECK_FALSE(result_type_from_string("").has_value());
    }

    TEST_CASE("policy types have the names of the schema [RPT-30]") {
        for (const PolicyType type : {PolicyType::tlsa, PolicyType::sts, PolicyType::no_policy_found})
            CHECK(policy_type_from_string(to_string(type)) == type);
        CHECK(to_string(PolicyType::no_policy_found) == "no-policy-found");
        CHECK_FALSE(policy_type_from_string("dane").has_value());
    }

}  // TEST_SUITE("security/tls_result")
