/// \file What is true of a world and of a session in it, in the words of the outcome tables.
///
/// Owns     the findings that rows and reports rest on, one function each, drawn from the dimensions alone.
/// Source   RFC 7672 §2.2, §3.2.2; RFC 8461 §4; DANE-08, DANE-64..66; STS-58, STS-61.
#pragma once
#include <algorithm>

#include "hop_world.hpp"

namespace sealpost::security::test::matrix {

// What is true of a world.

inline bool mx_secure(const World& w) {
    return w.mx != MxKind::insecure && w.mx != MxKind::implicit_insecure;
}
inline bool has_address(const World& w) {
    return w.host != HostKind::no_address && w.host != HostKind::address_error &&
           w.host != HostKind::address_bogus;
}
inline bool tlsa_failed(const World& w) {
    return w.host == HostKind::tlsa_error || w.host == HostKind::tlsa_bogus;
}
inline bool usable(const World& w) {
    return w.host == HostKind::ee || w.host == HostKind::ta || w.host == HostKind::ta_expanded ||
           w.host == HostKind::mixed;
}
inline bool unusable(const World& w) {
    return w.host == HostKind::pkix_only || w.host == HostKind::bad_length ||
           w.host == HostKind::unknown_type || w.host == HostKind::short_rdata;
}
inline bool dane_vouches(const World& w) {
    return usable(w) && mx_secure(w);
}
inline bool enforced(const World& w) {
    return w.sts == StsKind::enforce || w.sts == StsKind::enforce_unlisted ||
           w.sts == StsKind::fetch_failed_cached;
}
inline bool tested(const World& w) {
    return w.sts == StsKind::testing || w.sts == StsKind::testing_unlisted;
}
inline bool listed(const World& w) {
    return w.sts == StsKind::enforce || w.sts == StsKind::testing || w.sts == StsKind::fetch_failed_cached;
}
inline bool memory_unreadable(const World& w) {
    return w.sts == StsKind::memory_unreadable;
}
inline bool requires_tls(const World& w) {
    return w.message == MessageTls::required;
}
inline TlsLevel level(const World& w) {
    return w.rule->rule.tls;
}
/// `none` asks for no TLS at all, unless the message requires it.
inline bool asks_tls(const World& w) {
    return level(w) != TlsLevel::none || requires_tls(w);
}

// What is true of a session.

inline bool tls(const World&, const Server& s) {
    return s.stage == TlsStage::established;
}
inline bool never(const World&, const Server&) {
    return false;
}
inline bool is_one_of(Name name, std::initializer_list<Name> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// DANE-64..68 and DANE-08: the names that a 2 x x chain may carry.
inline bool is_dane_name(const World& w, Name name) {
    const Name base = w.host == HostKind::ta_expanded ? Name::base : Name::host;
    if (name == base) return true;
    switch (w.mx) {
        case MxKind::secure:
            return name == Name::next_hop;
        case MxKind::secure_alias:
            return is_one_of(name, {Name::next_hop, Name::expanded});
        case MxKind::implicit_secure:
        case MxKind::route:
            return name == Name::host;  // the next hop as addressed, beside what it is an alias of
        case MxKind::insecure:
        case MxKind::implicit_insecure:
            return false;
    }
    return false;
}

inline ChainFault dane_fault(const World& w, const Server& s) {
    if (!usable(w) || !s.shown->tlsa) return ChainFault::no_match;
    if (w.host == HostKind::ee || w.host == HostKind::mixed) return ChainFault::none;
    if (!s.shown->in_date) return ChainFault::expired;
    return is_dane_name(w, s.shown->name) ? ChainFault::none : ChainFault::host_mismatch;
}
inline ChainFault names_fault(const Shown& shown, Issuer trusted, bool named) {
    if (shown.issuer != trusted) return ChainFault::not_trusted;
    if (!shown.in_date) return ChainFault::expired;
    return named ? ChainFault::none : ChainFault::host_mismatch;
}
inline ChainFault web_pki_fault(const Server& s) {
    return names_fault(*s.shown, Issuer::web_pki, s.shown->name == Name::host);
}
inline bool dane_ok(const World& w, const Server& s) {
    return tls(w, s) && dane_fault(w, s) == ChainFault::none;
}
inline bool web_pki_ok(const World& w, const Server& s) {
    return tls(w, s) && web_pki_fault(s) == ChainFault::none;
}
inline bool dane_vouched_ok(const World& w, const Server& s) {
    return dane_vouches(w) && dane_ok(w, s);
}
/// STS-58, STS-61.
inline bool sts_ok(const World& w, const Server& s) {
    return listed(w) && web_pki_ok(w, s);
}

}  // namespace sealpost::security::test::matrix
