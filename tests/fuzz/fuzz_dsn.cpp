// The failure notice: whatever the remote side, the sender and the message say, it is one well-formed message
// whose own header fields and three parts are exactly ours. The input is cut at NUL into the strings that
// come from outside.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "queue/dsn.hpp"
#include "require.hpp"

using namespace sealpost::queue;

namespace {

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
    return n;
}

void check_lines(std::string_view text) {
    std::size_t line = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r') {
            require(i + 1 < text.size() && text[i + 1] == '\n');
            ++i;
            line = 0;
        } else {
            require(text[i] != '\n' && text[i] != '\0');
            require(++line <= 998);
        }
    }
    require(line == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::string> words(9);
    std::string_view rest{reinterpret_cast<const char*>(data), size};
    for (std::string& word : words) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        word = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const auto kind = static_cast<DsnKind>(size % 3);
    Envelope envelope;
    envelope.sender = words[0];
    envelope.envid = words[8];
    envelope.smtputf8 = size / 3 % 2 == 0;
    envelope.ret = static_cast<sealpost::Ret>(size / 6 % 3);
    DsnRecipient failed;
    failed.address = words[1];
    failed.orcpt = words[2];
    failed.status = words[3];
    failed.remote_mta = words[4];
    failed.reply = words[5];
    failed.reason = words[6];
    failed.remedy = words[7];
    failed.expired = size % 2 == 0;
    failed.interrupted = size / 18 % 2;
    failed.retry_until = Time{};
    failed.side = words[7];
    Dsn dsn{.kind = kind,
            .hostname = "mail.example.org",
            .id = MessageId::from_value(12345).value(),
            .original_id = MessageId::from_value(54321).value(),
            .original_body = rest,
            .recipients = {failed},
            .contact = words[8]};
    dsn.original = &envelope;
    dsn.return_size = 4096;

    const auto notice = build_dsn(dsn);
    if (envelope.sender.empty()) require(!notice);
    if (!notice) return 0;
    require(validate(*notice).has_value());
    require(notice->envelope.sender.empty() && notice->recipients.size() == 1);
    const std::string& text = notice->body;
    check_lines(text);
    require(text.size() < 4096 + 16384);

    const std::string_view header = std::string_view{text}.substr(0, text.find("\r\n\r\n") + 2);
    std::size_t fields = 0;
    for (std::size_t at = 0; at < header.size(); at = header.find("\r\n", at) + 2)
        if (header[at] != ' ') ++fields;
    require(fields == 8U + count(header, "\r\nContent-Transfer-Encoding: 8bit\r\n"));
    const std::size_t quote = header.find("\r\n boundary=\"") + 13;
    const std::string delimiter =
        "\r\n--" + std::string{header.substr(quote, header.find('"', quote) - quote)};
    require(count(text, delimiter) == 4);
    // Octets above 127 stand only where the sender's own address or what is returned has them, and are told.
    const bool eight_bit = std::any_of(text.begin(), text.end(), [](char c) { return c < 0; });
    if (eight_bit) require(notice->envelope.body == BodyType::eight_bit_mime);
    // The whole message goes back with a failure alone.
    const std::size_t third = text.find(delimiter, text.find(delimiter, text.find(delimiter) + 1) + 1);
    if (kind != DsnKind::failure)
        require(text.substr(third + delimiter.size() + 2)
                    .starts_with("Content-Description: Headers of the message\r\n"));
    return 0;
}
