#include "security/sts_discovery.hpp"

#include <algorithm>
#include <vector>

#include "security/rdata.hpp"
#include "security/sts_record.hpp"

namespace sealpost::security {
namespace {

constexpr std::chrono::milliseconds final_retry = std::chrono::seconds(10);

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

/// A time that lies ahead is one before the clock was set back: it must not stop anything [STS-56].
bool is_within(StsClock then, StsClock now, std::chrono::milliseconds span) {
    return then <= now && now < then + span;
}

bool too_many_fetches(const StsMemory& memory, StsClock now, const StsPacing& pacing) {
    const auto counts = std::count_if(memory.fetches.begin(), memory.fetches.end(), [&](StsClock at) {
        return is_within(at, now, pacing.id_change_window);
    });
    return static_cast<std::size_t>(counts) >= pacing.max_id_changes;
}

}  // namespace

void expire_sts_memory(StsMemory& memory, StsClock now) {
    if (!memory.policy) return;
    if (memory.fetched_at > now) {
        memory.fetched_at = now;
        memory.expires = now + memory.policy->max_age;
    }
    if (memory.expires <= now) memory.policy.reset();
}

void note_sts_fetch(StsMemory& memory, StsClock now, const StsPacing& pacing) {
    memory.fetches.push_back(now);
    if (memory.fetches.size() > pacing.max_id_changes) memory.fetches.erase(memory.fetches.begin());
}

StsStep decide_sts_step(const DnsAnswer& txt, const StsMemory& memory, StsClock now, const StsPacing& pacing,
                        StsUrgency urgency) {
    StsStep step;
    if (txt.failed()) {
        step.txt = StsTxt::failed;
        step.why =
            fmt::format("the TXT lookup of {} failed ({}: {})", txt.name, to_string(txt.status), txt.why);
        return step;
    }
    std::vector<std::string> texts;
    for (const auto& octets : txt.rdata)
        if (Result<std::string> text = parse_txt_rdata(octets)) texts.push_back(std::move(*text));
    const TxtSelection<StsRecord> selected = select_sts_record(texts);
    if (selected.found == TxtFound::none) {
        step.why = fmt::format("there is no MTA-STS record at {}", txt.name);
        return step;
    }
    if (selected.found != TxtFound::one) {
        step.txt = StsTxt::invalid;
        step.why = fmt::format("the MTA-STS record at {}: {}", txt.name, selected.why);
        return step;
    }
    step.txt = StsTxt::found;
    step.id = selected.record->id;
    if (memory.policy && memory.id == step.id) return step;  // STS-51
    const bool final = urgency == StsUrgency::final;
    // Many messages may come to their end together; a failure of this very moment is true for all of them.
    const std::chrono::milliseconds wait =
        final ? std::min(pacing.retry_after, final_retry) : pacing.retry_after;
    const bool failed_lately = memory.failure != ResultType::none && is_within(memory.failed_at, now, wait);
    if (failed_lately && memory.failed_id == step.id) {
        step.why = fmt::format("the last fetch failed: {}", memory.failure_reason);
        return step;
    }
    // Without a policy every id is worth a fetch, unless they all fail [STS-17 STS-27].
    if (!final && (memory.policy || failed_lately) && too_many_fetches(memory, now, pacing)) {
        step.why = "the id of the record changes too often";
        const StsClock last =
            memory.policy ? std::max(memory.fetched_at, memory.failed_at) : memory.failed_at;
        if (memory.policy && !is_within(last, now, pacing.retry_after)) step.fetch = StsFetch::background;
        return step;
    }
    step.fetch = StsFetch::first;
    return step;
}

StsState sts_from_memory(const StsStep& step, const StsMemory& memory) {
    StsState state = keep_memory(step, memory);
    if (step.txt == StsTxt::found) {
        const bool of_this_id = memory.failed_id == step.id || !memory.policy;
        if (of_this_id && memory.failure != ResultType::none && !(memory.policy && memory.id == step.id))
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

StsState sts_from_no_attempt(const StsStep& step, const StsMemory& memory, std::string why) {
    StsState state = keep_memory(step, memory);
    state.why = fmt::format("the policy could not be fetched: {}", why);
    state.cache_failed = !state.policy;
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
