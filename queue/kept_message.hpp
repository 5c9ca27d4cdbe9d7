/// \file MessageMemory: accepted messages that stay in memory until they are sent.
///
/// Owns     how many octets of them there are. What does not fit is read from the store when its turn comes.
/// Threads  any.
#pragma once
#include <atomic>
#include <memory>

#include "queue/message.hpp"

namespace sealpost::queue {

class MessageMemory {
public:
    explicit MessageMemory(std::uint64_t limit) : used_(std::make_shared<Used>()), limit_(limit) {}

    /// Null: it does not fit.
    [[nodiscard]] std::shared_ptr<const StoredMessage> keep(StoredMessage message) {
        const std::uint64_t octets = message.body.size() + overhead;
        if (used_->octets.fetch_add(octets, std::memory_order_relaxed) + octets > limit_) {
            used_->octets.fetch_sub(octets, std::memory_order_relaxed);
            return nullptr;
        }
        const auto held = std::make_shared<const Held>(std::move(message), used_, octets);
        return {held, &held->message};
    }
    [[nodiscard]] std::uint64_t octets() const { return used_->octets.load(std::memory_order_relaxed); }

private:
    static constexpr std::uint64_t overhead = 512;  ///< of envelope and bookkeeping, about
    struct Used {
        std::atomic<std::uint64_t> octets{0};
    };
    struct Held {
        Held(StoredMessage m, std::shared_ptr<Used> u, std::uint64_t o)
            : message(std::move(m)), used(std::move(u)), octets(o) {}
        Held(const Held&) = delete;
        Held& operator=(const Held&) = delete;
        ~Held() { used->octets.fetch_sub(octets, std::memory_order_relaxed); }
        StoredMessage message;
        std::shared_ptr<Used> used;
        std::uint64_t octets;
    };

    std::shared_ptr<Used> used_;
    std::uint64_t limit_;
};

}  // namespace sealpost::queue
