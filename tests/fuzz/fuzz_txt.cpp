// TXT RDATA: joining loses nothing but the length octets, and splitting the text anew gives the same text.
#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "require.hpp"
#include "security/rdata.hpp"
#include "security/remote_text.hpp"

using namespace sealpost;
using namespace sealpost::security;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Result<std::string> text = parse_txt_rdata(std::span(data, size));
    if (!text) return 0;
    require(text->size() < size);

    std::vector<std::uint8_t> again;
    for (std::size_t at = 0; at < text->size() || again.empty();) {
        const std::size_t length = std::min<std::size_t>(text->size() - at, 255);
        again.push_back(static_cast<std::uint8_t>(length));
        again.insert(again.end(), text->begin() + static_cast<std::ptrdiff_t>(at),
                     text->begin() + static_cast<std::ptrdiff_t>(at + length));
        at += length;
    }
    require(parse_txt_rdata(again).value() == *text);

    // The two ways in which such text leaves us.
    const std::string shown = printable(*text, 40);
    require(shown.size() <= 40);
    for (const char c : shown) require(c >= 0x20 && c < 0x7F);
    const std::string reported = i_json_text(*text, 40);
    require(reported.size() <= 40 && is_utf8(reported));
    require(i_json_text(reported, 40) == reported);
    return 0;
}
