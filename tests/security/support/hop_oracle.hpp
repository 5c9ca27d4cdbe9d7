/// \file A second reading of the outcome tables: what must become of one message, one host and one session.
///
/// Owns     the rows of the DANE, MTA-STS, REQUIRETLS and rules tables, each as who speaks, when it speaks
/// and
///          what satisfies it; and the report that each applied policy is owed.
/// Never    calls decide_hop() or judge(), and reads of the code only its vocabulary. Where the texts leave a
///          choice, what is expected is a set, not a value.
/// Source   RFC 7672 §2.2, §3.2.2, §6; RFC 8461 §2, §4, §5, §6; RFC 8689 §4.2; RFC 8460 §4; AMB-01,
/// AMB-30..32.
#pragma once
#include <string>
#include <vector>

#include "hop_world.hpp"

namespace sealpost::security::test::matrix {

enum class Fate {
    held,
    tls,         ///< sent over TLS
    clear,       ///< sent in clear on the same connection
    clear_again  ///< sent in clear, on a new connection
};

/// Who holds the mail.
enum class Voice { circumstances, published, rule, message };

struct Row {
    std::string_view name;
    Voice voice;
    bool (*speaks)(const World&);
    bool (*satisfied)(const World&, const Server&);
    bool before_connect = false;  ///< never satisfied, whatever the server does: it is not even contacted
};

struct Expected {
    Fate fate = Fate::held;
    bool no_connection = false;     ///< a row forbids even to connect
    std::vector<const Row*> unmet;  ///< that bind
    bool rule_would_hold = false;   ///< the rule alone would hold what is sent, were it not observed
};

[[nodiscard]] Expected expect(const World& world, const Server& server);

/// The conditions of Postfix's word `Verified`: the peer is authenticated as the destination demands. `may`:
/// its rows would allow the word; `must`: a binding row was satisfied by just that.
[[nodiscard]] bool may_be_verified(const World& world, const Server& server);
[[nodiscard]] bool must_be_verified(const World& world, const Server& server);
/// Something authenticated the host by its name or key, whoever chose the host.
[[nodiscard]] bool host_authenticated(const World& world, const Server& server);

/// Of a message with REQUIRETLS: which enhanced codes are right if no other host is left.
struct LackChoice {
    bool none = false;
    bool tls = false;
    bool requiretls = false;
    [[nodiscard]] bool contains(Lack lack) const {
        return lack == Lack::none ? none : lack == Lack::tls ? tls : requiretls;
    }
};
/// `connected`: the host was contacted; else `server` does not count.
[[nodiscard]] LackChoice expected_lack(const World& world, const Server& server, bool connected);

/// What is wrong with these results; empty: nothing.
[[nodiscard]] std::string wrong_session_results(const World& world, const Server& server,
                                                const std::vector<TlsResult>& results);
/// The same for a host that was not contacted, for `reason`.
[[nodiscard]] std::string wrong_skip_results(const World& world, HopReason reason,
                                             const std::vector<TlsResult>& results);
/// False of a reason for not contacting the host that is none of the world's.
[[nodiscard]] bool reason_fits(const World& world, HopReason reason);
/// DANE-72, COMB-07, STS-71, TLS-17.
[[nodiscard]] const std::string& expected_sni(const World& world);

}  // namespace sealpost::security::test::matrix
