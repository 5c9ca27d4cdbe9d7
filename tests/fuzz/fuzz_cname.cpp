// CNAME RDATA: a target is one uncompressed name, spelt out label by label and written back gives the same
// octets but for the case of letters; what an independent walk over the labels calls malformed is never a
// target.
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "require.hpp"
#include "security/rdata.hpp"

using namespace sealpost;
using namespace sealpost::security;

namespace {

char lower(std::uint8_t octet) {
    return static_cast<char>(octet >= 'A' && octet <= 'Z' ? octet - 'A' + 'a' : octet);
}

/// The text of a name of letters, digits, '-' and '_' alone; empty if it is anything else.
std::string spell(std::span<const std::uint8_t> wire) {
    std::string text;
    std::size_t at = 0;
    while (at < wire.size() && wire[at] != 0) {
        const std::size_t length = wire[at];
        if (length > 63 || at + 1 + length >= wire.size()) return {};
        const auto label = wire.subspan(at + 1, length);
        for (const std::uint8_t octet : label) {
            const char c = lower(octet);
            if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return {};
            text.push_back(c);
        }
        if (label.front() == '-' || label.back() == '-') return {};
        text.push_back('.');
        at += 1 + length;
    }
    if (at + 1 != wire.size() || wire.size() > 255 || text.empty()) return {};
    text.pop_back();
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::uint8_t> rdata(data, size);
    const Result<Domain> target = parse_cname_rdata(rdata);
    const std::string expected = spell(rdata);
    require(target.has_value() == !expected.empty());
    if (target) {
        require(target->str() == expected);
        require(expected.size() + 2 == size);
    } else {
        require(target.error().code == Errc::invalid);
        for (const char c : target.error().text) require(c >= 0x20 && c < 0x7F);
    }
    // An MX record holds the same name behind its preference, and reads it alike.
    std::vector<std::uint8_t> mx{0, 10};
    mx.insert(mx.end(), rdata.begin(), rdata.end());
    const Result<MxRdata> read = parse_mx_rdata(mx);
    require((read && read->host) == target.has_value());
    if (target) require(*read->host == *target);
    return 0;
}
