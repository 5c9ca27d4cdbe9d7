#include "mta/smtp/reply.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sealpost {
namespace {

constexpr std::size_t max_text = 1000;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

char printable(char c) {
    return c >= 0x20 && c <= 0x7e ? c : '?';
}

/// 1*3DIGIT at the start of `text`, taken off it; false where there is none or too many.
bool take_number(std::string_view& text) {
    std::size_t n = 0;
    while (n < text.size() && is_digit(text[n])) ++n;
    text.remove_prefix(n);
    return n >= 1 && n <= 3;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

std::string Reply::text() const {
    std::string all;
    for (const std::string& line : lines) {
        if (!all.empty()) all += ' ';
        all += line;
        if (all.size() > max_text) break;
    }
    if (all.size() > max_text) all.resize(max_text);
    return all;
}

std::optional<std::string> Reply::enhanced_status() const {
    if (lines.empty()) return std::nullopt;
    const std::string_view line = lines.front();
    std::string_view rest = line;
    if (rest.empty() || !is_digit(rest.front())) return std::nullopt;
    const int status_class = rest.front() - '0';
    // RFC 2034 §4: a class that contradicts the reply code makes the whole code worthless.
    if (status_class != severity() || status_class == 3) return std::nullopt;
    rest.remove_prefix(1);
    if (!take(rest, '.') || !take_number(rest) || !take(rest, '.') || !take_number(rest)) return std::nullopt;
    if (!rest.empty() && rest.front() != ' ') return std::nullopt;
    return std::string(line.substr(0, line.size() - rest.size()));
}

ReplyParser::Progress ReplyParser::feed(std::string_view bytes) {
    std::size_t i = 0;
    while (i < bytes.size() && state_ == State::more) {
        const char c = bytes[i++];
        line_ += c;
        ++total_;
        if (line_.size() > limits_.line)
            state_ = refuse(fmt::format("a reply line is longer than {} octets", limits_.line));
        else if (total_ > limits_.total)
            state_ = refuse(fmt::format("a reply is longer than {} octets", limits_.total));
        else if (c == '\n')
            state_ = end_of_line();
    }
    return {i, state_};
}

Reply ReplyParser::take() {
    Reply finished = std::move(reply_);
    reply_ = Reply{};
    total_ = 0;
    if (state_ == State::done) state_ = State::more;
    return finished;
}

ReplyParser::State ReplyParser::end_of_line() {
    std::string_view line = line_;
    line.remove_suffix(1);
    if (line.empty() || line.back() != '\r') return refuse("a reply line ends with LF instead of CR LF");
    line.remove_suffix(1);
    if (line.find('\r') != std::string_view::npos) return refuse("a reply line holds a bare CR");

    if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
        return refuse("a reply line does not start with a reply code");
    const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    // The code alone is a last line too: RFC 5321 §4.2 asks clients to take it.
    const char separator = line.size() > 3 ? line[3] : ' ';
    if (separator != ' ' && separator != '-')
        return refuse("a reply code is followed by neither blank nor '-'");
    if (!reply_.lines.empty() && code != reply_.code)
        return refuse(fmt::format("the lines of one reply have codes {} and {}", reply_.code, code));
    if (reply_.lines.size() == limits_.lines)
        return refuse(fmt::format("a reply has more than {} lines", limits_.lines));

    reply_.code = code;
    std::string text(line.substr(std::min<std::size_t>(4, line.size())));
    std::transform(text.begin(), text.end(), text.begin(), printable);
    reply_.lines.push_back(std::move(text));
    line_.clear();
    return separator == '-' ? State::more : State::done;
}

ReplyParser::State ReplyParser::refuse(std::string why) {
    why_ = std::move(why);
    return State::failed;
}

}  // namespace sealpost
