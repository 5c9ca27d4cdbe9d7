// Puts mail into a state directory by itself, as fast as the store takes it: the backlog that huge_queue.py
// looks at.
//
// usage: fill_queue STATE_DIRECTORY MESSAGES DOMAIN
//
// Message N goes to waits@dM.DOMAIN, M being N modulo 1000; all of it is due in an hour. No daemon may use
// the directory. Exit codes: 0 done, 1 the store said no, 64 usage.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "config/result.hpp"
#include "queue/message.hpp"
#include "queue/store.hpp"

namespace {

using namespace sealpost;

constexpr std::uint64_t group = 2000;  // messages in one transaction
constexpr std::uint64_t domains = 1000;
constexpr std::size_t body_size = 1000;

queue::Time now() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

queue::NewMessage message(queue::MessageId id, std::uint64_t number, std::string_view domain) {
    const std::string name = fmt::format("d{}.{}", number % domains, domain);
    std::string body = fmt::format("Subject: {} in a long queue\r\n\r\n", number);
    while (body.size() < body_size) body += "Nothing but a line that stands here many times.\r\n";
    queue::Envelope envelope;
    envelope.sender = "alice@sender.example";
    envelope.protocol = "local";
    envelope.received_at = now() + std::chrono::hours(1);
    envelope.expires_at = envelope.received_at + std::chrono::days(5);
    queue::Recipient recipient;
    recipient.address = "waits@" + name;
    recipient.domain = name;
    return {.id = id,
            .envelope = std::move(envelope),
            .recipients = {std::move(recipient)},
            .body = std::move(body)};
}

Result<void> fill(const std::string& directory, std::uint64_t count, std::string_view domain) {
    queue::StoreOptions options;
    options.state_directory = directory;
    auto store = queue::Store::open(options, now());
    if (!store) return tl::unexpected(store.error());
    queue::MessageIdSource ids(store->high_water());
    for (std::uint64_t number = 0; number < count;) {
        if (auto begun = store->begin(); !begun) return begun;
        for (const std::uint64_t end = std::min(count, number + group); number < end; ++number) {
            const queue::NewMessage made = message(ids.next(now()), number, domain);
            auto kept = store->in_savepoint([&] { return store->enqueue(made, queue::Lease::no); });
            if (!kept) return kept;
        }
        if (auto committed = store->commit(); !committed) return committed;
    }
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t count = 0;
    const std::string_view number = argc == 4 ? argv[2] : "";
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), count);
    if (error != std::errc() || end != number.data() + number.size()) {
        std::fputs("usage: fill_queue STATE_DIRECTORY MESSAGES DOMAIN\n", stderr);
        return 64;
    }
    const Result<void> filled = fill(argv[1], count, argv[3]);
    if (filled) return 0;
    std::fprintf(stderr, "fill_queue: %s\n", filled.error().text.c_str());
    return 1;
}
