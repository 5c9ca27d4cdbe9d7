/// \file One small hierarchy of certificates that the tests of chain verification share.
#pragma once
#include "answers.hpp"
#include "certificate_factory.hpp"

namespace sealpost::security::test {

/// root -> intermediate -> leaf for mx.example.org, and relatives that each break one rule.
struct Pki {
    Certificate root = issue({.common_name = "Root", .ca = true});
    Certificate inter = issue({.common_name = "Intermediate", .ca = true}, &root);
    Certificate leaf = leaf_by(inter);
    Certificate self_signed = issue({.common_name = "mx.example.org", .dns = {"mx.example.org"}});
    Certificate self_signed_ca =
        issue({.common_name = "mx.example.org", .dns = {"mx.example.org"}, .ca = true});

    Certificate old_root =
        issue({.common_name = "Root", .begins = -60, .ends = -1, .ca = true, .key = root.key});
    Certificate old_inter = issue(
        {.common_name = "Intermediate", .begins = -60, .ends = -1, .ca = true, .key = inter.key}, &root);
    Certificate next_inter =
        issue({.common_name = "Intermediate", .begins = 1, .ends = 60, .ca = true, .key = inter.key}, &root);
    Certificate no_ca = issue({.common_name = "Intermediate", .key = inter.key}, &root);
    Certificate impostor = issue({.common_name = "Intermediate", .ca = true}, &root);  // same name, other key
    Certificate other_root = issue({.common_name = "Other root", .ca = true});
    Certificate short_root = issue({.common_name = "Root", .ca = true, .path_length = 0, .key = root.key});
    Certificate narrow_root =
        issue({.common_name = "Root", .ca = true, .permitted = "DNS:example.net", .key = root.key});
    Certificate weak_inter =
        issue({.common_name = "Weak", .ca = true, .key = make_key(KeyKind::rsa_1024)}, &root);

    static Certificate leaf_by(const Certificate& issuer, CertificateOrder order = {}) {
        if (order.common_name.empty()) order.common_name = "leaf";
        if (order.dns.empty()) order.dns = {"mx.example.org"};
        return issue(order, &issuer);
    }
};

inline const Pki& pki() {
    static const Pki made;
    return made;
}

}  // namespace sealpost::security::test
