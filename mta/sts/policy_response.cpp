#include <algorithm>
#include <cctype>

#include "mta/sts/policy_fetcher.hpp"

namespace sealpost {
namespace {

using security::ResultType;
using security::StsFetchFailure;

FetchOutcome failed(ResultType type, std::string reason) {
    return tl::unexpected(StsFetchFailure{type, std::move(reason)});
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

/// "text/plain" with any parameters (RFC 8461 §3.2 asks for no more).
bool is_text_plain(std::string_view content_type) {
    std::string type = lower(content_type.substr(0, content_type.find(';')));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.pop_back();
    return type == "text/plain";
}

}  // namespace

FetchOutcome judge_policy_response(PolicyResponse response, const StsSettings& settings) {
    const unsigned status = response.status;
    if (status >= 300 && status < 400)
        return failed(ResultType::sts_policy_fetch_error,
                      fmt::format("HTTP {}: a redirect is not followed", status));
    if (status != 200) return failed(ResultType::sts_policy_fetch_error, fmt::format("HTTP {}", status));
    if (!response.content_encoding.empty() && lower(response.content_encoding) != "identity")
        return failed(ResultType::sts_policy_fetch_error, "the body is encoded, which was not asked for");
    if (response.content_type.empty()) {
        if (settings.require_content_type)
            return failed(ResultType::sts_policy_invalid, "no Content-Type, text/plain is required");
    } else if (!is_text_plain(response.content_type)) {
        return failed(ResultType::sts_policy_invalid, "the Content-Type is not text/plain");
    }
    if (response.body.size() > settings.max_policy_size)
        return failed(ResultType::sts_policy_fetch_error, "the body is too large");
    security::StsPolicyLimits limits;
    limits.max_octets = settings.max_policy_size;
    Result<security::StsPolicy> policy = security::parse_sts_policy(response.body, limits);
    if (!policy) return failed(ResultType::sts_policy_invalid, policy.error().text);
    return FetchedPolicy{std::move(response.body), std::move(*policy)};
}

}  // namespace sealpost
