// Property: an accepted mailbox obeys the size limits, keeps its local part, holds nothing that could end an
// SMTP command, and what it prints parses again to the same value. ASCII only is a subset of UTF-8.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/address.hpp"

using sealpost::Address;
using sealpost::AddressCharset;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check(std::string_view text, const Address& address, AddressCharset charset) {
    const std::string printed = address.str();
    require(printed.size() <= 254);
    require(!address.local().empty() && address.local().size() <= 64);
    require(text.starts_with(address.local()));
    require((address.domain() == nullptr) != (address.literal() == nullptr));
    for (const char c : printed) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
    const auto again = Address::parse(printed, charset);
    require(again.has_value() && *again == address && again->str() == printed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto utf8 = Address::parse(text, AddressCharset::utf8);
    if (utf8) check(text, *utf8, AddressCharset::utf8);
    const auto ascii = Address::parse(text, AddressCharset::ascii);
    if (ascii) {
        check(text, *ascii, AddressCharset::ascii);
        require(utf8.has_value() && *utf8 == *ascii && !ascii->needs_utf8());
    }
    return 0;
}
