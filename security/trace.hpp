/// \file The decision trace: everything that one delivery attempt asked, learned, decided and achieved.
///
/// Owns     the versioned JSON of an attempt and its rendering in words. Logs, `trace`, DSN and pages read
/// this one. Shape    schema 1:
/// {"schema":1,"domain",...,"rule","mx","sts","hops":[{"host","lookups","decision","sessions":[]}]}.
///          Texts from outside are printable already; sizes are bounded (records, hops, octets of a text).
/// Source   COMB-09; DESIGN "Every attempt keeps its decision trace".
#pragma once
#include <boost/json/fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "security/hop.hpp"
#include "security/verdict.hpp"

namespace sealpost::security {

/// Grows when a member changes its meaning or goes; deploy/schemas/trace-1.json says what each holds.
inline constexpr int trace_schema = 1;

/// One connection, or the attempt at one.
struct SessionTrace {
    std::string address;  ///< "192.0.2.1:25"
    std::string error;    ///< why there was no session: "connection refused", "forbidden address"
    TlsFacts facts;
    std::optional<Verdict> verdict;
    std::string reply;  ///< the last words of the server about the message
};

struct HopTrace {
    MxHost host;
    HostAnswers answers;
    TlsaSet tlsa;  ///< every record of a secure answer, with why it is used or not
    std::optional<HopDecision> decision;
    std::vector<SessionTrace> sessions;
};

struct AttemptTrace {
    std::string message;  ///< queue id; empty for explain
    Domain domain;
    std::string rule;        ///< Rule::describe()
    std::string rule_level;  ///< "auto", "dane-only", ...
    bool rule_observes = false;
    std::vector<std::string> route;  ///< of the rule, instead of the domain's own MX hosts
    MessageTls message_tls = MessageTls::by_policy;
    /// Earlier attempts that the daemon did not live to settle: what this one delivers may be a second copy.
    unsigned interrupted = 0;
    std::optional<DnsAnswer> mx_answer;
    std::optional<MxSet> mx;
    std::optional<StsState> sts;
    std::vector<HopTrace> hops;
    std::string outcome;  ///< "delivered", "deferred", "failed", "mixed"
    std::string summary;  ///< one sentence: why it ended so
    std::string remedy;
    Side side = Side::nobody;

    explicit AttemptTrace(Domain d) : domain(std::move(d)) {}
};

[[nodiscard]] std::string to_json(const AttemptTrace& trace);

/// An attempt over a connection that an earlier message had opened under the same policy: only what is its
/// own.
struct ReusedTrace {
    std::string message;
    std::string domain;
    std::string rule;
    std::string rule_level;
    unsigned nth = 2;          ///< message of the connection
    unsigned interrupted = 0;  ///< as in AttemptTrace
    std::string outcome;
    std::string summary;
    std::string reply;
};
[[nodiscard]] std::string to_json(const ReusedTrace& trace);

/// `own`, completed by `opened`, the trace of the attempt that opened the connection, where it is one of
/// those. Unchanged when it is whole by itself, or nothing fitting is left to complete it with.
[[nodiscard]] std::string whole_trace(std::string own, std::string_view opened);

/// Words for a terminal, from the JSON as it was stored. Errc::invalid - not a trace of a schema we know.
[[nodiscard]] Result<std::string> render_trace(std::string_view json);

}  // namespace sealpost::security
