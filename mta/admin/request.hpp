/// \file What can be asked of a running daemon: the admin API as values, and as HTTP.
///
/// Owns     the routes, their parameters and bounds. The server parses with it and the command line builds
///          with it, so that both sides cannot drift apart: parse_request(encode(r)) == r.
/// Routes   GET    /v1/status
///          GET    /v1/metrics     Prometheus text, not JSON
///          GET    /v1/queue?FILTER&after=&limit=
///          GET    /v1/queue/count?FILTER
///          GET    /v1/queue/shape?FILTER&by=recipient|sender&limit=
///          GET    /v1/queue/ID
///          POST   /v1/queue/retry|hold|release|delete|bounce    FILTER as an object, with "after", "text";
///          for
///                 all mail "all":true. One page changes; the answer's "next" asks for the following page.
///          FILTER is id= (several with commas), from=, to=, domain=, state=, before=, reason=, policy=,
///          until= as queue/filter.hpp reads them. GET    /v1/trace/ID GET
///          /v1/explain?domain=D&message=required|optional GET    /v1/report?day=YYYY-MM-DD&domain=D |
///          ?day=YYYY-MM-DD&after=&limit= A list that is cut has a "next": give it as `after` for more.
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
#include "mta/admin/queue_change.hpp"
#include "queue/filter.hpp"
#include "queue/message.hpp"
#include "queue/result_store.hpp"
#include "security/message_tls.hpp"

namespace sealpost::admin {

inline constexpr std::size_t max_page = 1000;
inline constexpr std::size_t default_page = 100;

struct ShowStatus {};
struct ShowMetrics {};
struct ListQueue {
    queue::Filter filter;
    std::optional<queue::RecipientId> after;
    std::size_t limit = default_page;
};
struct CountQueue {
    queue::Filter filter;
};
enum class ShapeBy { recipient, sender };  ///< whose domains are counted
struct ShapeQueue {
    queue::Filter filter;
    ShapeBy by = ShapeBy::recipient;
    std::size_t limit = default_page;  ///< domains with a row of their own
};
struct ShowMessage {
    queue::MessageId id;
};
/// One page of recipients is changed.
struct ChangeQueue {
    QueueChange change = QueueChange::retry;
    queue::Filter filter;
    std::optional<queue::RecipientId> after;
    std::string text;  ///< of a bounce: what its notice tells as the reason
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

using Request = std::variant<ShowStatus, ListQueue, CountQueue, ShapeQueue, ShowMessage, ChangeQueue,
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

/// "2026-10-14", of the years 1970 to 9999.
using sealpost::format_day;
[[nodiscard]] std::optional<queue::Day> parse_day(std::string_view text);

}  // namespace sealpost::admin
