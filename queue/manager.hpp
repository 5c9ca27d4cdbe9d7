/// \file Manager: the bounded active set in memory, and which delivery is next.
///
/// Owns     due recipients grouped by destination and message, their order, the per-destination limits and
/// rests.
///          Everything in it is leased in the Store; the caller carries leases and releases back and forth.
/// Shape    single-threaded; `now` is an argument; add, next and finished cost O(log n) each.
/// Fairness destinations take turns (one delivery each), and no destination may hold more recipients than
///          there is free room (the dynamic threshold of Choudhury and Hahne): n greedy ones leave 1/(n+1) of
///          the set free, so a single mail to another destination always gets in and is next after one turn.
#pragma once
#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "queue/message.hpp"

namespace sealpost::queue {

struct ManagerLimits {
    std::size_t active = 20'000;       ///< recipients in the set, in flight included
    std::size_t deliveries = 500;      ///< in flight
    std::size_t per_destination = 10;  ///< in flight to one destination
    std::size_t recipients = 100;      ///< in one delivery
};

/// One message to one destination.
struct Delivery {
    MessageId message;
    std::string domain;
    std::vector<DueRecipient> recipients;
};

class Manager {
public:
    explicit Manager(ManagerLimits limits) : limits_(limits) {}

    /// How many more recipients can come in.
    [[nodiscard]] std::size_t room() const { return limits_.active - active_; }
    [[nodiscard]] std::size_t active() const { return active_; }
    [[nodiscard]] std::size_t in_flight() const { return in_flight_; }

    enum class Add {
        added,
        no_room,    ///< release it
        saturated,  ///< its destination has its share: park it (Store::park); `hungry` tells when to ask
                    ///< again
        resting,    ///< its destination rests: release it until rest_until()
        present     ///< is in the set already: do nothing
    };
    /// On anything but `added` the recipient is left to the caller.
    [[nodiscard]] Add add(const DueRecipient& recipient, Time now);

    /// The next delivery that may start now, if any.
    [[nodiscard]] std::optional<Delivery> next(Time now);
    /// Its recipients leave the set (they were settled, or are released by the caller).
    void finished(const Delivery& delivery);

    /// A destination that does not answer is left alone until `until`. Its recipients that are not in flight
    /// leave the set: release them with this time.
    [[nodiscard]] std::vector<RecipientId> rest(const std::string& domain, Time until);
    [[nodiscard]] std::optional<Time> rest_until(const std::string& domain, Time now) const;

    /// For Store::due: destinations that may not get more now; remembered until `hungry` returns them.
    [[nodiscard]] std::set<std::string> saturated() const;
    /// Tells that recipients of this destination are parked in the store.
    void parked(const std::string& domain) { parked_.insert(domain); }
    /// A destination with parked recipients that can take some again: call Store::due_parked; when it
    /// returns fewer than asked, call parked_none.
    [[nodiscard]] std::optional<std::string> hungry() const;
    void parked_none(const std::string& domain) { parked_.erase(domain); }
    /// How many recipients of this destination may come in.
    [[nodiscard]] std::size_t room_for(const std::string& domain) const;

    /// Everything that is not in flight, to be released at shutdown.
    [[nodiscard]] std::vector<RecipientId> drain();

private:
    struct Batch {
        MessageId message;
        std::deque<DueRecipient> recipients;
    };
    struct Destination {
        std::list<Batch> waiting;  ///< in order of arrival; one batch a message
        std::unordered_map<MessageId, std::list<Batch>::iterator> by_message;
        std::size_t held = 0;  ///< recipients waiting and in flight
        std::size_t deliveries = 0;
        std::optional<std::list<std::string>::iterator> turn;  ///< its place in `turn_`, if it has one
    };
    using Destinations = std::unordered_map<std::string, Destination>;

    void take_turn(Destinations::value_type& entry);
    void lose_turn(Destination& destination);
    void end_rest(const std::string& domain);
    [[nodiscard]] std::vector<RecipientId> take_waiting(Destination& destination);
    void forget_if_idle(const std::string& domain);

    ManagerLimits limits_;
    Destinations destinations_;
    std::list<std::string> turn_;  ///< destinations that could start a delivery, in order
    std::unordered_map<std::string, Time> resting_;
    std::set<std::pair<Time, std::string>> rest_ends_;  ///< the same, in order of time
    std::set<std::string> parked_;
    std::set<RecipientId> present_;
    std::size_t active_ = 0;
    std::size_t in_flight_ = 0;
};

}  // namespace sealpost::queue
