/// \file BodySource: the octets of a body in order, wherever it is, as often as a server has to be sent it.
///
/// Errors   of a stored body: queue/body_reader.hpp. After one the message cannot be completed: the
/// connection
///          has to be closed before the end of the data.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mta/smtp/seven_bit.hpp"
#include "queue/body_reader.hpp"

namespace sealpost {

class BodySource {
public:
    /// In memory; the octets must outlive it.
    explicit BodySource(std::string_view whole) : whole_(whole), size_(whole.size()) {}
    BodySource(std::shared_ptr<queue::BodyReader> reader, queue::MessageId message, queue::StoredBody body);

    /// Of what next() gives.
    [[nodiscard]] std::uint64_t size() const { return plan_ ? converted_size_ : size_; }
    /// From the first octet again.
    void rewind();
    /// From the first octet again, and in 7 bits from now on: `size` octets, as SevenBitMeasure found.
    void convert(SevenBitPlan plan, std::uint64_t size);
    /// From the first octet again, as it was stored.
    void as_stored();
    /// The next octets, a block at most, until the next call; empty: that was all of them.
    [[nodiscard]] Result<std::string_view> next();
    /// What next() said last, if it was an error.
    [[nodiscard]] const std::optional<Error>& error() const { return error_; }

private:
    [[nodiscard]] Result<std::string_view> next_stored();
    struct Stored {
        std::shared_ptr<queue::BodyReader> reader;
        queue::MessageId message;
        queue::StoredBody body;
    };

    std::string_view whole_;
    std::string_view rest_ = whole_;
    std::optional<Stored> stored_;
    std::optional<queue::BodyStream> stream_;
    std::string block_;
    std::uint64_t size_;
    std::optional<SevenBitPlan> plan_;  ///< set: converted
    std::optional<SevenBit> converter_;
    bool converted_all_ = false;
    std::string converted_;
    std::uint64_t converted_size_ = 0;
    std::optional<Error> error_;
};

}  // namespace sealpost
