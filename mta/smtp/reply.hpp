/// \file Reply: what an SMTP server answers, read from bytes in pieces of any size.
///
/// Shape    a code 200..599 and the text of each line in printable ASCII (other octets become '?', so that a
///          reply can go into logs, JSON and DSNs as it is). A reply ends with the CR LF of its last line;
///          nothing behind it is ever taken, so the caller sees what follows (RFC 3207 §6).
/// Limits   ReplyLimits; beyond them the reply is malformed.
/// Errors   a malformed reply is State::failed with `why()`: the connection can only be dropped.
/// Source   RFC 5321 §4.2, §4.2.1, §2.3.8 (only CR LF ends a line), RFC 2034 §4, RFC 3463 §2.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost {

struct Reply {
    int code = 0;
    std::vector<std::string> lines;  ///< at least one, without code and separator

    /// 2, 3, 4 or 5: all that decides where the exact code is unknown.
    [[nodiscard]] int severity() const { return code / 100; }
    /// All lines joined by a blank, cut at 1000 octets.
    [[nodiscard]] std::string text() const;
    /// "5.1.1" from the start of the text, when its class agrees with the code. Ask only a server that
    /// advertised ENHANCEDSTATUSCODES.
    [[nodiscard]] std::optional<std::string> enhanced_status() const;

    bool operator==(const Reply&) const = default;
};

struct ReplyLimits {
    std::size_t line = 2048;  ///< octets with CR LF; RFC 5321 says 512, some servers say more
    std::size_t lines = 100;
    std::size_t total = 64U << 10;
};

class ReplyParser {
public:
    enum class State { more, done, failed };
    struct Progress {
        std::size_t consumed = 0;  ///< less than given only in State::done and State::failed
        State state = State::more;
    };

    explicit ReplyParser(ReplyLimits limits = {}) : limits_(limits) {}

    /// After State::failed every further call fails too.
    [[nodiscard]] Progress feed(std::string_view bytes);
    /// The finished reply, after State::done; the parser is then ready for the next one.
    [[nodiscard]] Reply take();
    /// What made it fail, for people.
    [[nodiscard]] const std::string& why() const { return why_; }
    /// True between two replies: no octet of a reply has been taken yet.
    [[nodiscard]] bool idle() const { return total_ == 0; }

private:
    [[nodiscard]] State end_of_line();
    State refuse(std::string why);

    ReplyLimits limits_;
    Reply reply_;
    std::string line_;
    std::size_t total_ = 0;
    State state_ = State::more;
    std::string why_;
};

}  // namespace sealpost
