/// \file DataReader: the message that follows 354, read from bytes in pieces of any size.
///
/// Shape    only CR LF "." CR LF ends it. A CR without LF or an LF without CR is refused at once and for
///          good, since another server may see an end of data there ("SMTP smuggling"). The leading dot of a
///          stuffed line is removed. The message keeps its CR LF line ends.
/// Limits   DataLimits. A message beyond them is read on to its end without being kept, so that the client
///          can hear why, but no further than twice the largest size.
///          Who takes blocks as they come holds no more than a block of it.
/// Errors   DataError. `ended` false: what follows must not be read as commands, the connection has to be
///          closed.
/// Source   RFC 5321 §4.1.1.4, §4.5.2, §4.5.3.1.6, §2.3.8, §6.3; RFC 5322 §2.1.1.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sealpost {

struct DataLimits {
    std::uint64_t message = 50ULL << 20;  ///< octets, un-stuffed, with CR LF
    std::uint64_t header = 256ULL << 10;  ///< octets before the first empty line
    std::size_t line = 998;               ///< octets without CR LF (RFC 5322 §2.1.1)
    unsigned received = 100;              ///< Received fields in the header
};

struct DataError {
    enum class Reason {
        bare_cr,
        bare_lf,
        nul,
        line_too_long,
        header_too_large,
        message_too_large,
        too_many_received
    };
    Reason reason;
    bool ended;  ///< the true end of data was seen: commands may follow
};

class DataReader {
public:
    enum class State { more, done, failed };
    struct Progress {
        std::size_t consumed = 0;  ///< less than given only in State::done and State::failed
        State state = State::more;
    };

    explicit DataReader(DataLimits limits) : limits_(limits) {}

    [[nodiscard]] Progress feed(std::string_view bytes);
    /// After State::failed.
    [[nodiscard]] const DataError& error() const { return error_; }

    /// Octets that are kept and not yet taken.
    [[nodiscard]] std::size_t held() const { return message_.size(); }
    /// Takes what is kept, but for the line of the header that is being read. The message may still be
    /// refused.
    [[nodiscard]] std::string take_block();
    /// The empty line behind the header was seen.
    [[nodiscard]] bool header_ended() const { return !in_header_; }

    /// After State::done: all, or what is behind the blocks that were taken.
    [[nodiscard]] const std::string& message() const { return message_; }
    [[nodiscard]] std::string take_message() { return std::move(message_); }
    [[nodiscard]] bool eight_bit() const { return eight_bit_; }
    [[nodiscard]] unsigned received_fields() const { return received_; }

private:
    enum class At { line_start, dot, dot_cr, text, cr };

    void keep(std::string_view run);
    void end_line();
    void refuse(DataError::Reason reason);
    [[nodiscard]] Progress stop(std::size_t consumed, State state);
    [[nodiscard]] Progress broken(std::size_t consumed, DataError::Reason reason);

    DataLimits limits_;
    std::string message_;
    At at_ = At::line_start;
    State state_ = State::more;
    bool refused_ = false;  ///< reading on to the end, keeping nothing
    DataError error_{DataError::Reason::message_too_large, false};
    std::uint64_t seen_ = 0;  ///< octets of the message, kept or not
    std::size_t line_ = 0;    ///< octets of this line so far
    std::size_t line_begin_ = 0;
    bool in_header_ = true;
    bool eight_bit_ = false;
    unsigned received_ = 0;
};

}  // namespace sealpost
