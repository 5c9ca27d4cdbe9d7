#include "security/self_test.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

std::string say(const DnsAnswer& answer) {
    const std::string_view status = to_string(answer.status);
    return answer.why.empty() ? std::string(status)
                              : fmt::format("{}: {}", status, printable(answer.why, 200));
}

bool is_refused(const DnsAnswer& answer) {
    return answer.status == DnsStatus::bogus;
}

/// A name that does not exist cannot be false; somebody took it down, and nothing can be told.
bool is_accepted(const DnsAnswer& answer) {
    return !answer.failed() && answer.data != DnsData::nxdomain;
}

void add(std::string& text, std::string_view more) {
    text += fmt::format("{}{}", text.empty() ? "" : "; ", more);
}

}  // namespace

std::string_view to_string(SelfTestState state) {
    switch (state) {
        case SelfTestState::off:
            return "off";
        case SelfTestState::unknown:
            return "unknown";
        case SelfTestState::passed:
            return "passed";
        case SelfTestState::failed:
            return "failed";
    }
    return "unknown";
}

SelfTest judge_self_test(const SelfTest& before, const std::optional<DnsAnswer>& secure,
                         const std::vector<DnsAnswer>& bogus) {
    SelfTest out = before;
    out.state = SelfTestState::off;
    out.text.clear();
    bool failed = false;
    bool unknown = false;

    if (!secure || secure->status == DnsStatus::secure) {
        out.believe_secure = true;
    } else if (secure->status == DnsStatus::insecure || secure->status == DnsStatus::bogus) {
        // Bogus answers are errors by themselves; an insecure one would be used.
        if (secure->status == DnsStatus::insecure) out.believe_secure = false;
        failed = true;
        add(out.text, fmt::format("{} must validate and is {}", secure->name, say(*secure)));
    } else {
        unknown = true;
        add(out.text, fmt::format("{} could not be asked ({})", secure->name, say(*secure)));
    }

    const bool refused = std::any_of(bogus.begin(), bogus.end(), is_refused);
    const bool accepted = std::any_of(bogus.begin(), bogus.end(), is_accepted);
    if (bogus.empty() || refused)
        out.believe_refusal = true;
    else if (accepted)
        out.believe_refusal = false;
    for (const DnsAnswer& answer : bogus) {
        if (is_refused(answer)) continue;
        if (is_accepted(answer)) {
            failed = true;
            add(out.text, fmt::format("{} must be refused and was accepted as {}", answer.name, say(answer)));
        } else if (!refused) {
            unknown = true;
            add(out.text, answer.failed()
                              ? fmt::format("{} could not be asked ({})", answer.name, say(answer))
                              : fmt::format("{} does not exist any more", answer.name));
        }
    }

    // What was seen to be broken is broken until the same names tell otherwise.
    if (!out.believed() && !failed) {
        failed = true;
        add(out.text, "an earlier test failed");
    }
    if (failed)
        out.state = SelfTestState::failed;
    else if (unknown)
        out.state = SelfTestState::unknown;
    else if (secure || !bogus.empty())
        out.state = SelfTestState::passed;
    return out;
}

}  // namespace sealpost::security
