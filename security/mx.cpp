#include "security/mx.hpp"

#include <algorithm>

#include "security/rdata.hpp"
#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

/// The hosts of the RRset; records that name no host become notes.
std::vector<MxHost> read_hosts(const DnsAnswer& answer, bool& null_mx, std::vector<std::string>& notes) {
    std::vector<MxHost> hosts;
    for (const auto& octets : answer.rdata) {
        const Result<MxRdata> mx = parse_mx_rdata(octets);
        if (!mx)
            notes.push_back(fmt::format("an MX record was left out: {}", mx.error().text));
        else if (mx->is_null())
            null_mx = true;
        else if (!mx->host || IpAddress::parse(mx->exchange))  // a textual address is no host [DANE-02]
            notes.push_back(fmt::format("MX {} '{}' was left out: not a host name", mx->preference,
                                        printable(mx->exchange)));
        else
            hosts.push_back({*mx->host, mx->preference, 0});
    }
    std::sort(hosts.begin(), hosts.end(), [](const MxHost& a, const MxHost& b) {
        return std::tie(a.preference, a.name) < std::tie(b.preference, b.name);
    });
    // The same host twice is tried once, at its better preference.
    std::vector<MxHost> once;
    for (MxHost& host : hosts)
        if (std::none_of(once.begin(), once.end(),
                         [&](const MxHost& seen) { return seen.name == host.name; }))
            once.push_back(std::move(host));
    return once;
}

/// Our own name in the set: it and everything not better is cut (RFC 5321 §5.1) [SMTP-07].
bool cut_at_own_name(std::vector<MxHost>& hosts, const std::vector<Domain>& own_names,
                     std::vector<std::string>& notes) {
    const auto own = std::find_if(hosts.begin(), hosts.end(), [&](const MxHost& host) {
        return std::find(own_names.begin(), own_names.end(), host.name) != own_names.end();
    });
    if (own == hosts.end()) return false;
    const std::uint16_t preference = own->preference;
    notes.push_back(fmt::format("we are MX {} '{}' ourselves: hosts of preference {} and above were left out",
                                preference, own->name, preference));
    std::erase_if(hosts, [&](const MxHost& host) { return host.preference >= preference; });
    return hosts.empty();
}

}  // namespace

MxSet build_mx_set(const Domain& domain, const DnsAnswer& answer, const std::vector<Domain>& own_names,
                   const MxLimits& limits) {
    MxSet set{.security = answer.status,
              .domain = domain,
              .expanded = domain,
              .hosts = {},
              .cut = false,
              .notes = {},
              .why = {}};
    if (answer.failed()) {
        // Neither the address of the domain nor MTA-STS may stand in for an MX answer that failed [DANE-03].
        set.status = MxStatus::failed;
        set.why = answer.why;
        return set;
    }
    if (const Result<Domain> canonical = Domain::parse(answer.canonical)) {
        set.expanded = *canonical;
    } else {
        set.status = MxStatus::failed;
        set.security = DnsStatus::error;
        set.why = fmt::format("the canonical name is not a domain: {}", canonical.error().text);
        return set;
    }
    if (answer.denied()) {
        if (answer.data == DnsData::nxdomain) {
            set.status = MxStatus::no_such_domain;
            return set;
        }
        set.implicit = true;
        // As addressed: the host algorithm follows the alias itself, and needs both names (RFC 7672 §2.2.3)
        // [DANE-14 DANE-66].
        set.hosts = {{set.domain, 0, 0}};
        const bool alias_of_ours =
            std::find(own_names.begin(), own_names.end(), set.expanded) != own_names.end();
        if (alias_of_ours) set.notes.push_back(fmt::format("'{}' is we ourselves", set.expanded));
        const bool loops = cut_at_own_name(set.hosts, own_names, set.notes) || alias_of_ours;
        if (loops) set.hosts.clear();
        set.status = loops ? MxStatus::loops_back : MxStatus::hosts;
        return set;
    }
    bool null_mx = false;
    set.hosts = read_hosts(answer, null_mx, set.notes);
    if (set.hosts.empty()) {
        set.status = null_mx && answer.rdata.size() == 1 ? MxStatus::null_mx : MxStatus::no_usable_host;
        return set;
    }
    if (null_mx) set.notes.emplace_back("a null MX beside others was left out");  // AMB-33
    if (cut_at_own_name(set.hosts, own_names, set.notes)) {
        set.status = MxStatus::loops_back;
        return set;
    }
    if (set.hosts.size() > limits.max_hosts) {
        set.cut = true;
        set.notes.push_back(
            fmt::format("{} MX hosts: the first {} are considered", set.hosts.size(), limits.max_hosts));
        set.hosts.erase(set.hosts.begin() + static_cast<std::ptrdiff_t>(limits.max_hosts), set.hosts.end());
    }
    set.status = MxStatus::hosts;
    return set;
}

