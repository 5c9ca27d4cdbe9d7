/// \file RecipientRow: one recipient in the queue as an administrator sees it.
///
/// Shape    a row of the database is input like any other: what cannot be is shown as frozen, with zeros.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "queue/message.hpp"

namespace sealpost::queue {

enum class RecipientState {
    queued,  ///< waits for next_attempt
    active,  ///< in the daemon's active set
    parked,  ///< due; waits for its destination's share of the active set
    frozen,  ///< damaged: an administrator must look
    on_hold  ///< by the administrator; not tried and not given up until it is released
};
/// "queued", "active", "parked", "frozen", "on-hold".
[[nodiscard]] std::string_view to_string(RecipientState state);
[[nodiscard]] std::optional<RecipientState> parse_state(std::string_view text);

struct RecipientRow {
    RecipientId id;
    std::string sender;
    Recipient recipient;
    RecipientState state = RecipientState::queued;
    bool attempting = false;  ///< an attempt runs, also while it is on hold
    Time received_at{};
    Time expires_at{};
    Time next_attempt{};
    std::optional<Time> last_attempt;
    unsigned attempts = 0;
    unsigned interrupted = 0;
    std::string last_host;
    std::string last_status;
    std::string last_reply;
    std::string held_reason;  ///< empty: not held by policy
    std::uint64_t size = 0;   ///< octets of the message
};

}  // namespace sealpost::queue
