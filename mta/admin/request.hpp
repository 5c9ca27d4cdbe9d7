/// \file What can be asked of a running daemon: the admin API as values, and as HTTP.
///
/// Owns     the routes, their parameters and bounds. The server parses with it and the command line builds
///          with it, so that both sides cannot drift apart: parse_request(encode(r)) == r.
/// Routes   GET    /v1/status
///          GET    /v1/metrics     Prometheus text, not JSON
///          GET    /v1/queue?state=&domain=&sender=&held=1&after=&limit=
///          GET    /v1/queue/ID
///          POST   /v1/queue/retry    {"id":ID} | {"domain":D} | {"all":true}, the last two with "after"
///          DELETE /v1/queue/ID
///          GET    /v1/trace/ID
///          GET    /v1/explain?domain=D&message=required|optional
///          GET    /v1/report?day=YYYY-MM-DD&domain=D | ?day=YYYY-MM-DD&after=&limit=
///          A list that is cut has a "next": give it as `after` for more.
/// Errors   a Refusal: the HTTP status, what is wrong, what to do. Unknown, repeated or malformed parameters
///          are refused, never passed over.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>

#include "config/domain.hpp"
#include "config/units.hpp"
#include "queue/message.hpp"
#include "queue/reader.hpp"
#include "security/message_tls.hpp"

namespace sealpost::admin {

inline constexpr std::size_t max_page = 1000;
inline constexpr std::size_t default_page = 100;

struct ShowStatus {};
struct ShowMetrics {};
struct ListQueue {
    queue::ListFilter filter;
    std::optional<queue::RecipientId> after;
    std::size_t limit = default_page;
};
struct ShowMessage {
    queue::MessageId id;
};
struct RetryMessage {
    queue::MessageId id;
};
/// One page of recipients becomes due now; the answer's "next" asks for the following page.
struct RetryMatching {
    std::optional<std::string> domain;  ///< nullopt: all
    std::optional<queue::RecipientId> after;
};
struct RemoveMessage {
    queue::MessageId id;
};
struct ShowTrace {
    queue::MessageId id;
};
/// What a delivery to this domain would look up and decide now; nothing is dialled.
struct Explain {
    Domain domain;
    security::MessageTls message = security::MessageTls::by_policy;
};
struct ListReports {
    queue::Day day;
    std::string after;  ///< a domain; empty: from the start
    std::size_t limit = default_page;
};
struct ShowReport {
    queue::Day day;
    Domain domain;
};

using Request = std::variant<ShowStatus, ListQueue, ShowMessage, RetryMessage, RetryMatching, RemoveMessage,
                             ShowTrace, Explain, ListReports, ShowReport, ShowMetrics>;

/// A request as it stands in HTTP.
struct Call {
    std::string method;
    std::string target;
    std::string body;
    bool operator==(const Call&) const = default;
};

struct Refusal {
    unsigned status = 400;
    std::string error;
    std::string remedy;
    std::string allow = {};  ///< of a 405: the methods of this path
};

[[nodiscard]] tl::expected<Request, Refusal> parse_request(const Call& call);
[[nodiscard]] Call encode(const Request& request);

/// "0123456789A.12": a place in the list of the queue.
[[nodiscard]] std::string to_cursor(const queue::RecipientId& id);
[[nodiscard]] std::optional<queue::RecipientId> parse_cursor(std::string_view text);

[[nodiscard]] std::optional<queue::RecipientState> parse_state(std::string_view text);

/// "2026-10-14", of the years 1970 to 9999.
using sealpost::format_day;
[[nodiscard]] std::optional<queue::Day> parse_day(std::string_view text);

/// What a next-hop domain is called in the queue: A-labels in lower case, or an address literal as given.
[[nodiscard]] std::optional<std::string> parse_destination(std::string_view text);

}  // namespace sealpost::admin
