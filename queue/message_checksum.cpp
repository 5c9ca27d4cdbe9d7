#include "queue/message_checksum.hpp"

#include "queue/rows.hpp"

namespace sealpost::queue {

namespace {

void add_envelope(Checksum& sum, MessageId id, const Envelope& e) {
    sum.add(id.value())
        .add(e.sender)
        .add(flags_to_row(e))
        .add(e.client_ip)
        .add(e.client_helo)
        .add(e.protocol)
        .add(to_row(e.received_at))
        .add(to_row(e.expires_at));
}

}  // namespace

std::string body_digest(std::string_view body) {
    return Checksum{}.append(body).finish();
}

std::string message_checksum(MessageId id, const Envelope& envelope, std::uint64_t size,
                             std::string_view digest) {
    Checksum sum;
    add_envelope(sum, id, envelope);
    sum.add(static_cast<std::int64_t>(size)).add(digest).add(tls_to_row(envelope.tls));
    // Only when set, so that messages from before these fields keep their checksum.
    if (envelope.ret != Ret::unset || !envelope.envid.empty())
        sum.add("dsn").add(ret_to_row(envelope.ret)).add(envelope.envid);
    return std::string{digest} + sum.finish();
}

SingleChecksum::SingleChecksum(MessageId id, const Envelope& envelope, std::uint64_t size)
    : tls_(envelope.tls) {
    add_envelope(sum_, id, envelope);
    sum_.add(static_cast<std::int64_t>(size));  // the body's, whose octets follow
}

std::string SingleChecksum::finish() {
    // Only when set, so that messages from before the tag keep their checksum. Behind the body, whose length
    // is part of the sum: no other message looks like that.
    if (tls_ != security::MessageTls::by_policy) sum_.add(tls_to_row(tls_));
    return sum_.finish();
}

}  // namespace sealpost::queue
