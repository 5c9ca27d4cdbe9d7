#include "queue/dsn.hpp"

#include <algorithm>
#include <ctime>
#include <initializer_list>
#include <utility>

#include "config/address.hpp"
#include "security/remote_text.hpp"

namespace sealpost::queue {

namespace {

using security::printable;

constexpr std::size_t max_recipients_listed = 500;
constexpr std::size_t max_header_line = 998;
constexpr std::size_t max_reply = 800;

bool has_8bit(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) > 126; });
}

/// RFC 5322 §3.3, always in UTC.
std::string date_time(Time at) {
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000", days[utc.tm_wday], utc.tm_mday,
                       months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

/// "name: value" folded before column 78 where there is a space (RFC 5322 §2.2.3). `value` is printable.
std::string field(std::string_view name, std::string_view value) {
    std::string out = fmt::format("{}:", name);
    std::size_t column = out.size();
    while (!value.empty()) {
        const std::size_t end = std::min(value.find(' ', 1), value.size());
        const std::string_view word =
            value.substr(value.front() == ' ' ? 1 : 0, end - (value.front() == ' ' ? 1 : 0));
        value.remove_prefix(end);
        if (word.empty()) continue;
        if (column + 1 + word.size() > 78 && column > name.size() + 1) {
            out += "\r\n";
            column = 0;
        }
        out += ' ';
        out += word;
        column += 1 + word.size();
    }
    return out + "\r\n";
}

/// A paragraph of the text part, wrapped at 72 columns and indented.
std::string paragraph(std::string_view text, std::string_view indent = "") {
    std::string out;
    std::string line{indent};
    bool empty = true;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (word.empty()) continue;
        if (!empty && line.size() + 1 + word.size() > 72) {
            out += line + "\r\n";
            line = indent;
            empty = true;
        }
        if (!empty) line += ' ';
        line += word;
        empty = false;
    }
    return out + line + "\r\n";
}

