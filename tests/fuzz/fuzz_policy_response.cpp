// Property: a policy comes from a 200 with text/plain, unencoded and within the limit alone, and is then the
// one that its body parses to; every other response is a failure whose reason can be printed.
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/sts/policy_fetcher.hpp"
#include "require.hpp"

using sealpost::security::ResultType;

namespace {

constexpr std::size_t limit = 4096;

std::string_view take_line(std::string_view& input) {
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(std::min(end + 1, input.size()));
    return line;
}

bool starts_with_text_plain(std::string_view type) {
    constexpr std::string_view wanted = "text/plain";
    return type.size() >= wanted.size() &&
           std::equal(wanted.begin(), wanted.end(), type.begin(), [](char a, char b) {
               return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
           });
}

void check(unsigned status, std::string_view type, std::string_view encoding, std::string_view body,
           bool require_type = true) {
    sealpost::StsSettings settings;
    settings.max_policy_size = limit;
    settings.require_content_type = require_type;
    const sealpost::FetchOutcome outcome =
        sealpost::judge_policy_response({status, type, encoding, std::string(body)}, settings);
    if (!outcome) {
        const auto& failure = outcome.error();
        require(failure.type == ResultType::sts_policy_fetch_error ||
                failure.type == ResultType::sts_policy_invalid);
        require(!failure.reason.empty() && failure.reason.size() < 1000);
        for (const char c : failure.reason) require(c >= 0x20 && c < 0x7f);
        return;
    }
    require(status == 200 && body.size() <= limit);
    require(starts_with_text_plain(type) || (type.empty() && !require_type));
    require(encoding.empty() || encoding.size() == std::string_view("identity").size());
    require(outcome->body == body);
    const auto policy = sealpost::security::parse_sts_policy(body);
    require(policy && *policy == outcome->policy);
}

}  // namespace

/// Two octets of status, a line with the type, a line with the encoding, the body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const unsigned status = (data[0] * 256U + data[1]) % 1000U;
    std::string_view rest(reinterpret_cast<const char*>(data + 2), size - 2);
    const std::string_view type = take_line(rest);
    const std::string_view encoding = take_line(rest);
    check(status, type, encoding, rest);
    check(200, type, encoding, rest);
    check(200, type, encoding, rest, false);
    check(200, "text/plain", "", rest);
    return 0;
}