std::string name_of_mx_set(const MxSet& set) {
    std::string name;
    std::uint16_t best = 0;
    for (const MxHost& host : set.hosts) {
        const bool better = name.empty() || host.preference < best;
        if (!better && (host.preference > best || host.name.str() >= name)) continue;
        best = host.preference;
        name = host.name.str();
    }
    return name;
}

NoHosts describe_no_hosts(const MxSet& set) {
    const Domain& domain = set.domain;
    switch (set.status) {
        case MxStatus::null_mx:
            return {true, "5.1.10", fmt::format("{} takes no mail (null MX)", domain), {}, false};
        case MxStatus::no_such_domain:
            return {true, "5.1.2", fmt::format("the domain {} does not exist", domain), {}, false};
        case MxStatus::loops_back:
            return {true, "5.4.6", fmt::format("mail for {} loops back to this host", domain), {}, false};
        case MxStatus::no_usable_host:
            return {
                true, "5.4.4", fmt::format("the MX records of {} name no usable host", domain), {}, false};
        case MxStatus::hosts:
        case MxStatus::failed:
            break;
    }
    NoHosts out{false, "4.4.3",
                fmt::format("the MX lookup of {} failed ({}: {})", domain, to_string(set.security), set.why),
                fmt::format("mend the name servers of {}", domain), false};
    if (set.security == DnsStatus::bogus || set.security == DnsStatus::indeterminate) {
        out.by_policy = true;
        out.enhanced = "4.7.5";
        out.remedy = fmt::format("mend the DNSSEC signatures of {}", domain);
    }
    return out;
}

MxSet mx_set_of_route(const std::vector<NextHop>& route) {
    const Domain& first = route.front().name;
    MxSet set{.status = MxStatus::hosts,
              .security = DnsStatus::secure,
              .implicit = true,  // each host stands for itself: no name above it is authenticated [DANE-66]
              .configured = true,
              .domain = first,
              .expanded = first,
              .hosts = {},
              .cut = false,
              .notes = {},
              .why = {}};
    for (const NextHop& hop : route)
        set.hosts.push_back({hop.name, static_cast<std::uint16_t>(set.hosts.size()), hop.port});
    return set;
}

void shuffle_equal_preference(std::vector<MxHost>& hosts, std::mt19937& random) {
    for (auto first = hosts.begin(); first != hosts.end();) {
        const auto last = std::find_if(
            first, hosts.end(), [&](const MxHost& host) { return host.preference != first->preference; });
        std::shuffle(first, last, random);
        first = last;
    }
}

std::string_view to_string(MxStatus status) {
    switch (status) {
        case MxStatus::hosts:
            return "hosts";
        case MxStatus::null_mx:
            return "null-mx";
        case MxStatus::no_such_domain:
            return "no-such-domain";
        case MxStatus::loops_back:
            return "loops-back";
        case MxStatus::no_usable_host:
            return "no-usable-host";
        case MxStatus::failed:
            return "failed";
    }
    return "failed";
}

}  // namespace sealpost::security
