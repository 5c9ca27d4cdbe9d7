// Property: whatever the message, what comes out is in 7 bits, in lines of at most 998 octets that end with
// CR LF, has the size that was measured and does not depend on how the input was cut; converting it again
// changes nothing. A body of one part decodes to the octets that went in.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mta/smtp/seven_bit.hpp"
#include "require.hpp"

using sealpost::SevenBit;
using sealpost::SevenBitLimits;
using sealpost::SevenBitMeasure;

namespace {

constexpr SevenBitLimits limits{.header = 2000, .depth = 4, .parts = 8};

void feed(auto& to, std::string_view text, std::size_t cut, auto&... out) {
    for (std::size_t i = 0; i < text.size(); i += cut) to.append(text.substr(i, cut), out...);
}

void check_lines(std::string_view out) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        require(static_cast<unsigned char>(out[i]) < 0x80);
        if (out[i] == '\r') {
            require(i + 1 < out.size() && out[++i] == '\n');
            length = 0;
        } else {
            require(out[i] != '\n' && ++length <= 998);
        }
    }
    require(out.empty() || out.ends_with("\r\n"));
}

/// False: it cannot be converted.
bool convert(std::string_view text, std::size_t cut, std::string& out) {
    SevenBitMeasure measure(limits);
    int passes = 0;
    do {
        require(++passes <= 2);
        feed(measure, text, cut);
    } while (measure.again());
    SevenBit converter(measure.plan(), limits);
    feed(converter, text, 1 + text.size() - std::min(cut, text.size()), out);
    converter.finish(out);
    require(converter.failure() == measure.failure());
    require(!converter.plan_grew() || converter.failure());
    if (converter.failure()) return false;
    require(measure.size() == out.size());
    return true;
}

/// As a body leaves in any case: lines that end with CR LF.
std::string canonical(std::string_view body) {
    std::string out;
    for (std::size_t i = 0; i < body.size(); ++i) {
        const bool ends = body[i] == '\r' || body[i] == '\n';
        if (body[i] == '\r' && i + 1 < body.size() && body[i + 1] == '\n') ++i;
        if (ends)
            out += "\r\n";
        else
            out += body[i];
    }
    if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
    return out;
}

std::string decode_quoted_printable(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '=') {
            out += text[i];
            continue;
        }
        require(i + 2 < text.size());
        if (text.substr(i + 1, 2) != "\r\n")
            out += static_cast<char>(digits.find(text[i + 1]) * 16 + digits.find(text[i + 2]));
        i += 2;
    }
    return out;
}

std::string decode_base64(std::string_view text) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const std::size_t value = alphabet.find(c);
        if (value == std::string_view::npos) continue;  // CR, LF and '='
        bits = (bits << 6U) | static_cast<std::uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>((bits >> count) & 0xffU);
    }
    return out;
}

void check_decoded(std::string_view body, std::size_t cut) {
    std::string out;
    require(convert(std::string("MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n").append(body),
                    cut, out));
    const auto encoded = [&] { return std::string_view(out).substr(out.find("\r\n\r\n") + 4); };
    require(out.find("quoted-printable") != std::string::npos);
    require(decode_quoted_printable(encoded()) == canonical(body));
    out.clear();
    require(convert(
        std::string("MIME-Version: 1.0\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
            .append(body),
        cut, out));
    require(out.find("base64") != std::string::npos);
    require(decode_base64(encoded()) == canonical(body));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    const std::size_t cut = 1 + data[0] % std::min<std::size_t>(text.size(), 64);
    std::string out;
    if (convert(text, cut, out)) {
        check_lines(out);
        std::string again;
        require(convert(out, cut, again));
        require(again == out);
    }
    check_decoded(text, cut);
    return 0;
}
