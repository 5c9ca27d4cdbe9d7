// Property: the cut of the stream changes nothing; what decodes keeps the limits, never contradicts itself
// and encodes to the very same octets; and what is no frame is an error or a wait, never more memory.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mta/resolver/frame.hpp"
#include "require.hpp"

using namespace sealpost::resolver;
using sealpost::security::DnsData;

namespace {

struct Taken {
    std::vector<std::string> payloads;
    bool lost = false;
    bool operator==(const Taken&) const = default;
};

Taken take_all(std::string_view stream, std::size_t cut, std::size_t max_length) {
    Taken out;
    std::string buffer;
    while (!stream.empty()) {
        buffer.append(stream.substr(0, cut));
        stream.remove_prefix(std::min(cut, stream.size()));
        for (;;) {
            const std::size_t before = buffer.size();
            auto payload = take_frame(buffer, max_length);
            if (!payload) {
                out.lost = true;
                return out;
            }
            if (!*payload) {
                require(buffer.size() == before && before < 4 + max_length);
                break;
            }
            require(!(*payload)->empty() && (*payload)->size() <= max_length);
            require(before == buffer.size() + 4 + (*payload)->size());
            out.payloads.push_back(std::move(**payload));
        }
    }
    return out;
}

void check_question(std::string_view payload) {
    const auto frame = decode_question(payload);
    if (!frame) return;
    require(!frame->question.name.empty() && frame->question.name.size() <= 255);
    require(std::string_view(encode(*frame)).substr(4) == payload);
}

void check_answer(std::string_view payload) {
    const auto frame = decode_answer(payload);
    if (!frame) return;
    const auto& answer = frame->answer;
    std::size_t total = 0;
    for (const auto& rdata : answer.rdata) total += rdata.size();
    for (const auto& rdata : answer.rrsig) total += rdata.size();
    require(answer.rdata.size() <= max_records && answer.rrsig.size() <= max_records &&
            total <= max_rdata_total);
    require(answer.name.size() <= 255 && answer.canonical.size() <= 255 && answer.why.size() <= max_why);
    require(answer.has_data() ? !answer.rdata.empty() : answer.failed() || answer.rdata.empty());
    const std::string again = encode(*frame);
    require(again.size() <= 4 + max_answer);
    // A time to live beyond RFC 2181's 31 bits is the one thing that does not come back as it was.
    if (answer.ttl.count() <= 0x7fffffff) require(std::string_view(again).substr(4) == payload);
    require(decode_answer(std::string_view(again).substr(4)).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);
    check_question(stream);
    check_answer(stream);
    for (const std::size_t limit : {max_question, max_answer}) {
        const Taken whole = take_all(stream, std::max<std::size_t>(stream.size(), 1), limit);
        require(take_all(stream, 1 + data[0] % 64U, limit) == whole);
        for (const std::string& payload : whole.payloads) {
            check_question(payload);
            check_answer(payload);
        }
    }
    return 0;
}
