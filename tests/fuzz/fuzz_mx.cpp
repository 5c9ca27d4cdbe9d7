// MX RDATA: whatever parses is consistent with its own text, and the text is always printable.
#include <cstdint>
#include <span>

#include "require.hpp"
#include "security/rdata.hpp"

using namespace sealpost;
using namespace sealpost::security;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::span<const std::uint8_t> rdata(data, size);
    const Result<MxRdata> mx = parse_mx_rdata(rdata);
    if (mx) {
        require(size >= 3 && size <= 257);
        require(mx->preference == data[0] * 256 + data[1]);
        require(!mx->exchange.empty());
        for (const char c : mx->exchange) require(c > 0x20 && c < 0x7F);
        require(mx->is_null() == (size == 3));
        if (mx->host) {
            require(!mx->is_null());
            require(Domain::parse(mx->exchange).value() == *mx->host);
            require(mx->host->str().size() + 4 ==
                    size);  // preference, root label, one length octet more than dots
        }
    }
    (void)parse_address_rdata(rdata);
    return 0;
}
