#include "security/sts_discovery.hpp"

#include <vector>

#include "security/rdata.hpp"
#include "security/sts_record.hpp"

namespace sealpost::security {
namespace {

/// The cached policy stays in force whatever failed; there is none when nothing is cached [STS-28 STS-29].
StsState keep_memory(const StsStep& step, const StsMemory& memory) {
    StsState state{.txt = step.txt,
                   .origin = StsOrigin::none,
                   .policy = {},
                   .id = step.id,
                   .expires = {},
                   .why = step.why,
                   .failure = {}};
    if (memory.policy) {
        state.origin = StsOrigin::cached;
        state.policy = memory.policy;
        state.id = memory.id;
        state.expires = memory.expires;
    }
    return state;
}

}  // namespace

StsStep decide_sts_step(const DnsAnswer& txt, const StsMemory& memory, StsClock now,
                        std::chrono::milliseconds retry_after) {
    if (txt.failed())
        return {
            StsTxt::failed,
            false,
            {},
            fmt::format("the TXT lookup of {} failed ({}: {})", txt.name, to_string(txt.status), txt.why)};
    std::vector<std::string> texts;
    for (const auto& octets : txt.rdata)
        if (Result<std::string> text = parse_txt_rdata(octets)) texts.push_back(std::move(*text));
    const TxtSelection<StsRecord> selected = select_sts_record(texts);
    if (selected.found == TxtFound::none)
        return {StsTxt::none, false, {}, fmt::format("there is no MTA-STS record at {}", txt.name)};
    if (selected.found != TxtFound::one)
        return {
            StsTxt::invalid, false, {}, fmt::format("the MTA-STS record at {}: {}", txt.name, selected.why)};
    const std::string& id = selected.record->id;
    if (memory.policy && memory.id == id) return {StsTxt::found, false, id, {}};  // STS-51
    const bool failed_lately = memory.failed_id == id && memory.failure != ResultType::none &&
                               now < memory.failed_at + retry_after &&
                               memory.failed_at <= now;  // a clock set back must not stop fetching
    if (failed_lately)
        return {StsTxt::found, false, id, fmt::format("the last fetch failed: {}", memory.failure_reason)};
    return {StsTxt::found, true, id, {}};
}

StsState sts_from_memory(const StsStep& step, const StsMemory& memory) {
    StsState state = keep_memory(step, memory);
    if (step.txt == StsTxt::found) {
        if (!(memory.policy && memory.id == step.id))
            state.failure = StsFetchFailure{memory.failure, memory.failure_reason};
    } else if (state.enforced() || state.tested()) {
        // The record of a domain that had a policy is gone or cannot be had (RFC 8461 §6) [RPT-73].
        state.failure = StsFetchFailure{ResultType::sts_policy_fetch_error, step.why};
    }
    return state;
}

StsState sts_from_fetch(const StsStep& step, StsPolicy fetched, StsClock now) {
    const StsClock expires = now + fetched.max_age;  // with max_age 0 good for this delivery alone [STS-41]
    return {.txt = step.txt,
            .origin = StsOrigin::fetched,
            .policy = std::move(fetched),
            .id = step.id,
            .expires = expires,
            .why = {},
            .failure = {}};
}

StsState sts_from_failure(const StsStep& step, const StsMemory& memory, StsFetchFailure failure) {
    StsState state = keep_memory(step, memory);
    state.why = fmt::format("the policy could not be fetched: {}", failure.reason);
    state.failure = std::move(failure);
    return state;
}

std::string_view to_string(StsTxt txt) {
    switch (txt) {
        case StsTxt::found:
            return "found";
        case StsTxt::none:
            return "none";
        case StsTxt::invalid:
            return "invalid";
        case StsTxt::failed:
            return "failed";
    }
    return "failed";
}

std::string_view to_string(StsOrigin origin) {
    switch (origin) {
        case StsOrigin::none:
            return "none";
        case StsOrigin::fetched:
            return "fetched";
        case StsOrigin::cached:
            return "cached";
    }
    return "none";
}

}  // namespace sealpost::security
