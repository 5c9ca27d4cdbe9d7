#include "security/freshness.hpp"

#include <algorithm>

namespace sealpost::security {

std::chrono::seconds fresh_for(const std::optional<DnsAnswer>& mx, const HostAnswers& answers,
                               const StsState& sts, StsClock now) {
    using std::chrono::seconds;
    seconds least = std::chrono::hours(24);
    const auto shorten = [&](const DnsAnswer& answer) {
        // An answer that failed says nothing about tomorrow either.
        least = std::min(least, answer.failed() ? seconds(0) : answer.ttl);
    };
    if (mx) shorten(*mx);
    for (const auto* answer : {&answers.a, &answers.aaaa, &answers.cname})
        if (answer->has_value()) shorten(**answer);
    for (const TlsaLookup& lookup : answers.tlsa) shorten(lookup.answer);
    if (sts.policy) least = std::min(least, std::chrono::floor<seconds>(sts.expires - now));
    return std::max(least, seconds(0));
}

}  // namespace sealpost::security