/// RFC 3464 §2.1.2, RFC 6533 §3: "rfc822; a@b" or, with UTF-8 in it, "utf-8; ..." in utf-8-addr-xtext.
std::string typed_address(std::string_view address) {
    if (!has_8bit(address)) return fmt::format("rfc822; {}", printable(address, 900));
    std::string out = "utf-8; ";
    for (std::size_t i = 0; i < address.size() && out.size() < 900;) {
        const auto lead = static_cast<unsigned char>(address[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (lead > 0x20 && lead < 0x7F && lead != '\\' && lead != '+' && lead != '=') {
            out += static_cast<char>(lead);
        } else {
            const std::string_view encoded = address.substr(i, length);
            std::uint32_t code = length == 1 ? lead : lead & (0xFFU >> (length + 1));
            for (const char c : encoded.substr(1))
                code = code << 6U | (static_cast<unsigned char>(c) & 0x3FU);
            out += security::is_utf8(encoded) ? fmt::format("\\x{{{:02X}}}", code) : "?";
        }
        i += length;
    }
    return out;
}

/// RFC 3463 §2: class 2, 4 or 5, two numbers of up to three digits without leading zeros (DSN-12).
bool is_status(std::string_view text) {
    if (text.size() < 5 || (text[0] != '4' && text[0] != '5') || text[1] != '.') return false;
    const std::string_view rest = text.substr(2);
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos) return false;
    const auto number = [](std::string_view part) {
        return !part.empty() && part.size() <= 3 && (part.size() == 1 || part[0] != '0') &&
               part.find_first_not_of("0123456789") == std::string_view::npos;
    };
    return number(rest.substr(0, dot)) && number(rest.substr(dot + 1));
}

std::string status_of(const FailedRecipient& r) {
    // A class 4 status belongs to "failed" only when time ran out (RFC 3464 §2.3.4); 4.4.7 says just that.
    if (!is_status(r.status)) return r.expired ? "4.4.7" : "5.0.0";
    if (r.status[0] == '4' && !r.expired) return "5" + r.status.substr(1);
    return r.status;
}

/// Replies may hold line ends: each becomes a space, before printable() makes them visible.
std::string one_line(std::string_view text, std::size_t max) {
    std::string flat{text.substr(0, max)};
    for (char& c : flat)
        if (c == '\r' || c == '\n' || c == '\t') c = ' ';
    return printable(flat, max);
}

std::string text_part(const FailureDsn& dsn) {
    const std::string contact =
        dsn.contact.empty() ? fmt::format("postmaster@{}", dsn.hostname) : printable(dsn.contact, 320);
    std::string text = paragraph(fmt::format("This is the mail system at {}.", dsn.hostname)) + "\r\n" +
                       paragraph(fmt::format(
                           "Your message of {} (queue id {}) could not be delivered to the recipients below. "
                           "It will not be tried again.",
                           date_time(dsn.original->received_at), dsn.original_id)) +
                       "\r\n" +
                       paragraph(fmt::format("For help, write to {} and include this notice.", contact));
    if (dsn.original->tls == security::MessageTls::required)
        text +=
            "\r\n" + paragraph(
                         "Your message required TLS on all of its way (REQUIRETLS). So that this holds for "
                         "its content on the way back as well, only its header is returned.");
    const std::size_t listed = std::min(dsn.recipients.size(), max_recipients_listed);
    for (std::size_t i = 0; i < listed; ++i) {
        const FailedRecipient& r = dsn.recipients[i];
        text += "\r\n" + paragraph(fmt::format("<{}>", printable(r.address, 320)));
        if (r.expired) text += paragraph("It was tried until its time in the queue ran out.", "  ");
        if (!r.reason.empty()) text += paragraph(fmt::format("Why: {}", one_line(r.reason, max_reply)), "  ");
        if (!r.reply.empty())
            text +=
                paragraph(fmt::format("{} said: {}",
                                      r.remote_mta.empty() ? "The other side" : printable(r.remote_mta, 255),
                                      one_line(r.reply, max_reply)),
                          "  ");
        if (!r.remedy.empty())
            text += paragraph(fmt::format("What helps: {}", one_line(r.remedy, max_reply)), "  ");
    }
    if (listed < dsn.recipients.size())
        text += "\r\n" + paragraph(fmt::format("... and {} more.", dsn.recipients.size() - listed));
    return text;
}

std::string status_part(const FailureDsn& dsn) {
    std::string out = field("Reporting-MTA", fmt::format("dns; {}", dsn.hostname));
    if (!dsn.envelope_id.empty()) out += field("Original-Envelope-Id", printable(dsn.envelope_id, 200));
    out += field("Arrival-Date", date_time(dsn.original->received_at));
    const std::size_t listed = std::min(dsn.recipients.size(), max_recipients_listed);
    for (std::size_t i = 0; i < listed; ++i) {
        const FailedRecipient& r = dsn.recipients[i];
        out += "\r\n";
        if (!r.orcpt.empty()) {
            const std::size_t semicolon = r.orcpt.find(';');
            out += field("Original-Recipient",
                         semicolon == std::string::npos
                             ? printable(r.orcpt, 900)
                             : fmt::format("{}; {}", printable(r.orcpt.substr(0, semicolon), 100),
                                           printable(std::string_view{r.orcpt}.substr(semicolon + 1), 800)));
        }
        out += field("Final-Recipient", typed_address(r.address));
        out += field("Action", "failed");
        out += field("Status", status_of(r));
        // Only what a remote host really said is its diagnostic (DSN-11).
        if (!r.remote_mta.empty()) {
            out += field("Remote-MTA", fmt::format("dns; {}", printable(r.remote_mta, 255)));
            if (!r.reply.empty())
                out += field("Diagnostic-Code", fmt::format("smtp; {}", one_line(r.reply, max_reply)));
        }
        if (r.last_attempt) out += field("Last-Attempt-Date", date_time(*r.last_attempt));
    }
    return out;
}

/// Whether every line ends in CRLF and fits, so that the octets may stand in our message as they are.
bool well_formed(std::string_view text) {
    std::size_t line = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') {
            line = 0;
            ++i;
        } else if (text[i] == '\r' || text[i] == '\n' || text[i] == '\0' || ++line > max_header_line) {
            return false;
        }
    }
    return line == 0;
}

