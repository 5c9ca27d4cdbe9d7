// Names in a certificate against the name that is looked for. The input is lines: the reference name, then
// "d" and a dNSName, "c" and a common name, "e" and a mail address, octets as they stand. A leaf with these
// names is issued by a CA that is trusted, so nothing but the names decides; and what OpenSSL says must be
// what a few lines here say that know nothing of OpenSSL:
// - WebPKI: some dNSName is the name, or "*." and all of the name behind its first label, which has two
// labels or more;
// - DANE-TA: the same, and common names by the same rule where there is no dNSName at all.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../security/support/certificate_factory.hpp"
#include "require.hpp"
#include "security/remote_text.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

/// RFC 6125 §6.4.3, RFC 7672 §3.2.3. `host` is in lower case and well formed, as a Domain is.
bool names(std::string_view presented, std::string_view host) {
    const std::string name = lower(presented);
    if (name == host) return true;
    const std::size_t dot = host.find('.');
    if (!name.starts_with("*.") || dot == std::string_view::npos) return false;
    const std::string_view rest = host.substr(dot + 1);
    return rest.find('.') != std::string_view::npos && name.substr(2) == rest;
}

bool any_names(const std::vector<std::string>& presented, std::string_view host) {
    return std::any_of(presented.begin(), presented.end(),
                       [&](const std::string& one) { return names(one, host); });
}

struct Authority {
    // A leaf of the same name (in any case) would be taken for self-signed, whatever its names are.
    Certificate ca =
        issue({.common_name = "the authority of these certificates, whom no input names", .ca = true});
    Key leaf_key = make_key();
    TrustStore store = store_of({ca});
    TlsaSet tlsa = assess_tlsa({tlsa_for(ca, 2, 0, 1)}, {}).value();
};

/// Splits off the text before the next LF.
std::string take_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

void check(const ChainOutcome& out, bool expected, std::string_view host) {
    // OpenSSL matches no wildcard where '_' stands in the name; that is stricter, and no such name is a
    // host's.
    if (out.ok || host.find('_') == std::string_view::npos) require(out.ok == expected);
    if (!out.ok) require(out.fault == ChainFault::host_mismatch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Authority authority;
    const std::string text(data, data + size);
    std::string_view rest(text);
    const Result<Domain> host = Domain::parse(take_line(rest));
    if (!host) return 0;
    CertificateOrder order{.key = authority.leaf_key};
    while (!rest.empty() && order.dns.size() + order.more_common_names.size() < 12) {
        const std::string line = take_line(rest);
        if (line.starts_with('d')) order.dns.push_back(line.substr(1));
        // Nobody reads a certificate whose UTF8String is none.
        if (line.starts_with('c') && line.size() > 1 && is_utf8(line.substr(1)))
            order.more_common_names.push_back(line.substr(1));
        if (line.starts_with('e')) order.mail.push_back(line.substr(1));
    }
    const PeerChain chain = chain_of({issue(order, &authority.ca), authority.ca});

    const bool by_dns = any_names(order.dns, host->str());
    check(verify_web_pki(chain, authority.store, *host, verification_time), by_dns, host->str());
    const bool by_common_name = order.dns.empty() && any_names(order.more_common_names, host->str());
    check(verify_dane(chain, authority.tlsa, *host, {}, verification_time), by_dns || by_common_name,
          host->str());
    return 0;
}
