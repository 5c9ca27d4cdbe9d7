/// \file QuotedPrintable, Base64: encoders for a body that comes in pieces of any size.
///
/// Shape    lines of at most 76 octets that end with CR LF, in 7 bits.
/// Limits   hold one line.
/// Source   RFC 2045 §6.7, §6.8.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace sealpost {

class QuotedPrintable {
public:
    /// A piece of a line, without its CR LF.
    void append(std::string_view text, std::string& out);
    void end_line(std::string& out);

private:
    void put(std::string_view encoded, std::string& out);
    void put_blank(std::string& out);

    std::size_t column_ = 0;
    char blank_ = '\0';  ///< the last octet, when it is a blank: at the end of a line it is encoded
};

class Base64 {
public:
    /// Octets, with the CR LF of lines.
    void append(std::string_view octets, std::string& out);
    /// The end of the body; ready for another one then.
    void finish(std::string& out);

private:
    std::string line_;  ///< octets that do not yet fill a line
};

}  // namespace sealpost
