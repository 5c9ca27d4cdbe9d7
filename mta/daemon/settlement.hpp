/// \file From the report of a delivery to what becomes true in the store, and the lines that say so.
///
/// Owns     when to try again and when to give up: pure, with clock and chance as arguments. Whom to tell:
///          notices.hpp.
/// Source   RFC 5321 §4.5.4.1, §6.1; RFC 8461 §5.1; RFC 3464; DESIGN "a policy failure delays; it never
/// bounces before its deadline".
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "mta/daemon/log.hpp"
#include "mta/delivery/deliverer.hpp"
#include "queue/dsn.hpp"
#include "queue/retry.hpp"
#include "queue/store.hpp"

namespace sealpost {

struct SettlementInput {
    const QueueSettings* settings = nullptr;
    std::string hostname;
    const queue::StoredMessage* message = nullptr;
    std::string_view beginning;  ///< of a stored body: so much that it is seen whether it may be returned
    const DeliveryReport* report = nullptr;
    queue::Time began{};  ///< when the delivery began
    queue::Time now{};
    queue::Time lived_until{};  ///< life_clock(): whether its time is over
    Millis connecting{};        ///< from then until the transaction
    Millis sending{};
    std::vector<double> random;  ///< one in [0, 1) for each recipient
    /// This attempt began as the last one, with a look for a newer MTA-STS policy.
    bool sts_checked = false;
    queue::MessageIdSource* ids = nullptr;
    queue::DestinationTimes times;  ///< of the destination: times_of()
    std::string contact;            ///< whom to ask at the partner, of the rule; empty: not known
    std::function<std::optional<queue::NewMessage>(const queue::Dsn&)> build_dsn = queue::build_dsn;
};

struct SettlementPlan {
    explicit SettlementPlan(queue::MessageId id)
        : settlement{
              .message = id, .at = {}, .recipients = {}, .trace = {}, .tls_results = {}, .notices = {}} {}
    queue::Settlement settlement;
    std::vector<DeliveryLine> lines;
    std::vector<std::string> notes;  ///< lines about the notices, for "qmgr"
    std::string alarm;               ///< a bug of ours that an operator must see; empty: none
};

/// Of the rule for this next-hop on the day of `now`.
[[nodiscard]] queue::DestinationTimes times_of(const security::RuleTable& rules,
                                               const QueueSettings& settings, const std::string& domain,
                                               queue::Time now);

[[nodiscard]] SettlementPlan plan_settlement(const SettlementInput& input);

}  // namespace sealpost
