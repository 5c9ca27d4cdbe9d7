// A stored trace, as it may come back from a damaged database: rendering it never fails but with
// Errc::invalid, what it prints is printable, and no longer than a constant times what it read.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "require.hpp"
#include "security/trace.hpp"

using namespace sealpost;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view stored(reinterpret_cast<const char*>(data), size);
    const Result<std::string> text = security::render_trace(stored);
    const auto printable = [](const std::string& in) {
        return std::all_of(in.begin(), in.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
    };
    if (!text) {
        require(text.error().code == Errc::invalid && printable(text.error().text));
        require(text.error().text.size() < 1000);
        return 0;
    }
    require(printable(*text));
    require(text->size() <= 1000 + 50 * size);
    require(security::render_trace(stored).value() == *text);
    return 0;
}
