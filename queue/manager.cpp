#include "queue/manager.hpp"

#include <algorithm>
#include <utility>

namespace sealpost::queue {

// A destination is in `turn_` exactly while it has something waiting, a free connection of its window, no
// pause, and does not stand in line for its MX set:
//
//            add                     next: nothing waits or no connection is free, a pause, the MX set is
//            full
//   (idle) -------> in turn_ ------------------------------------------------------------> out of turn_
//                      ^                                                                       |
//                      +---------- finished, the pause is over, add, a run of its MX set ended <+

namespace {

constexpr std::size_t max_known = 20'000;
constexpr std::size_t max_paused = 100'000;
constexpr std::size_t looked_at = 16;

}  // namespace

Manager::Manager(ManagerLimits limits, LimitsOf limits_of)
    : limits_(limits), limits_of_(std::move(limits_of)) {
    if (limits_.rate) pace_.emplace(*limits_.rate);
}

Manager::Known& Manager::known(const std::string& domain) {
    if (const auto found = known_.find(domain); found != known_.end()) return found->second;
    if (known_.size() >= max_known) {
        auto it = known_.begin();
        for (std::size_t i = 0; i < looked_at && it != known_.end(); ++i) {
            const bool used = destinations_.contains(it->first) || paused_.contains(it->first);
            it = used ? std::next(it) : known_.erase(it);
        }
    }
    const DestinationLimits limits = limits_of_ ? limits_of_(domain) : DestinationLimits{};
    Known fresh{.window = Window(limits.connections), .pace = {}, .mx = {}, .dead = 0};
    if (limits.rate) fresh.pace.emplace(*limits.rate);
    return known_.emplace(domain, std::move(fresh)).first->second;
}

void Manager::renew_limits() {
    if (!limits_of_) return;
    for (auto& [domain, known] : known_) {
        const DestinationLimits limits = limits_of_(domain);
        known.window.set_limit(limits.connections);
        if (limits.rate && (!known.pace || known.pace->rate() != *limits.rate))
            known.pace.emplace(*limits.rate);
        else if (!limits.rate)
            known.pace.reset();
    }
    for (auto& entry : destinations_) take_turn(entry);
}

bool Manager::mx_is_full(const std::string& mx) const {
    const auto found = mx_sets_.find(mx);
    return found != mx_sets_.end() && found->second.runs >= limits_.connections_per_mx;
}

void Manager::take_turn(Destinations::value_type& entry) {
    Destination& d = entry.second;
    if (d.turn || d.waits_for_mx || d.waiting.empty() || paused_.contains(entry.first)) return;
    if (d.runs >= known(entry.first).window.size()) return;
    d.turn = turn_.insert(turn_.end(), entry.first);
}

void Manager::lose_turn(Destination& destination) {
    if (destination.turn) turn_.erase(*destination.turn);
    destination.turn.reset();
}

void Manager::pause(const std::string& domain, Instant until, bool rest) {
    end_pause(domain);
    if (paused_.size() >= max_paused) return;
    paused_.emplace(domain, Pause{until, rest});
    pause_ends_.emplace(until, domain);
}

void Manager::end_pause(const std::string& domain) {
    const auto it = paused_.find(domain);
    if (it == paused_.end()) return;
    pause_ends_.erase({it->second.until, domain});
    paused_.erase(it);
}

void Manager::end_rests() {
    for (auto it = paused_.begin(); it != paused_.end();) {
        if (!it->second.rest) {
            ++it;
            continue;
        }
        pause_ends_.erase({it->second.until, it->first});
        it = paused_.erase(it);
    }
    for (auto& entry : destinations_) take_turn(entry);
}

void Manager::forget_if_idle(const std::string& domain) {
    const auto it = destinations_.find(domain);
    if (it != destinations_.end() && it->second.held == 0) {
        lose_turn(it->second);
        destinations_.erase(it);
    }
}

std::size_t Manager::room_for(const std::string& domain) const {
    const auto it = destinations_.find(domain);
    const std::size_t held = it != destinations_.end() ? it->second.held : 0;
    // Each one that comes in raises `held` and lowers the room: half the difference fits.
    return room() > held ? (room() - held + 1) / 2 : 0;
}

Manager::Add Manager::add(const DueRecipient& recipient, Instant now, const MessageInMemory& in_memory) {
    const std::string& domain = recipient.recipient.domain;
    if (present_.contains(recipient.id)) return Add::present;
    if (rest_until(domain, now)) return Add::resting;
    if (room() == 0) return Add::no_room;
    if (room_for(domain) == 0) {
        parked_.insert(domain);
        return Add::saturated;
    }
    auto& entry = *destinations_.try_emplace(domain).first;
    Destination& d = entry.second;
    const auto [by_message, is_new] = d.by_message.try_emplace(recipient.id.message, d.waiting.end());
    if (is_new)
        by_message->second = d.waiting.insert(d.waiting.end(), Batch{recipient.id.message, {}, in_memory});
    by_message->second->recipients.push_back(recipient);
    present_.insert(recipient.id);
    ++d.held;
    ++active_;
    take_turn(entry);
    return Add::added;
}

Delivery Manager::take_delivery(Destination& destination, const std::string& domain) const {
    Batch& batch = destination.waiting.front();
    Delivery delivery{
        .message = batch.message, .domain = domain, .recipients = {}, .in_memory = batch.in_memory};
    const std::size_t count = std::min(std::max<std::size_t>(1, limits_.recipients), batch.recipients.size());
    for (std::size_t i = 0; i < count; ++i) {
        delivery.recipients.push_back(std::move(batch.recipients.front()));
        batch.recipients.pop_front();
    }
    if (batch.recipients.empty()) {
        destination.by_message.erase(batch.message);
        destination.waiting.pop_front();
    }
    return delivery;
}

std::optional<Run> Manager::next(Instant now) {
    while (!pause_ends_.empty() && pause_ends_.begin()->first <= now) {
        const std::string domain = pause_ends_.begin()->second;
        end_pause(domain);
        if (const auto it = destinations_.find(domain); it != destinations_.end()) take_turn(*it);
    }
    if (in_flight_ >= limits_.connections || (pace_ && pace_->next() > now)) return std::nullopt;
    while (!turn_.empty()) {
        auto& entry = *destinations_.find(turn_.front());
        Destination& d = entry.second;
        lose_turn(d);
        Known& k = known(entry.first);
        if (!k.mx.empty() && mx_is_full(k.mx)) {
            mx_sets_[k.mx].line.push_back(entry.first);
            d.waits_for_mx = true;
            continue;
        }
        // What waits is spread over the connections that may still be opened; the rest of a deep queue
        // follows on the same ones.
        const std::size_t free =
            std::max<std::size_t>(1, k.window.size() - std::min(k.window.size(), d.runs));
        std::size_t length =
            std::clamp<std::size_t>(d.waiting.size() / free, 1, std::max<std::size_t>(1, limits_.run));
        if (k.pace || pace_) length = 1;
        Run run{.domain = entry.first, .deliveries = {}, .make = length};
        const std::size_t taken = k.dead > 0 ? d.waiting.size() : length;
        while (run.deliveries.size() < taken && !d.waiting.empty())
            run.deliveries.push_back(take_delivery(d, entry.first));
        if (k.pace) {
            k.pace->took(1, now);
            pause(entry.first, k.pace->next(), false);
        }
        if (pace_) pace_->took(1, now);
        if (!k.mx.empty()) ++mx_sets_[k.mx].runs;
        ++d.runs;
        ++in_flight_;
        take_turn(entry);
        return run;
    }
    return std::nullopt;
}

std::optional<Instant> Manager::next_change() const {
    std::optional<Instant> when;
    if (!pause_ends_.empty()) when = pause_ends_.begin()->first;
    if (pace_ && !turn_.empty() && (!when || pace_->next() < *when)) when = pace_->next();
    return when;
}

void Manager::mx_run_ended(const std::string& mx) {
    const auto found = mx_sets_.find(mx);
    if (found == mx_sets_.end()) return;
    if (found->second.runs > 0) --found->second.runs;
    while (!found->second.line.empty() && found->second.runs < limits_.connections_per_mx) {
        const std::string domain = std::move(found->second.line.front());
        found->second.line.pop_front();
        const auto it = destinations_.find(domain);
        if (it == destinations_.end() || !it->second.waits_for_mx) continue;
        it->second.waits_for_mx = false;
        take_turn(*it);
        if (it->second.turn) break;
    }
    if (found->second.runs == 0 && found->second.line.empty()) mx_sets_.erase(found);
}

std::vector<RecipientId> Manager::finished(const Run& run, RunEnd end, const std::string& mx, Instant now) {
    const auto it = destinations_.find(run.domain);
    if (it == destinations_.end()) return {};
    Destination& d = it->second;
    for (const Delivery& delivery : run.deliveries) {
        for (const DueRecipient& recipient : delivery.recipients) present_.erase(recipient.id);
        active_ -= delivery.recipients.size();
        d.held -= delivery.recipients.size();
    }
    --d.runs;
    --in_flight_;
    Known& k = known(run.domain);
    const std::string before = k.mx;
    if (!mx.empty() && mx != k.mx && d.runs == 0) k.mx = mx;  // counts go back to where they were taken
    std::vector<RecipientId> leave;
    switch (end) {
        case RunEnd::delivered:
            k.dead = 0;
            k.window.succeeded();
            break;
        case RunEnd::trouble:
            k.window.failed();
            break;
        case RunEnd::dead:
            // Of several at once the first begins the rest: the others say nothing new.
            if (!rest_until(run.domain, now)) {
                ++k.dead;
                k.window.probe();
                pause(run.domain, now + rest_after(k.dead, limits_.longest_rest), true);
            }
            if (paused_.contains(run.domain)) leave = take_waiting(d);
            break;
        case RunEnd::nothing:
            break;
    }
    if (!before.empty()) mx_run_ended(before);
    take_turn(*it);
    forget_if_idle(run.domain);
    return leave;
}

std::vector<RecipientId> Manager::take_waiting(Destination& destination) {
    std::vector<RecipientId> ids;
    for (const Batch& batch : destination.waiting)
        for (const DueRecipient& recipient : batch.recipients) {
            ids.push_back(recipient.id);
            present_.erase(recipient.id);
        }
    lose_turn(destination);
    destination.waits_for_mx = false;
    destination.waiting.clear();
    destination.by_message.clear();
    destination.held -= ids.size();
    active_ -= ids.size();
    return ids;
}

std::optional<Instant> Manager::rest_until(const std::string& domain, Instant now) const {
    const auto it = paused_.find(domain);
    if (it == paused_.end() || !it->second.rest || it->second.until <= now) return std::nullopt;
    return it->second.until;
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
