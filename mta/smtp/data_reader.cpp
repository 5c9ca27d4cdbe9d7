#include "mta/smtp/data_reader.hpp"

#include <algorithm>

#include "mta/smtp/plain_run.hpp"

namespace sealpost {

//  line_start  '.' -> dot; CR -> cr; other -> text
//  dot         CR -> dot_cr; other -> text (the dot was stuffing)
//  dot_cr      LF -> the end; other: a bare CR
//  text        CR -> cr
//  cr          LF -> line_start; other: a bare CR
//  An LF anywhere else is bare. A bare one ends it all.

namespace {

bool is_high(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}

/// "Received" in any case, and the ':' behind it; blanks between them are RFC 5322 §4.5.
bool is_received(std::string_view line) {
    constexpr std::string_view name = "received";
    if (line.size() <= name.size()) return false;
    for (std::size_t i = 0; i < name.size(); ++i)
        if ((line[i] >= 'A' && line[i] <= 'Z' ? line[i] + ('a' - 'A') : line[i]) != name[i]) return false;
    const std::size_t colon = line.find_first_not_of(" \t", name.size());
    return colon != std::string_view::npos && line[colon] == ':';
}

}  // namespace

DataReader::Progress DataReader::feed(std::string_view bytes) {
    if (state_ != State::more) return {0, state_};
    std::size_t i = 0;
    while (i < bytes.size()) {
        const char c = bytes[i];
        switch (at_) {
            case At::line_start:
                at_ = c == '.' ? At::dot : c == '\r' ? At::cr : At::text;
                if (at_ != At::text) ++i;
                break;
            case At::dot:
                at_ = c == '\r' ? At::dot_cr : At::text;
                if (at_ != At::text) ++i;
                break;
            case At::dot_cr:
                if (c != '\n') return broken(i, DataError::Reason::bare_cr);
                error_.ended = true;
                return stop(i + 1, refused_ ? State::failed : State::done);
            case At::cr:
                if (c != '\n') return broken(i, DataError::Reason::bare_cr);
                ++i;
                end_line();
                at_ = At::line_start;
                break;
            case At::text:
                if (c == '\n') return broken(i, DataError::Reason::bare_lf);
                if (c == '\r') {
                    at_ = At::cr;
                    ++i;
                } else if (c == '\0') {
                    refuse(DataError::Reason::nul);
                    keep(bytes.substr(i++, 1));
                } else {
                    const std::size_t length = plain_run(bytes.substr(i), Nul::ends);
                    line_ += length;
                    if (line_ > limits_.line) refuse(DataError::Reason::line_too_long);
                    keep(bytes.substr(i, length));
                    i += length;
                }
                break;
        }
        if (refused_ && seen_ / 2 > limits_.message) return stop(i, State::failed);
    }
    return {i, State::more};
}

std::string DataReader::take_block() {
    if (!in_header_) return std::exchange(message_, std::string());
    // Whether a line of the header is a Received field is decided when it ends.
    std::string block = message_.substr(0, line_begin_);
    message_.erase(0, line_begin_);
    line_begin_ = 0;
    return block;
}

void DataReader::keep(std::string_view run) {
    seen_ += run.size();
    if (seen_ > limits_.message) refuse(DataError::Reason::message_too_large);
    if (in_header_ && seen_ > limits_.header) refuse(DataError::Reason::header_too_large);
    if (refused_) return;
    eight_bit_ = eight_bit_ || std::any_of(run.begin(), run.end(), is_high);
    message_ += run;
}

void DataReader::end_line() {
    if (line_ == 0) in_header_ = false;
    if (in_header_ && !refused_ && is_received(std::string_view(message_).substr(line_begin_)) &&
        ++received_ > limits_.received)
        refuse(DataError::Reason::too_many_received);
    keep("\r\n");
    line_ = 0;
    line_begin_ = message_.size();
}

/// The first reason stays; the message is dropped at once, so that what is refused holds no memory.
void DataReader::refuse(DataError::Reason reason) {
    if (refused_) return;
    refused_ = true;
    error_.reason = reason;
    message_ = std::string();
}

DataReader::Progress DataReader::stop(std::size_t consumed, State state) {
    state_ = state;
    return {consumed, state_};
}

/// Where lines end is no longer agreed upon, so that nothing behind this can be trusted to be a command.
DataReader::Progress DataReader::broken(std::size_t consumed, DataError::Reason reason) {
    refuse(reason);
    error_ = {reason, false};
    return stop(consumed, State::failed);
}

}  // namespace sealpost