/// The header alone, at most `max` octets, each line made to end in CRLF, fit and be 7-bit.
std::string headers_of(std::string_view body, std::size_t max) {
    std::string out;
    while (!body.empty() && out.size() < max) {
        const std::size_t end = body.find('\n');
        std::string_view line = body.substr(0, end);
        body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (line.empty()) break;
        std::string clean{line.substr(0, max_header_line)};
        for (char& c : clean)
            if ((static_cast<unsigned char>(c) < 32 && c != '\t') || static_cast<unsigned char>(c) > 126)
                c = '?';
        if (out.size() + clean.size() + 2 > max) break;
        out += clean + "\r\n";
    }
    return out;
}

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

}  // namespace

std::string_view final_mailbox(std::string_view path) {
    // "@one.example,@two.example:user@three.example"
    if (!path.starts_with('@')) return path;
    const std::size_t colon = path.find(':');
    return colon == std::string_view::npos ? path : path.substr(colon + 1);
}

std::optional<NewMessage> build_failure_dsn(const FailureDsn& dsn) {
    // Parsed again, for it comes back from a database and stands in a header as it is.
    const auto address = Address::parse(final_mailbox(dsn.original->sender), AddressCharset::utf8);
    if (!address || dsn.recipients.empty()) return std::nullopt;
    const std::string to = address->str();

    // RFC 8689 §5: as if RET=HDRS, so that a notice that finds no REQUIRETLS on its way gives away no
    // content.
    const bool headers_only = dsn.headers_only || dsn.original->tls == security::MessageTls::required;
    const bool whole =
        !headers_only && dsn.original_body.size() <= dsn.return_size && well_formed(dsn.original_body);
    const std::string headers = whole ? std::string{} : headers_of(dsn.original_body, dsn.return_size);
    const std::string_view returned = whole ? dsn.original_body : std::string_view{headers};
    const bool eight_bit = has_8bit(returned);
    const bool utf8 = address->needs_utf8();
    const std::string text = text_part(dsn);
    const std::string status = status_part(dsn);
    const std::string boundary = boundary_for(dsn.id, {text, status, returned});
    const std::string part = fmt::format("\r\n--{}\r\n", boundary);
    const std::string_view encoding = eight_bit ? "8bit" : "7bit";

    std::string out = field("From", fmt::format("Mail Delivery System <MAILER-DAEMON@{}>", dsn.hostname));
    out += fmt::format("To: <{}>\r\n", to);
    out += "Subject: Undelivered mail returned to sender\r\n";
    out += field("Date", date_time(dsn.date));
    out += fmt::format("Message-ID: <{}@{}>\r\n", dsn.id, dsn.hostname);
    out += "Auto-Submitted: auto-replied\r\n";
    if (dsn.original->tls == security::MessageTls::optional) out += "TLS-Required: No\r\n";  // RFC 8689 §6
    out += "MIME-Version: 1.0\r\n";
    out += fmt::format("Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{}\"\r\n",
                       boundary);
    if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
    out += "\r\nThis is a notice in MIME format (RFC 3464).\r\n";
    out += part;
    out += "Content-Description: Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n";
    out += text;
    out += part;
    out += "Content-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n";
    out += status;
    out += part;
    out += fmt::format("Content-Description: {}\r\nContent-Type: {}\r\nContent-Transfer-Encoding: {}\r\n\r\n",
                       whole ? "Undelivered message" : "Headers of the undelivered message",
                       whole ? "message/rfc822" : "text/rfc822-headers", encoding);
    out += returned;
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
