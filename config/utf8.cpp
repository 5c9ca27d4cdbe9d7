#include "config/utf8.hpp"

namespace sealpost {

std::size_t utf8_length(std::string_view text) {
    if (text.empty()) return 0;
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = octet(0);
    std::size_t length = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0) low = 0xa0;   // no overlong forms
        if (first == 0xed) high = 0x9f;  // no surrogates
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
    }
    if (length == 0 || text.size() < length || octet(1) < low || octet(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if (octet(i) < 0x80 || octet(i) > 0xbf) return 0;
    return length;
}

}  // namespace sealpost
