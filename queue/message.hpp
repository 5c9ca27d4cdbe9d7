/// \file MessageId, Envelope, NewMessage: what is queued.
///
/// Shape    a queue id is 11 characters of Crockford's base 32 (no I, L, O, U), never used twice.
/// Units    time in milliseconds since 1970 (UTC); a MessageId counts microseconds, so ids sort by age.
/// Errors   Errc::invalid - not a queue id; an envelope that breaks a limit.
/// Never    reads the clock.
#pragma once
#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/dsn_parameters.hpp"
#include "config/result.hpp"
#include "security/message_tls.hpp"

namespace sealpost::queue {

/// The wall clock as it is stored.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

class MessageId {
public:
    [[nodiscard]] static Result<MessageId> parse(std::string_view queue_id);
    [[nodiscard]] static std::optional<MessageId> from_value(std::int64_t value);
    [[nodiscard]] std::int64_t value() const { return value_; }
    [[nodiscard]] std::string str() const;
    auto operator<=>(const MessageId&) const = default;

private:
    explicit MessageId(std::int64_t value) : value_(value) {}
    std::int64_t value_;  ///< 1 .. 2^55-1
};

/// Hands out ids from any thread: the clock where it runs forward, the last id plus one where it does not.
class MessageIdSource {
public:
    /// Seed with Store::high_water(), so that neither a deleted message nor a clock set back brings an id
    /// again.
    explicit MessageIdSource(std::int64_t high_water) : last_(high_water) {}
    [[nodiscard]] MessageId next(Time now);

private:
    std::atomic<std::int64_t> last_;
};

/// A recipient of a message, numbered from 0 in the order of RCPT.
struct RecipientId {
    MessageId message;
    std::uint32_t number = 0;
    auto operator<=>(const RecipientId&) const = default;
};

enum class BodyType { seven_bit, eight_bit_mime };

struct Envelope {
    std::string sender;  ///< reverse-path without <>; empty: the null reverse-path
    BodyType body = BodyType::seven_bit;
    bool smtputf8 = false;
    std::string client_ip;  ///< who gave it to us; empty for our own messages
    std::string client_helo;
    std::string protocol;  ///< "ESMTP", "ESMTPS", "SMTP", "local"
    security::MessageTls tls = security::MessageTls::by_policy;
    Time received_at{};
    Time expires_at{};  ///< not a reason to give up while a policy holds it: retry.hpp
    Ret ret = Ret::unset;
    std::string envid;  ///< ENVID as given; empty: none
};

struct Recipient {
    std::string address;  ///< forward-path without <>
    std::string domain;   ///< next-hop: A-label lower case name, or an address literal "[192.0.2.1]"
    std::string orcpt;    ///< as given; empty: none
    std::string notify;   ///< as given; empty: none
};

/// Octets of one row of a stored body: all its rows have so many, the last one what is left. A body of one
/// row travels in memory, a longer one row by row.
inline constexpr std::size_t body_chunk = 64U << 10;

/// A body of more than one row, in the store.
struct StoredBody {
    std::int64_t first = 0;  ///< the id of its first row; the others follow without a gap
    std::uint64_t size = 0;  ///< octets
    std::string digest;      ///< SHA-256 of its octets
};

struct NewMessage {
    MessageId id;
    Envelope envelope;
    std::vector<Recipient> recipients;
    std::string body;                         ///< as it leaves: CRLF lines, not dot-stuffed
    std::optional<StoredBody> stored_body{};  ///< in place of `body`: Store::add_body() has taken it
    [[nodiscard]] std::uint64_t size() const { return stored_body ? stored_body->size : body.size(); }
};

/// What a delivery needs; its recipients come with the DueRecipient.
struct StoredMessage {
    MessageId id;
    Envelope envelope;
    std::string body;                         ///< empty when there is a `stored_body`
    std::optional<StoredBody> stored_body{};  ///< of more than one row: body_reader.hpp reads it
    [[nodiscard]] std::uint64_t size() const { return stored_body ? stored_body->size : body.size(); }
};

/// A recipient whose time has come; leased to this process until settled or released.
struct DueRecipient {
    RecipientId id;
    Recipient recipient;
    unsigned attempts = 0;
    unsigned interrupted = 0;  ///< times that the process died during an attempt: poison when it grows
    bool notified = false;     ///< the sender was told that it takes longer
};

/// Sizes that hold for everything that is stored, whatever the caller checked.
inline constexpr std::size_t max_path_size = 1024;
inline constexpr std::size_t max_recipients_per_message = 100'000;
inline constexpr std::uint64_t max_body_size = 1ULL << 30;

/// The rules above, no NUL, CR or LF in any envelope string.
[[nodiscard]] Result<void> validate(const NewMessage& message);

/// The recipients of a message that was enqueued with Lease::yes, ready for the manager.
[[nodiscard]] std::vector<DueRecipient> due_recipients(const NewMessage& message);

}  // namespace sealpost::queue

template <>
struct std::hash<sealpost::queue::MessageId> {
    std::size_t operator()(sealpost::queue::MessageId id) const noexcept {
        return std::hash<std::int64_t>{}(id.value());
    }
};

template <>
struct fmt::formatter<sealpost::queue::MessageId> : fmt::formatter<std::string_view> {
    auto format(sealpost::queue::MessageId id, format_context& ctx) const {
        return formatter<std::string_view>::format(id.str(), ctx);
    }
};
