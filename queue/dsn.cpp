#include "queue/dsn.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "config/address.hpp"
#include "queue/dsn_field.hpp"
#include "queue/dsn_parts.hpp"
#include "queue/dsn_returned.hpp"

namespace sealpost::queue {

namespace {

/// A boundary that stands nowhere in the parts.
std::string boundary_for(MessageId id, std::initializer_list<std::string_view> parts) {
    for (unsigned n = 0;; ++n) {
        std::string boundary = fmt::format("=_{}/{}", id, n);
        const bool found = std::any_of(parts.begin(), parts.end(), [&boundary](std::string_view part) {
            return part.find("--" + boundary) != std::string_view::npos;
        });
        if (!found) return boundary;
    }
}

std::string_view subject_of(DsnKind kind) {
    switch (kind) {
        case DsnKind::delay:
            return "Mail is delayed and still being tried";
        case DsnKind::relayed:
            return "Mail was relayed";
        case DsnKind::failure:
            break;
    }
    return "Undelivered mail returned to sender";
}

std::string header_of(const Dsn& dsn, const std::string& to, const std::string& boundary, bool eight_bit) {
    std::string out = field("From", fmt::format("Mail Delivery System <MAILER-DAEMON@{}>", dsn.hostname));
    out += fmt::format("To: <{}>\r\n", to);
    out += field("Subject", subject_of(dsn.kind));
    out += field("Date", date_time(dsn.date));
    out += fmt::format("Message-ID: <{}@{}>\r\n", dsn.id, dsn.hostname);
    out += "Auto-Submitted: auto-replied\r\n";
    if (dsn.original->tls == security::MessageTls::optional) out += "TLS-Required: No\r\n";  // RFC 8689 §6
    out += "MIME-Version: 1.0\r\n";
    out += fmt::format("Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{}\"\r\n",
                       boundary);
    if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
    return out;
}

std::string part(std::string_view description, std::string_view type, std::string_view encoding,
                 std::string_view content) {
    return fmt::format(
        "Content-Description: {}\r\nContent-Type: {}\r\nContent-Transfer-Encoding: {}\r\n\r\n{}", description,
        type, encoding, content);
}

}  // namespace

std::string_view final_mailbox(std::string_view path) {
    // "@one.example,@two.example:user@three.example"
    if (!path.starts_with('@')) return path;
    const std::size_t colon = path.find(':');
    return colon == std::string_view::npos ? path : path.substr(colon + 1);
}

std::optional<NewMessage> build_dsn(const Dsn& dsn) {
    // Parsed again, for it comes back from a database and stands in a header as it is.
    const auto address = Address::parse(final_mailbox(dsn.original->sender), AddressCharset::utf8);
    if (!address || dsn.recipients.empty()) return std::nullopt;
    const std::string to = address->str();
    // Such a sender is reached by hosts with SMTPUTF8 alone, so that its notice may use what they take.
    const bool utf8 = address->needs_utf8();
    const DsnParts parts = dsn_parts(dsn, utf8);
    const ReturnedPart returned = dsn_returned(dsn, utf8);
    const bool utf8_text = has_8bit(parts.text);
    const bool utf8_status = has_8bit(parts.status);
    const bool eight_bit = utf8_text || utf8_status || returned.encoding == "8bit";
    const std::string boundary = boundary_for(dsn.id, {parts.text, parts.status, returned.content});
    const std::string delimiter = fmt::format("\r\n--{}\r\n", boundary);

    std::string out = header_of(dsn, to, boundary, eight_bit);
    out += "\r\nThis is a notice in MIME format (RFC 3464).\r\n";
    out += delimiter;
    out += part("Notification", utf8_text ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
                utf8_text ? "8bit" : "7bit", parts.text);
    out += delimiter;
    out += part("Delivery report", utf8_status ? "message/global-delivery-status" : "message/delivery-status",
                utf8_status ? "8bit" : "7bit", parts.status);
    out += delimiter;
    out += part(returned.description, returned.type, returned.encoding, returned.content);
    out += fmt::format("\r\n--{}--\r\n", boundary);

    NewMessage message{.id = dsn.id, .envelope = {}, .recipients = {}, .body = std::move(out)};
    message.envelope.body = eight_bit || utf8 ? BodyType::eight_bit_mime : BodyType::seven_bit;
    message.envelope.smtputf8 = utf8;
    message.envelope.protocol = "local";
    message.envelope.tls = dsn.original->tls;
    message.envelope.received_at = dsn.date;
    message.envelope.expires_at = dsn.expires_at;
    message.recipients.push_back(
        {.address = to, .domain = address->host_str(), .orcpt = {}, .notify = "NEVER"});
    return message;
}

}  // namespace sealpost::queue
