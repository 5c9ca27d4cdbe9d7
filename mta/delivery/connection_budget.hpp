/// \file ConnectionBudget: how many connections all delivery threads together may have open.
///
/// Owns     the count. A delivery that only looks things up holds no place, so that destinations whose name
/// servers are
///          silent keep nobody from connecting.
/// Threads  any.
#pragma once
#include <atomic>
#include <utility>

namespace sealpost {

class ConnectionBudget {
public:
    explicit ConnectionBudget(unsigned limit) : limit_(limit) {}
    ConnectionBudget(const ConnectionBudget&) = delete;
    ConnectionBudget& operator=(const ConnectionBudget&) = delete;
    ~ConnectionBudget() = default;

    /// One connection's place, given back at its end.
    class Place {
    public:
        Place() = default;
        Place(Place&& other) noexcept : budget_(std::exchange(other.budget_, nullptr)) {}
        Place& operator=(Place&& other) noexcept {
            std::swap(budget_, other.budget_);
            return *this;
        }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;
        ~Place() {
            if (budget_ != nullptr) budget_->taken_.fetch_sub(1, std::memory_order_relaxed);
        }
        [[nodiscard]] explicit operator bool() const { return budget_ != nullptr; }

    private:
        friend class ConnectionBudget;
        explicit Place(ConnectionBudget* budget) : budget_(budget) {}
        ConnectionBudget* budget_ = nullptr;
    };

    /// Empty: all are taken.
    [[nodiscard]] Place take() {
        if (taken_.fetch_add(1, std::memory_order_relaxed) < limit_) return Place(this);
        taken_.fetch_sub(1, std::memory_order_relaxed);
        return {};
    }
    [[nodiscard]] unsigned taken() const { return taken_.load(std::memory_order_relaxed); }

private:
    std::atomic<unsigned> taken_{0};
    unsigned limit_;
};

}  // namespace sealpost
