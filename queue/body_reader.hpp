/// \file BodyReader, BodyStream: a body of more than one row, read row by row beside the one who writes.
///
/// Owns     a read-only connection (sqlite.hpp), one for each thread that reads. Every row is one short read
///          transaction, so that a slow receiver does not keep the write-ahead log from being reused.
/// Rule     the last block is not given before all of them were found to be what was accepted: who writes
/// what
///          it is given cannot complete a message that was altered.
/// Errors   Errc::invalid - damaged: freeze the message; Errc::not_found - the message is gone;
///          Errc::storage - it could not be read now.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "queue/checksum.hpp"
#include "queue/message.hpp"

namespace sealpost::queue {

class BodyReader {
public:
    [[nodiscard]] static Result<BodyReader> open(const std::filesystem::path& state_directory);
    BodyReader(BodyReader&&) noexcept;
    BodyReader& operator=(BodyReader&&) noexcept;
    ~BodyReader();

    /// Block `number` from 0 as it is in the database.
    [[nodiscard]] Result<std::string> block(MessageId message, const StoredBody& body, std::uint64_t number);
    /// So many octets of its beginning, or all there are. Not verified.
    [[nodiscard]] Result<std::string> prefix(MessageId message, const StoredBody& body, std::uint64_t octets);

private:
    struct Impl;
    explicit BodyReader(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// The reader must outlive it.
class BodyStream {
public:
    BodyStream(BodyReader& reader, MessageId message, StoredBody body);
    /// The next octets; empty: that was all of them.
    [[nodiscard]] Result<std::string> next();

private:
    BodyReader& reader_;
    MessageId message_;
    StoredBody body_;
    Checksum digest_;
    std::uint64_t number_ = 0;
    std::uint64_t read_ = 0;
};

}  // namespace sealpost::queue
