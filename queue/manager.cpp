#include "queue/manager.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::queue {

// A destination is in `turn_` exactly while it has something waiting, a free delivery slot and no rest:
//
//            add                     next: nothing waits or no slot is free, or rest
//   (idle) -------> in turn_ --------------------------------------------> out of turn_
//                      ^                                                        |
//                      +---------- finished, the rest is over, add <------------+

void Manager::take_turn(Destinations::value_type& entry) {
    Destination& d = entry.second;
    if (d.turn || d.waiting.empty() || d.deliveries >= limits_.per_destination ||
        resting_.contains(entry.first))
        return;
    d.turn = turn_.insert(turn_.end(), entry.first);
}

void Manager::lose_turn(Destination& destination) {
    if (destination.turn) turn_.erase(*destination.turn);
    destination.turn.reset();
}

void Manager::end_rest(const std::string& domain) {
    const auto it = resting_.find(domain);
    if (it == resting_.end()) return;
    rest_ends_.erase({it->second, domain});
    resting_.erase(it);
}

void Manager::forget_if_idle(const std::string& domain) {
    const auto it = destinations_.find(domain);
    if (it != destinations_.end() && it->second.held == 0) destinations_.erase(it);
}

std::size_t Manager::room_for(const std::string& domain) const {
    const auto it = destinations_.find(domain);
    const std::size_t held = it != destinations_.end() ? it->second.held : 0;
    // Each one that comes in raises `held` and lowers the room: half the difference fits.
    return room() > held ? (room() - held + 1) / 2 : 0;
}

Manager::Add Manager::add(const DueRecipient& recipient, Time now) {
    const std::string& domain = recipient.recipient.domain;
    if (present_.contains(recipient.id)) return Add::present;
    if (rest_until(domain, now)) return Add::resting;
    if (room() == 0) return Add::no_room;
    if (room_for(domain) == 0) {
        parked_.insert(domain);
        return Add::saturated;
    }
    end_rest(domain);
    auto& entry = *destinations_.try_emplace(domain).first;
    Destination& d = entry.second;
    const auto [known, is_new] = d.by_message.try_emplace(recipient.id.message, d.waiting.end());
    if (is_new) known->second = d.waiting.insert(d.waiting.end(), Batch{recipient.id.message, {}});
    known->second->recipients.push_back(recipient);
    present_.insert(recipient.id);
    ++d.held;
    ++active_;
    take_turn(entry);
    return Add::added;
}

std::optional<Delivery> Manager::next(Time now) {
    while (!rest_ends_.empty() && rest_ends_.begin()->first <= now) {
        const std::string domain = rest_ends_.begin()->second;
        end_rest(domain);
        if (const auto it = destinations_.find(domain); it != destinations_.end()) take_turn(*it);
    }
    if (in_flight_ >= limits_.deliveries || turn_.empty()) return std::nullopt;
    auto& entry = *destinations_.find(turn_.front());
    Destination& d = entry.second;
    lose_turn(d);

    Batch& batch = d.waiting.front();
    Delivery delivery{.message = batch.message, .domain = entry.first, .recipients = {}};
    const std::size_t count = std::min(std::max<std::size_t>(1, limits_.recipients), batch.recipients.size());
    for (std::size_t i = 0; i < count; ++i) {
        delivery.recipients.push_back(std::move(batch.recipients.front()));
        batch.recipients.pop_front();
    }
    if (batch.recipients.empty()) {
        d.by_message.erase(batch.message);
        d.waiting.pop_front();
    }
    ++d.deliveries;
    ++in_flight_;
    take_turn(entry);
    return delivery;
}

void Manager::finished(const Delivery& delivery) {
    const auto it = destinations_.find(delivery.domain);
    if (it == destinations_.end()) return;
    for (const DueRecipient& recipient : delivery.recipients) present_.erase(recipient.id);
    active_ -= delivery.recipients.size();
    it->second.held -= delivery.recipients.size();
    --it->second.deliveries;
    --in_flight_;
    take_turn(*it);
    forget_if_idle(delivery.domain);
}

std::vector<RecipientId> Manager::take_waiting(Destination& destination) {
    std::vector<RecipientId> ids;
    for (const Batch& batch : destination.waiting)
        for (const DueRecipient& recipient : batch.recipients) {
            ids.push_back(recipient.id);
            present_.erase(recipient.id);
        }
    lose_turn(destination);
    destination.waiting.clear();
    destination.by_message.clear();
    destination.held -= ids.size();
    active_ -= ids.size();
    return ids;
}

std::vector<RecipientId> Manager::rest(const std::string& domain, Time until) {
    end_rest(domain);
    resting_.emplace(domain, until);
    rest_ends_.emplace(until, domain);
    const auto it = destinations_.find(domain);
    if (it == destinations_.end()) return {};
    std::vector<RecipientId> ids = take_waiting(it->second);
    forget_if_idle(domain);
    return ids;
}

std::optional<Time> Manager::rest_until(const std::string& domain, Time now) const {
    const auto it = resting_.find(domain);
    if (it == resting_.end() || it->second <= now) return std::nullopt;
    return it->second;
}

std::set<std::string> Manager::saturated() const {
    std::set<std::string> domains;
    if (room() > active_) return domains;  // nobody can hold more than there is room
    for (const auto& [domain, destination] : destinations_)
        if (room_for(domain) == 0) domains.insert(domain);
    return domains;
}

std::optional<std::string> Manager::hungry() const {
    for (const std::string& domain : parked_)
        if (room_for(domain) >= std::min(limits_.recipients, limits_.active / 4 + 1)) return domain;
    return std::nullopt;
}

std::vector<RecipientId> Manager::drain() {
    std::vector<RecipientId> ids;
    for (auto it = destinations_.begin(); it != destinations_.end();) {
        const std::vector<RecipientId> taken = take_waiting(it->second);
        ids.insert(ids.end(), taken.begin(), taken.end());
        it = it->second.held == 0 ? destinations_.erase(it) : std::next(it);
    }
    return ids;
}

}  // namespace sealpost::queue
