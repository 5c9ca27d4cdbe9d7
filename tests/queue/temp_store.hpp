/// \file A state directory that goes away with the test, and short ways to fill it.
#pragma once
#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "queue/body_reader.hpp"
#include "queue/store.hpp"

namespace sealpost::queue::test {

inline constexpr Time noon{std::chrono::milliseconds{1'800'000'000'000}};

class TempDirectory {
public:
    TempDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "sealpost-queue-XXXXXX").string();
        REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    TempDirectory(const TempDirectory&) = delete;
    TempDirectory& operator=(const TempDirectory&) = delete;
    ~TempDirectory() {
        std::error_code none;
        std::filesystem::remove_all(path_, none);
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::filesystem::path database() const { return path_ / "sealpost.db"; }

private:
    std::filesystem::path path_;
};

inline StoreOptions options_for(const std::filesystem::path& directory) {
    StoreOptions options;
    options.state_directory = directory;
    return options;
}

inline Store open_store(const TempDirectory& directory, Time now = noon) {
    auto store = Store::open(options_for(directory.path()), now);
    if (!store) FAIL(store.error().text);
    return std::move(*store);
}

/// The body wherever it is.
inline std::string body_of(const TempDirectory& directory, const StoredMessage& message) {
    if (!message.stored_body) return message.body;
    auto reader = BodyReader::open(directory.path());
    if (!reader) FAIL(reader.error().text);
    BodyStream stream(*reader, message.id, *message.stored_body);
    std::string body;
    for (;;) {
        auto block = stream.next();
        if (!block) FAIL(block.error().text);
        if (block->empty()) return body;
        body += *block;
    }
}

/// One job in a transaction of its own.
template <class Job>
auto committed(Store& store, Job&& job) {
    REQUIRE(store.begin());
    auto result = store.in_savepoint(std::forward<Job>(job));
    REQUIRE(store.commit());
    return result;
}

template <class T>
T value(Result<T> result) {
    if (!result) FAIL(result.error().text);
    return std::move(*result);
}

inline MessageId id_of(std::int64_t number) {
    return MessageId::from_value(number).value();
}

inline NewMessage message(std::int64_t id, const std::vector<std::string>& recipients,
                          std::string body = "Subject: test\r\n\r\nHello\r\n") {
    NewMessage m{.id = id_of(id), .envelope = {}, .recipients = {}, .body = std::move(body)};
    m.envelope.sender = "sender@example.org";
    m.envelope.body = BodyType::eight_bit_mime;
    m.envelope.client_ip = "127.0.0.1";
    m.envelope.client_helo = "client.example";
    m.envelope.protocol = "ESMTP";
    m.envelope.received_at = noon;
    m.envelope.expires_at = noon + std::chrono::hours(120);
    for (const std::string& address : recipients)
        m.recipients.push_back(
            {.address = address, .domain = address.substr(address.find('@') + 1), .orcpt = {}, .notify = {}});
    return m;
}

inline void enqueue(Store& store, const NewMessage& m, Lease lease = Lease::no) {
    const auto done = committed(store, [&] { return store.enqueue(m, lease); });
    if (!done) FAIL(done.error().text);
}

inline RecipientOutcome outcome(RecipientId id, Outcome what) {
    RecipientOutcome o{
        .recipient = id, .outcome = what, .status = {}, .reply = {}, .host = {}, .held_reason = {}};
    o.status = what == Outcome::delivered ? "2.0.0" : what == Outcome::failed ? "5.1.1" : "4.7.5";
    o.reply = "some words";
    o.host = "mx.example.net";
    o.next_attempt = noon + std::chrono::minutes(30);
    return o;
}

/// A message from <> to the sender of message(), about recipient number 0.
inline SettlementNotice notice(std::int64_t id, std::int64_t about) {
    SettlementNotice n{.message = message(id, {"sender@example.org"}), .about = {{id_of(about), 0}}};
    n.message.envelope.sender.clear();
    return n;
}

inline Settlement settlement(std::int64_t id, const std::vector<RecipientOutcome>& outcomes) {
    Settlement s{.message = id_of(id),
                 .at = noon,
                 .recipients = outcomes,
                 .trace = {},
                 .tls_results = {},
                 .notices = {}};
    s.trace = R"({"hops":[]})";
    return s;
}

/// What schema 4 brought, taken back: for tests that start from an older database.
inline constexpr const char* undo_schema_4 =
    "ALTER TABLE message DROP COLUMN envid; ALTER TABLE message DROP COLUMN ret;"
    "ALTER TABLE recipient DROP COLUMN notified; DROP TABLE reception;"
    "ALTER TABLE attempt DROP COLUMN shared;";

}  // namespace sealpost::queue::test
