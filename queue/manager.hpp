/// \file Manager: the bounded active set in memory, and which delivery is next.
///
/// Owns     due recipients grouped by destination and message, their order, and for each destination how many
///          connections it may have now, how often mail may go there, and whether it rests.
///          Everything in it is leased in the Store; the caller carries leases and releases back and forth.
/// Shape    single-threaded; `now` is an argument; add, next and finished cost O(log n) each.
/// Fairness destinations take turns (one run each), and no destination may hold more recipients than
///          there is free room (the dynamic threshold of Choudhury and Hahne): n greedy ones leave 1/(n+1) of
///          the set free, so a single mail to another destination always gets in and is next after one turn.
/// Limits   what is remembered of idle destinations is bounded; what does not fit starts again like a new
/// one.
#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "queue/message.hpp"
#include "queue/pacing.hpp"

namespace sealpost::queue {

struct ManagerLimits {
    std::size_t active = 20'000;          ///< recipients in the set, in flight included
    std::size_t connections = 500;        ///< runs under way
    std::size_t recipients = 100;         ///< in one delivery
    std::size_t run = 8;                  ///< deliveries in one run
    std::size_t connections_per_mx = 50;  ///< to all destinations that share an MX set
    std::chrono::milliseconds longest_rest = std::chrono::hours(4);
    std::optional<Rate> rate{};  ///< messages to all destinations
};

/// What the operator allows for one destination.
struct DestinationLimits {
    std::size_t connections = 20;
    std::optional<Rate> rate{};
};
using LimitsOf = std::function<DestinationLimits(const std::string& domain)>;

/// The message as it was accepted, while memory lasts; otherwise it is read from the store.
using MessageInMemory = std::shared_ptr<const StoredMessage>;

/// One message to one destination.
struct Delivery {
    MessageId message;
    std::string domain;
    std::vector<DueRecipient> recipients;
    MessageInMemory in_memory{};
};

/// What one connection is given: deliveries to one destination, one after the other.
struct Run {
    std::string domain;
    std::vector<Delivery> deliveries;
    /// To be made of them. The others are there for a destination that turns out to be dead again: what has
    /// become due for them (a notice of delay, the end of their time) must not wait for a connection each.
    std::size_t make = 0;
};

/// How a run ended, for the connections of its destination.
enum class RunEnd {
    delivered,  ///< a server took the transactions up, whatever it answered
    trouble,    ///< no connection, or none that the policy allows
    dead,       ///< no host could be reached at all
    nothing     ///< says nothing of the destination
};

class Manager {
public:
    explicit Manager(ManagerLimits limits, LimitsOf limits_of = {});

    /// How many more recipients can come in.
    [[nodiscard]] std::size_t room() const { return limits_.active - active_; }
    [[nodiscard]] std::size_t active() const { return active_; }
    /// Runs under way.
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
    [[nodiscard]] Add add(const DueRecipient& recipient, Instant now, const MessageInMemory& in_memory = {});

    /// The next run that may start now, if any.
    [[nodiscard]] std::optional<Run> next(Instant now);
    /// When next() may give something though nothing was added or finished: a rest or a pause ends. nullopt:
    /// never.
    [[nodiscard]] std::optional<Instant> next_change() const;

    /// Its recipients leave the set (they were settled, or are released by the caller). `mx`: the name of the
    /// MX set that was tried, empty when unknown. A destination that is dead begins to rest: those of its
    /// recipients that are not in flight leave the set and are returned, to be released until rest_until().
    [[nodiscard]] std::vector<RecipientId> finished(const Run& run, RunEnd end, const std::string& mx,
                                                    Instant now);
    [[nodiscard]] std::optional<Instant> rest_until(const std::string& domain, Instant now) const;
    /// The administrator wants it tried now.
    void end_rests();
    /// The rules have changed.
    void renew_limits();

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
        MessageInMemory in_memory;
    };
    struct Destination {
        std::list<Batch> waiting;  ///< in order of arrival; one batch a message
        std::unordered_map<MessageId, std::list<Batch>::iterator> by_message;
        std::size_t held = 0;  ///< recipients waiting and in flight
        std::size_t runs = 0;
        std::optional<std::list<std::string>::iterator> turn;  ///< its place in `turn_`, if it has one
        bool waits_for_mx = false;                             ///< stands in line in its MX set
    };
    using Destinations = std::unordered_map<std::string, Destination>;
    /// What is known of a destination, also while it has nothing in the set.
    struct Known {
        Window window;
        std::optional<Pace> pace;
        std::string mx;
        unsigned dead = 0;  ///< times in a row
    };
    struct MxSet {
        std::size_t runs = 0;
        std::deque<std::string> line;  ///< destinations that wait for one of them to end
    };

    [[nodiscard]] Known& known(const std::string& domain);
    void take_turn(Destinations::value_type& entry);
    void lose_turn(Destination& destination);
    [[nodiscard]] bool mx_is_full(const std::string& mx) const;
    void mx_run_ended(const std::string& mx);
    void pause(const std::string& domain, Instant until, bool rest);
    void end_pause(const std::string& domain);
    [[nodiscard]] Delivery take_delivery(Destination& destination, const std::string& domain) const;
    [[nodiscard]] std::vector<RecipientId> take_waiting(Destination& destination);
    void forget_if_idle(const std::string& domain);

    struct HashId {
        std::size_t operator()(const RecipientId& id) const noexcept {
            return std::hash<std::int64_t>{}(id.message.value() * 31 + id.number);
        }
    };
    struct Pause {
        Instant until;
        bool rest;  ///< nothing may come in
    };

    ManagerLimits limits_;
    LimitsOf limits_of_;
    std::optional<Pace> pace_;
    Destinations destinations_;
    std::unordered_map<std::string, Known> known_;
    std::unordered_map<std::string, MxSet> mx_sets_;  ///< those with a run
    std::list<std::string> turn_;                     ///< destinations that could start a run, in order
    std::unordered_map<std::string, Pause> paused_;
    std::set<std::pair<Instant, std::string>> pause_ends_;  ///< the same, in order of time
    std::set<std::string> parked_;
    std::unordered_set<RecipientId, HashId> present_;
    std::size_t active_ = 0;
    std::size_t in_flight_ = 0;
};

}  // namespace sealpost::queue
