/// \file The resolver's self test: does a name that must validate validate, and is a false one refused?
///
/// Owns     the judgement alone. Asking and waiting is mta/resolver/watch.hpp.
/// Rule     A validator that accepts what is known to be false, or calls insecure what is known to be signed,
///          strips DANE from every destination unseen. Its answers are then not believed: each becomes an
///          error and mail waits, until the names that told so tell otherwise. That one of several false
///          names is accepted while another is refused says something about that name: it is shown, and mail
///          goes on.
/// Source   RFC 4035 §4.3; RFC 7672 §2.1.1 ("it never assumes secure"); conformance DNS-01.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "security/dns_answer.hpp"

namespace sealpost::security {

enum class SelfTestState {
    off,      ///< no name is configured
    unknown,  ///< nothing could be told: the network, or the names are gone
    passed,
    failed
};
[[nodiscard]] std::string_view to_string(SelfTestState state);

struct SelfTest {
    SelfTestState state = SelfTestState::off;
    std::string text;             ///< why, printable; empty when passed or off
    bool believe_secure = true;   ///< as the name that must validate told last
    bool believe_refusal = true;  ///< as the names that must be refused told last

    /// Answers of the resolver may be used.
    [[nodiscard]] bool believed() const { return believe_secure && believe_refusal; }
    bool operator==(const SelfTest&) const = default;
};

/// `secure`: the answer about the name that must validate, none if it is not tested; `bogus`: those that must
/// be refused. What cannot be told now stays as it was in `before`.
[[nodiscard]] SelfTest judge_self_test(const SelfTest& before, const std::optional<DnsAnswer>& secure,
                                       const std::vector<DnsAnswer>& bogus);

}  // namespace sealpost::security
