#include "queue/message.hpp"

#include <algorithm>
#include <array>

namespace sealpost::queue {

namespace {

// Crockford's base 32: no I, L, O, U, so that a queue id can be read out over the telephone.
constexpr std::string_view alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t id_length = 11;
constexpr std::int64_t max_id = (std::int64_t{1} << (5 * id_length)) - 1;

constexpr std::size_t max_name_size = 255;  // a domain, HELO or address literal
constexpr std::string_view forbidden{"\0\r\n", 3};

Result<void> check(std::string_view what, std::string_view text, std::size_t max) {
    if (text.size() > max)
        return fail(Errc::invalid,
                    fmt::format("{} has {} octets, at most {} are stored", what, text.size(), max));
    if (text.find_first_of(forbidden) != std::string_view::npos)
        return fail(Errc::invalid, fmt::format("{} holds a NUL or a line end", what));
    return {};
}

}  // namespace

Result<MessageId> MessageId::parse(std::string_view queue_id) {
    std::int64_t value = 0;
    bool valid = queue_id.size() == id_length;
    for (std::size_t i = 0; valid && i < id_length; ++i) {
        const auto digit = alphabet.find(queue_id[i]);
        valid = digit != std::string_view::npos;
        if (valid) value = value << 5U | static_cast<std::int64_t>(digit);
    }
    if (!valid || value == 0)
        return fail(Errc::invalid,
                    "not a queue id: it is 11 of the characters 0-9 A-Z without I, L, O and U");
    return MessageId{value};
}

std::optional<MessageId> MessageId::from_value(std::int64_t value) {
    if (value < 1 || value > max_id) return std::nullopt;
    return MessageId{value};
}

std::string MessageId::str() const {
    std::string text(id_length, '0');
    std::int64_t rest = value_;
    for (auto it = text.rbegin(); it != text.rend(); ++it, rest >>= 5U)
        *it = alphabet[static_cast<std::size_t>(rest & 31)];
    return text;
}

MessageId MessageIdSource::next(Time now) {
    const std::int64_t clock = std::chrono::microseconds{now.time_since_epoch()}.count();
    std::int64_t last = last_.load(std::memory_order_relaxed);
    std::int64_t id = 0;
    do id = std::max(clock, last + 1);
    while (!last_.compare_exchange_weak(last, id, std::memory_order_relaxed));
    return *MessageId::from_value(std::clamp<std::int64_t>(id, 1, max_id));
}

Result<void> validate(const NewMessage& message) {
    const Envelope& envelope = message.envelope;
    if (message.recipients.empty()) return fail(Errc::invalid, "a message without recipients");
    if (message.recipients.size() > max_recipients_per_message)
        return fail(Errc::invalid, "too many recipients");
    if (message.size() > max_body_size) return fail(Errc::invalid, "the message is too large to be stored");
    auto ok = check("the sender", envelope.sender, max_path_size);
    if (ok) ok = check("the client's address", envelope.client_ip, max_name_size);
    if (ok) ok = check("the client's name", envelope.client_helo, max_name_size);
    if (ok) ok = check("the protocol", envelope.protocol, max_name_size);
    if (ok) ok = check("ENVID", envelope.envid, max_envid);
    for (const Recipient& recipient : message.recipients) {
        if (!ok) break;
        ok = check("a recipient", recipient.address, max_path_size);
        if (ok) ok = check("a recipient's domain", recipient.domain, max_name_size);
        if (ok) ok = check("ORCPT", recipient.orcpt, max_orcpt);
        if (ok) ok = check("NOTIFY", recipient.notify, max_notify);
        if (ok && (recipient.address.empty() || recipient.domain.empty()))
            ok = fail(Errc::invalid, "a recipient without address or domain");
    }
    return ok;
}

std::vector<DueRecipient> due_recipients(const NewMessage& message) {
    std::vector<DueRecipient> due;
    due.reserve(message.recipients.size());
    for (const Recipient& recipient : message.recipients)
        due.push_back({.id = {message.id, static_cast<std::uint32_t>(due.size())}, .recipient = recipient});
    return due;
}

}  // namespace sealpost::queue
