// The root's keys as the resolver process hands them over: without a signature by a trusted key nothing
// changes, whatever the octets are; and stored state that is taken is written the same way again.
#include <cstdint>
#include <span>
#include <string_view>

#include "mta/resolver/answer_packet.hpp"
#include "require.hpp"
#include "security/trust_anchor.hpp"

using namespace sealpost;
using namespace sealpost::security;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const TrustSeed seed =
        parse_trust_seed(". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
            .value();
    const std::chrono::sys_seconds now{std::chrono::seconds(1'790'000'000)};

    // A packet, and the same octets cut into records by a length octet each.
    RootKeys keys;
    if (auto found = resolver::signatures_in({data, size}, dnskey_type, max_root_signatures)) {
        require(found->size() <= max_root_signatures);
        keys.rrsig = std::move(*found);
    }
    for (std::size_t at = 0; at < size;) {
        const std::size_t length = std::min<std::size_t>(data[at], size - at - 1);
        (at % 2 == 0 ? keys.dnskey : keys.rrsig).emplace_back(data + at + 1, data + at + 1 + length);
        at += 1 + length;
    }
    const TrustState state = adopt(seed, {});
    const Followed followed = follow(seed, state, keys, now);
    require(!followed.validated && followed.state == state);
    require(anchors(seed, followed.state).root);

    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto stored = decode_trust_state(text)) require(decode_trust_state(encode(*stored)) == *stored);
    if (const auto other = parse_trust_seed(text)) static_cast<void>(anchors(*other, {}));
    return 0;
}
