#include "mta/smtp/dot_stuffer.hpp"

#include "mta/smtp/plain_run.hpp"

namespace sealpost {

//  line_start  CR -> cr; LF -> line_start; any other octet -> text, a '.' doubled
//  text        CR -> cr; LF (bare) -> line_start
//  cr          LF -> line_start; any other octet: the CR was bare, a line ends, then as in line_start

void DotStuffer::append(std::string_view chunk, std::string& out) {
    out.reserve(out.size() + chunk.size() + chunk.size() / 64 + 8);
    std::size_t i = 0;
    while (i < chunk.size()) {
        const char c = chunk[i];
        if (at_ == At::cr) {
            out += "\r\n";
            at_ = At::line_start;
            if (c == '\n') ++i;
        } else if (c == '\r') {
            at_ = At::cr;
            ++i;
        } else if (c == '\n') {
            out += "\r\n";
            at_ = At::line_start;
            ++i;
        } else {
            if (at_ == At::line_start && c == '.') out += '.';
            const std::size_t length = plain_run(chunk.substr(i), Nul::plain);
            out += chunk.substr(i, length);
            at_ = At::text;
            i += length;
        }
    }
}

void DotStuffer::finish(std::string& out) {
    out += at_ == At::line_start ? ".\r\n" : "\r\n.\r\n";
    at_ = At::line_start;
}

std::string dot_stuff(std::string_view body) {
    DotStuffer stuffer;
    std::string out;
    out.reserve(body.size() + body.size() / 64 + 8);
    stuffer.append(body, out);
    stuffer.finish(out);
    return out;
}

}  // namespace sealpost
