/// \file DotStuffer: a message body as it goes over the wire after 354.
///
/// Shape    every line ends with CR LF: a bare CR or LF in the input becomes CR LF (no bare one ever leaves;
///          what came in by SMTP has none). A line that starts with '.' gets a second one. The last line gets
///          its CR LF, no line is added, and the closing "." CR LF follows.
/// Limits   appends at most two octets for one, and keeps nothing back but a state.
/// Source   RFC 5321 §2.3.8, §4.1.1.4, §4.5.2.
#pragma once
#include <string>
#include <string_view>

namespace sealpost {

class DotStuffer {
public:
    void append(std::string_view chunk, std::string& out);
    /// The end of the body and the lone dot. Nothing may be appended after it.
    void finish(std::string& out);

private:
    enum class At { line_start, text, cr };
    At at_ = At::line_start;
};

/// A whole body at once.
[[nodiscard]] std::string dot_stuff(std::string_view body);

}  // namespace sealpost
