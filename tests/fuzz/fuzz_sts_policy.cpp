// The policy body: what parses keeps the promises of its type, and its lines make the same policy again.
#include <cstdint>
#include <string>

#include "require.hpp"
#include "security/remote_text.hpp"
#include "security/sts_policy.hpp"

using namespace sealpost;
using namespace sealpost::security;

namespace {

void check_pattern(const StsPolicy& policy, const MxPattern& pattern) {
    const Domain& name = pattern.name;
    require(Domain::parse(name.str()).value() == name);
    const Result<Domain> child = Domain::parse("a." + name.str());
    const Result<Domain> grandchild = Domain::parse("b.a." + name.str());
    require(pattern.matches(name) == !pattern.wildcard);
    if (child) require(pattern.matches(*child) == pattern.wildcard);
    if (grandchild) require(!pattern.matches(*grandchild));
    require(policy.allows(pattern.wildcard && child ? *child : name) || (pattern.wildcard && !child));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string body(data, data + size);
    const StsPolicyLimits limits{.max_octets = 4096, .max_lines = 100, .max_mx = 20};
    const Result<StsPolicy> policy = parse_sts_policy(body, limits);
    const std::vector<std::string> lines = sts_policy_lines(body, limits);
    require(lines.size() <= limits.max_lines);
    if (!policy) {
        for (const char c : policy.error().text) require(c >= 0x20 && c < 0x7F);
        return 0;
    }
    require(size <= limits.max_octets && policy->mx.size() <= limits.max_mx && policy->lines == lines);
    require(policy->mode == StsMode::none || !policy->mx.empty());
    require(policy->max_age >= std::chrono::seconds(0) && policy->max_age <= std::chrono::seconds(31557600));
    for (const MxPattern& pattern : policy->mx) check_pattern(*policy, pattern);
    require(policy->diagnoses.size() <= max_sts_diagnoses);
    for (const std::string& diagnosis : policy->diagnoses)
        for (const char c : diagnosis) require(c >= 0x20 && c < 0x7F);

    std::string again;
    for (const std::string& line : lines) {
        if (line.size() >= 1024) return 0;  // cut for the report
        again += line + "\r\n";
    }
    const Result<StsPolicy> second = parse_sts_policy(again, {});
    require(second.has_value() && second->mode == policy->mode && second->mx == policy->mx &&
            second->max_age == policy->max_age && second->lines == policy->lines);
    return 0;
}
