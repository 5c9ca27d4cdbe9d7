// Property: cutting the input changes nothing, nor does taking blocks as they come; what is accepted holds no
// bare CR or LF and keeps every limit, ends with CR LF "." CR LF and nowhere earlier; and what DotStuffer
// sends of any body is read back as one message.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/smtp/data_reader.hpp"
#include "mta/smtp/dot_stuffer.hpp"
#include "require.hpp"

using sealpost::DataLimits;
using sealpost::DataReader;
using State = DataReader::State;

namespace {

constexpr DataLimits limits{.message = 400, .header = 200, .line = 60, .received = 2};

void check_lines(std::string_view message, std::size_t longest) {
    while (!message.empty()) {
        const std::size_t end = message.find("\r\n");
        require(end <= longest);
        require(message.substr(0, end).find_first_of(std::string_view("\r\n\0", 3)) ==
                std::string_view::npos);
        message.remove_prefix(end + 2);
    }
}

void check_read(std::string_view input, std::size_t cut) {
    DataReader whole(limits);
    const DataReader::Progress all = whole.feed(input);
    require(all.consumed <= input.size() && (all.state != State::more || all.consumed == input.size()));

    DataReader blocks(limits);
    std::string handed_out;
    for (std::size_t at = 0; at < all.consumed; at += cut) {
        const std::size_t size = std::min(cut, all.consumed - at);
        if (blocks.feed(input.substr(at, size)).state != State::more) break;
        handed_out += blocks.take_block();
    }
    if (all.state == State::done) {
        require(handed_out + blocks.message() == whole.message());
        require(blocks.received_fields() == whole.received_fields());
    }

    DataReader parts(limits);
    DataReader::Progress last{0, State::more};
    std::size_t consumed = 0;
    while (consumed < input.size() && last.state == State::more) {
        last = parts.feed(input.substr(consumed, cut));
        consumed += last.consumed;
    }
    require(last.state == all.state);
    if (all.state == State::failed) {
        // Which of two limits was passed first, and where reading stops for good, may depend on the cuts.
        require(parts.error().ended == whole.error().ended);
        require(parts.message().empty() && whole.message().empty());
        if (!whole.error().ended) return;
    }
    require(consumed == all.consumed && parts.message() == whole.message());
    if (all.state == State::done) require(parts.eight_bit() == whole.eight_bit());
    if (all.state == State::more) return;
    const std::string_view taken = input.substr(0, all.consumed);
    require(taken == ".\r\n" || taken.ends_with("\r\n.\r\n"));
    require(taken.find("\r\n.\r\n") >= taken.size() - std::min<std::size_t>(taken.size(), 5));
    if (all.state != State::done) return;
    require(whole.message().size() <= limits.message && whole.received_fields() <= limits.received);
    check_lines(whole.message(), limits.line);
    require(sealpost::dot_stuff(whole.message()).size() <= taken.size());
}

void check_write(std::string_view body, std::size_t cut) {
    const std::string wire = sealpost::dot_stuff(body);
    require(wire.size() <= 2 * body.size() + 5);
    std::string pieces;
    sealpost::DotStuffer stuffer;
    for (std::size_t i = 0; i < body.size(); i += cut) stuffer.append(body.substr(i, cut), pieces);
    stuffer.finish(pieces);
    require(pieces == wire);

    if (body.find('\0') != std::string_view::npos) return;
    DataReader reader(
        {.message = wire.size(), .header = wire.size(), .line = wire.size(), .received = 1U << 20});
    const DataReader::Progress progress = reader.feed(wire);
    require(progress.state == State::done && progress.consumed == wire.size());
    check_lines(reader.message(), wire.size());
    // A body that is already in its final form passes through unchanged.
    require(sealpost::dot_stuff(reader.message()) == wire);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t cut = 1 + data[0] % 32U;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    check_read(text, cut);
    check_write(text, cut);
    return 0;
}
