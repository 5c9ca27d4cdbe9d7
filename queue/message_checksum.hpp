/// \file The checksum in a message's row, over its envelope and its body.
///
/// Shape    64 octets: SHA-256 of the body, then SHA-256 over envelope, size and that digest. So the digest
/// can
///          be made while the body comes in, and the envelope is verified before one octet of it is read.
///          32 octets: one sum over envelope and body, as rows had it at first; they are still read.
/// Never    authenticates: it finds damage.
#pragma once
#include <string>
#include <string_view>

#include "queue/checksum.hpp"
#include "queue/message.hpp"

namespace sealpost::queue {

inline constexpr std::size_t digest_size = 32;
inline constexpr std::size_t checksum_size = 2 * digest_size;

/// SHA-256 of a body, whole or in pieces.
[[nodiscard]] std::string body_digest(std::string_view body);

/// `digest`: body_digest() of the `size` octets.
[[nodiscard]] std::string message_checksum(MessageId id, const Envelope& envelope, std::uint64_t size,
                                           std::string_view digest);

/// The first form, while the body is read.
class SingleChecksum {
public:
    SingleChecksum(MessageId id, const Envelope& envelope, std::uint64_t size);
    void append(std::string_view piece) { sum_.append(piece); }
    [[nodiscard]] std::string finish();

private:
    Checksum sum_;
    security::MessageTls tls_;
};

}  // namespace sealpost::queue
