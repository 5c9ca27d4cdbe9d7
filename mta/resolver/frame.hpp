/// \file The frames between the daemon and its resolver process.
///
/// Shape    u32 length of what follows, then u8 kind, then the fields; integers big-endian. A question is at
/// most
///          max_question octets, an answer at most max_answer.
/// Errors   Errc::protocol - a length or a field that does not fit. The stream is then lost: the process is
/// ended. Never    trusts the other side: the resolver process reads the network and counts as hostile.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.hpp"
#include "security/dns_answer.hpp"

namespace sealpost::resolver {

inline constexpr std::size_t max_question = 1024;
inline constexpr std::size_t max_answer = 192UL * 1024;
inline constexpr std::size_t max_rdata_total = 128UL * 1024;
inline constexpr std::size_t max_records = 2048;
inline constexpr std::size_t max_why = 512;

struct Question {
    std::string name;
    security::RrType type = security::RrType::a;
};
struct QuestionFrame {
    std::uint32_t id = 0;
    Question question;
};
struct AnswerFrame {
    std::uint32_t id = 0;
    security::DnsAnswer answer;
};

[[nodiscard]] std::string encode(const QuestionFrame& frame);
/// An answer beyond the limits is encoded as an error with the same id and name.
[[nodiscard]] std::string encode(const AnswerFrame& frame);

/// The payload of the next whole frame, removed from `buffer`; none when more octets are needed.
[[nodiscard]] Result<std::optional<std::string>> take_frame(std::string& buffer, std::size_t max_length);

[[nodiscard]] Result<QuestionFrame> decode_question(std::string_view payload);
[[nodiscard]] Result<AnswerFrame> decode_answer(std::string_view payload);

}  // namespace sealpost::resolver
