/// \file plain_run: how much of a text is neither a line end nor, if asked for, NUL.
///
/// Shape    by memchr, which looks at many octets at once; at most 1024 octets a call, so that text without
/// line ends
///          costs no more than text with them. Call again for more.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sealpost {

enum class Nul { plain, ends };

[[nodiscard]] inline std::size_t plain_run(std::string_view text, Nul nul) {
    text = text.substr(0, 1024);
    text = text.substr(0, text.find('\r'));
    text = text.substr(0, text.find('\n'));
    if (nul == Nul::ends) text = text.substr(0, text.find('\0'));
    return text.size();
}

}  // namespace sealpost
