#include "queue/pacing.hpp"

#include <algorithm>

namespace sealpost::queue {

Window::Window(std::size_t limit)
    : limit_(std::max<std::size_t>(1, limit)), size_(std::min(first, limit_)), threshold_(limit_) {}

void Window::set_limit(std::size_t limit) {
    limit_ = std::max<std::size_t>(1, limit);
    size_ = std::min(size_, limit_);
    threshold_ = std::min(threshold_, limit_);
}

void Window::succeeded() {
    failures_ = 0;
    if (patience_ > 0) --patience_;
    ++successes_;
    if (size_ >= limit_ || (size_ >= threshold_ && successes_ < size_)) return;
    ++size_;
    successes_ = 0;
}

void Window::failed() {
    successes_ = 0;
    ++failures_;
    if (patience_ > 0) --patience_;
    if (failures_ < 2 || patience_ > 0) return;
    patience_ = size_;
    size_ = std::max<std::size_t>(1, size_ / 2);
    threshold_ = size_;
}

void Window::probe() {
    size_ = 1;
    threshold_ = limit_;
    successes_ = failures_ = patience_ = 0;
}

void Pace::took(std::size_t messages, Instant now) {
    if (rate_.count == 0) return;
    const auto each = std::chrono::duration_cast<Instant::duration>(rate_.per) / rate_.count;
    next_ = std::max(next_, now) + each * static_cast<Instant::rep>(messages);
}

std::chrono::milliseconds rest_after(unsigned times, std::chrono::milliseconds longest) {
    constexpr std::chrono::milliseconds first = std::chrono::seconds(60);
    constexpr unsigned most = 16;
    return std::min(first * (1U << (std::clamp(times, 1U, most) - 1)), longest);
}

}  // namespace sealpost::queue
