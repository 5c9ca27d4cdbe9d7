/// \file QueueChange: what an administrator does to mail in the queue.
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "queue/recipient_row.hpp"

namespace sealpost {

enum class QueueChange {
    retry,    ///< due now
    hold,     ///< neither tried nor given up until it is released
    release,  ///< from hold
    remove,   ///< away unsent; the sender is not told. Its word is "delete"
    bounce    ///< given up; the sender is told
};
inline constexpr std::array queue_changes{QueueChange::retry, QueueChange::hold, QueueChange::release,
                                          QueueChange::remove, QueueChange::bounce};
[[nodiscard]] constexpr std::string_view to_string(QueueChange change) {
    switch (change) {
        case QueueChange::retry:
            return "retry";
        case QueueChange::hold:
            return "hold";
        case QueueChange::release:
            return "release";
        case QueueChange::remove:
            return "delete";
        case QueueChange::bounce:
            break;
    }
    return "bounce";
}

/// Longer reasons would push the rest of a notice out of sight.
inline constexpr std::size_t max_bounce_text = 500;

/// A change of so many recipients as fit into one step.
struct ChangeOrder {
    ChangeOrder(QueueChange what, std::vector<queue::RecipientRow> whom, std::string why)
        : change(what), recipients(std::move(whom)), text(std::move(why)) {}
    QueueChange change;
    std::vector<queue::RecipientRow> recipients;  ///< in the order of the queue
    std::string text;
};

struct Changed {
    std::size_t recipients = 0;
    std::size_t messages = 0;  ///< that are gone from the queue
    std::size_t notices = 0;
    std::size_t left_alone = 0;  ///< of a bounce: recipients in delivery at that moment, or frozen
};

}  // namespace sealpost
