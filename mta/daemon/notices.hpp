/// \file Who is told what of a settlement: from outcomes to notices.
///
/// Owns     the choice of kind and words; the text of a notice is made in queue/dsn.hpp. Pure.
/// Source   RFC 3461 §4.1, §5.2.1, §5.2.2, §5.2.5, §5.2.6 (NOTIFY); RFC 5321 §6.1 (never to <>).
#pragma once
#include <optional>
#include <vector>

#include "mta/daemon/settlement.hpp"

namespace sealpost {

/// The notice that this outcome owes to the sender; nullopt: none.
[[nodiscard]] std::optional<queue::DsnKind> notice_due(const SettlementInput& in, const DeliveredRecipient& r,
                                                       queue::Outcome outcome);

/// `expired`: a failure because time ran out.
[[nodiscard]] queue::DsnRecipient dsn_recipient(const SettlementInput& in, const DeliveredRecipient& r,
                                                queue::DsnKind kind, bool expired);

/// One notice for each kind, whoever it is about [DSN-13].
class NoticePlan {
public:
    void add(queue::DsnKind kind, queue::DsnRecipient recipient, queue::RecipientId id);
    /// Adds them to `plan`, with a line for the log. Errc::invalid - one of them could not be stored.
    [[nodiscard]] Result<void> build(const SettlementInput& in, SettlementPlan& plan);

private:
    struct Group {
        queue::DsnKind kind;
        std::vector<queue::DsnRecipient> recipients;
        std::vector<queue::RecipientId> about;
    };
    std::vector<Group> groups_;
};

}  // namespace sealpost
