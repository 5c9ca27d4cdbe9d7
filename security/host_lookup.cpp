#include "security/host_lookup.hpp"

#include <algorithm>

#include "security/rdata.hpp"

namespace sealpost::security {
namespace {

/// What the addresses say about going on, before any TLSA question (RFC 7672 §2.2.2).
struct Gate {
    AddressState address = AddressState::failed;
    DnsStatus failure = DnsStatus::error;
    std::string why;
    bool secure = false;     ///< some address answer with data is secure (AMB-05)
    bool via_cname = false;  ///< the host is an alias
    std::string canonical;
};

Gate gate_of(const HostQuery& query, const HostAnswers& answers) {
    Gate gate;
    const DnsAnswer* failed = nullptr;
    const DnsAnswer* data = nullptr;
    for (const auto* answer : {&answers.a, &answers.aaaa}) {
        if (!answer->has_value()) continue;
        // A bogus family tells more than one that timed out [RPT-71].
        if ((*answer)->failed() && (failed == nullptr || failed->status == DnsStatus::error))
            failed = &**answer;
        if ((*answer)->has_data() && (data == nullptr || data->status != DnsStatus::secure)) data = &**answer;
    }
    if (data == nullptr && failed != nullptr) {
        gate.failure = failed->status;
        gate.why = fmt::format("the {} lookup of {} failed ({}: {})", to_string(failed->type), query.host,
                               to_string(failed->status), failed->why);
        return gate;
    }
    if (data == nullptr) {
        gate.address = AddressState::none;
        gate.why = fmt::format("{} has no address", query.host);
        return gate;
    }
    gate.address = AddressState::found;
    gate.secure = data->status == DnsStatus::secure;
    gate.via_cname = data->via_cname();
    gate.canonical = data->canonical;
    return gate;
}

/// Base domains to ask for TLSA records, in order; or why none is asked.
struct Candidates {
    std::vector<Domain> domains;
    bool needs_cname = false;
    bool failed = false;
    DnsStatus failure = DnsStatus::error;
    std::string why;
};

Candidates candidates_of(const HostQuery& query, const HostAnswers& answers, const Gate& gate) {
    Candidates out;
    if (gate.address != AddressState::found) return out;
    if (!query.dane) {
        out.why = "DANE is not asked for here";
        return out;
    }
    if (!gate.via_cname) {
        if (gate.secure)
            out.domains.push_back(query.host);  // DANE-19
        else
            out.why =
                fmt::format("the address records of {} are not signed (DNSSEC)", query.host);  // DANE-18
        return out;
    }
    if (gate.secure) {  // the whole chain is secure: the expanded name first [DANE-20]
        const Result<Domain> expanded = Domain::parse(gate.canonical);
        if (!expanded) {
            out.failed = true;
            out.why =
                fmt::format("{} is an alias of a name that is none: {}", query.host, expanded.error().text);
            return out;
        }
        out.domains = {*expanded, query.host};
        return out;
    }
    // The target is not secure; the alias itself may be [DANE-22 DANE-23].
    if (!answers.cname) {
        out.needs_cname = true;
    } else if (answers.cname->failed()) {  // DANE-25
        out.failed = true;
        out.failure = answers.cname->status;
        out.why = fmt::format("the CNAME lookup of {} failed ({}: {})", query.host,
                              to_string(answers.cname->status), answers.cname->why);
    } else if (answers.cname->has_data() && answers.cname->status == DnsStatus::secure) {
        out.domains.push_back(query.host);
    } else if (answers.cname->denied() && answers.cname->status == DnsStatus::secure) {
        // The addresses came through an alias that the signed zone now proves not to be there: the zone has
        // changed in between, and its TLSA records may have come with that. Unsure is later, never anyway.
        out.failed = true;
        out.why =
            fmt::format("the address lookup of {} found an alias and the CNAME lookup none", query.host);
    } else {
        out.why = fmt::format("{} is an alias, and neither it nor its target is signed (DNSSEC)", query.host);
    }
    return out;
}

bool decides(const DnsAnswer& tlsa) {
    return tlsa.failed() || (tlsa.has_data() && tlsa.status == DnsStatus::secure);
}

void collect_addresses(const HostAnswers& answers, std::vector<IpAddress>& out) {
    // IPv6 first (RFC 6724 §10.3 in its common outcome); the dialler alternates where both exist.
    for (const auto* answer : {&answers.aaaa, &answers.a}) {
        if (!answer->has_value() || !(*answer)->has_data()) continue;
        for (const auto& octets : (*answer)->rdata) {
            const Result<IpAddress> address = parse_address_rdata(octets);
            const std::size_t expected = (*answer)->type == RrType::a ? 4 : 16;
            if (address && octets.size() == expected &&
                std::find(out.begin(), out.end(), *address) == out.end())
                out.push_back(*address);
        }
    }
}

}  // namespace

std::string tlsa_owner(const Domain& base_domain, std::uint16_t port) {
    return fmt::format("_{}._tcp.{}", port, base_domain);
}

std::vector<HostQuestion> next_questions(const HostQuery& query, const HostAnswers& answers) {
    std::vector<HostQuestion> out;
    if (query.ipv4 && !answers.a) out.push_back({query.host.str(), RrType::a});
    if (query.ipv6 && !answers.aaaa) out.push_back({query.host.str(), RrType::aaaa});
    if (!out.empty()) return out;  // addresses before anything else [DANE-15]
    const Candidates candidates = candidates_of(query, answers, gate_of(query, answers));
    if (candidates.needs_cname) return {{query.host.str(), RrType::cname}};
    for (std::size_t i = 0; i < candidates.domains.size(); ++i) {
        if (i < answers.tlsa.size()) {
            // An error stops here and is not healed by the next candidate [DANE-21]; records end it
            // [DANE-35].
            if (decides(answers.tlsa[i].answer)) return {};
            continue;
        }
        return {{tlsa_owner(candidates.domains[i], query.port), RrType::tlsa}};
    }
    return {};
}

void add_answer(const HostQuery& query, HostAnswers& answers, DnsAnswer answer) {
    switch (answer.type) {
        case RrType::a:
            answers.a = std::move(answer);
            return;
        case RrType::aaaa:
            answers.aaaa = std::move(answer);
            return;
        case RrType::cname:
            answers.cname = std::move(answer);
            return;
        case RrType::tlsa: {
            const Candidates candidates = candidates_of(query, answers, gate_of(query, answers));
            const std::size_t next = answers.tlsa.size();
            if (next < candidates.domains.size())
                answers.tlsa.push_back({candidates.domains[next], std::move(answer)});
            return;
        }
        case RrType::mx:
        case RrType::txt:
            return;  // never asked of a host
    }
}

HostState conclude_host(const HostQuery& query, const HostAnswers& answers, const TlsaLimits& limits) {
    HostState state;
    const Gate gate = gate_of(query, answers);
    state.address = gate.address;
    state.failure = gate.failure;
    state.why = gate.why;
    if (gate.address != AddressState::found) return state;
    collect_addresses(answers, state.addresses);
    if (state.addresses.empty()) {
        state.address = AddressState::failed;
        state.why = fmt::format("the address records of {} are malformed", query.host);
        return state;
    }
    const Candidates candidates = candidates_of(query, answers, gate);
    if (candidates.failed || candidates.needs_cname) {
        state.dane = DaneState::lookup_failed;
        state.failure = candidates.failure;
        state.why = candidates.needs_cname ? "the CNAME lookup is missing" : candidates.why;
        return state;
    }
    state.why = candidates.why;
    for (std::size_t i = 0; i < candidates.domains.size(); ++i) {
        if (i >= answers.tlsa.size()) {  // fail closed: an unasked question is no denial
            state.dane = DaneState::lookup_failed;
            state.why = "a TLSA lookup is missing";
            return state;
        }
        const TlsaLookup& lookup = answers.tlsa[i];
        const std::string owner = tlsa_owner(lookup.base_domain, query.port);
        if (lookup.answer.failed()) {
            state.dane = DaneState::lookup_failed;
            state.failure = lookup.answer.status;
            state.why = fmt::format("the TLSA lookup of {} failed ({}: {})", owner,
                                    to_string(lookup.answer.status), lookup.answer.why);
            return state;
        }
        if (!decides(lookup.answer)) {  // denied, or not secure: as if absent [DANE-29 DANE-30]
            state.why = lookup.answer.has_data()
                            ? fmt::format("the TLSA records at {} are not signed (DNSSEC)", owner)
                            : fmt::format("there is no TLSA record at {}", owner);
            continue;
        }
        Result<TlsaSet> set = assess_tlsa(lookup.answer.rdata, limits);
        if (!set) {  // over our limits: an error of the host, never "no DANE" [DANE-86]
            state.dane = DaneState::lookup_failed;
            state.failure = DnsStatus::error;
            state.why = fmt::format("the TLSA records at {}: {}", owner, set.error().text);
            return state;
        }
        state.base_domain = lookup.base_domain;
        state.tlsa = std::move(*set);
        state.dane = state.tlsa.any_used() ? DaneState::usable : DaneState::unusable;
        state.why = fmt::format("{} TLSA record{} at {}, signed (DNSSEC){}", state.tlsa.records.size(),
                                state.tlsa.records.size() == 1 ? "" : "s", owner,
                                state.dane == DaneState::usable ? "" : ", none of them usable");
        return state;
    }
    return state;
}

std::string_view to_string(DaneState state) {
    switch (state) {
        case DaneState::not_applicable:
            return "not-applicable";
        case DaneState::lookup_failed:
            return "lookup-failed";
        case DaneState::unusable:
            return "unusable";
        case DaneState::usable:
            return "usable";
    }
    return "lookup-failed";
}

std::string_view to_string(AddressState state) {
    switch (state) {
        case AddressState::found:
            return "found";
        case AddressState::none:
            return "none";
        case AddressState::failed:
            return "failed";
    }
    return "failed";
}

}  // namespace sealpost::security
