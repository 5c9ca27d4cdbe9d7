#include "queue/dsn_returned.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "config/utf8.hpp"
#include "queue/dsn_field.hpp"

namespace sealpost::queue {

namespace {

constexpr std::size_t max_line = 998;

/// Whether every line ends in CRLF and fits, so that the octets may stand in our message as they are.
bool well_formed(std::string_view text) {
    std::size_t line = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
            line = 0;
            ++i;
        } else if (text[i] == '\r' || text[i] == '\n' || text[i] == '\0' || ++line > max_line) {
            return false;
        }
    }
    return line == 0;
}

/// One line of a header, fit to be sent: no control character, and UTF-8 or, unless `keep_utf8`, ASCII alone.
std::string clean_line(std::string_view line, bool keep_utf8) {
    std::string out;
    while (!line.empty()) {
        const std::size_t length = utf8_length(line);
        const auto octet = static_cast<unsigned char>(line.front());
        if (out.size() + std::max<std::size_t>(length, 1) > max_line) break;
        if (length > 0 && keep_utf8)
            out += line.substr(0, length);
        else if (octet == '\t' || (octet >= 0x20 && octet < 0x7F))
            out += line.front();
        else
            out.append(std::max<std::size_t>(length, 1), '?');
        line.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out;
}

/// The header alone, at most `max` octets, each line made to end in CRLF and fit.
std::string headers_of(std::string_view body, std::size_t max, bool keep_utf8) {
    std::string out;
    while (!body.empty() && out.size() < max) {
        const std::size_t end = body.find('\n');
        std::string_view line = body.substr(0, end);
        body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (line.empty()) break;
        const std::string clean = clean_line(line, keep_utf8);
        if (out.size() + clean.size() + 2 > max) break;
        out += clean + "\r\n";
    }
    return out;
}

/// RFC 2045 §6.8: lines of 76 characters.
std::string base64(std::string_view octets) {
    constexpr std::size_t group = 57;
    std::array<unsigned char, (group / 3 * 4) + 1> line{};
    std::string out;
    for (; !octets.empty(); octets.remove_prefix(std::min(group, octets.size()))) {
        const std::string_view piece = octets.substr(0, group);
        const int length = EVP_EncodeBlock(line.data(), reinterpret_cast<const unsigned char*>(piece.data()),
                                           static_cast<int>(piece.size()));
        out.append(reinterpret_cast<const char*>(line.data()), static_cast<std::size_t>(length));
        out += "\r\n";
    }
    return out;
}

}  // namespace

ReturnedPart dsn_returned(const Dsn& dsn, bool utf8) {
    const Envelope& original = *dsn.original;
    // RFC 8689 §5: as if RET=HDRS, so that a notice that finds no REQUIRETLS on its way gives away no
    // content. What is no failure returns the header whatever RET says (RFC 3461 §4.3).
    const bool headers_only = dsn.kind != DsnKind::failure || original.ret == Ret::headers ||
                              original.tls == security::MessageTls::required;
    const bool whole =
        !headers_only && dsn.original_body.size() <= dsn.return_size && well_formed(dsn.original_body);
    ReturnedPart part{.type = "text/rfc822-headers",
                      .encoding = "7bit",
                      .description = dsn.kind == DsnKind::failure ? "Headers of the undelivered message"
                                                                  : "Headers of the message",
                      .content = {}};
    bool global = false;
    if (whole) {
        const std::size_t header = std::min(dsn.original_body.find("\r\n\r\n"), dsn.original_body.size());
        global = original.smtputf8 && has_8bit(dsn.original_body.substr(0, header));
        part.type = global ? "message/global" : "message/rfc822";
        part.description = "Undelivered message";
        part.content = dsn.original_body;
    } else {
        part.content = headers_of(dsn.original_body, dsn.return_size, original.smtputf8);
        global = original.smtputf8 && has_8bit(part.content);
        if (global) part.type = "message/global-headers";
    }
    if (!has_8bit(part.content)) return part;
    part.encoding = "8bit";
    // Where the way back is not known to take UTF-8 headers, they go in 7 bits (RFC 6533 §4.5).
    if (global && !utf8) {
        part.encoding = "base64";
        part.content = base64(part.content);
    }
    return part;
}

}  // namespace sealpost::queue
