#include "queue/dsn_parts.hpp"

#include <algorithm>

#include "config/dsn_parameters.hpp"
#include "config/utf8.hpp"
#include "queue/dsn_field.hpp"
#include "security/remote_text.hpp"

namespace sealpost::queue {

namespace {

using security::printable;
using security::printable_once;

constexpr std::size_t max_address = 900;  // octets, encoded: with its field it fits one line

/// utf-8-addr-xtext (RFC 6533 §3).
std::string unicode_xtext(std::string_view address) {
    std::string out;
    while (!address.empty() && out.size() < max_address) {
        const auto lead = static_cast<unsigned char>(address.front());
        const std::size_t length = std::max<std::size_t>(utf8_length(address), 1);
        if (lead > 0x20 && lead < 0x7F && lead != '\\' && lead != '+' && lead != '=') {
            out += static_cast<char>(lead);
        } else if (lead < 0x80 || length > 1) {
            std::uint32_t code = length == 1 ? lead : lead & (0xFFU >> (length + 1));
            for (const char c : address.substr(1, length - 1))
                code = code << 6U | (static_cast<unsigned char>(c) & 0x3FU);
            out += fmt::format("\\x{{{:02X}}}", code);
        } else {
            out += '?';  // no UTF-8
        }
        address.remove_prefix(length);
    }
    return out;
}

/// RFC 3464 §2.1.2, RFC 6533 §3: "rfc822; a@b" or, with UTF-8 in it, "utf-8; ...".
std::string typed_address(std::string_view address, bool utf8) {
    if (!has_8bit(address)) return fmt::format("rfc822; {}", printable_once(address, max_address));
    return fmt::format("utf-8; {}",
                       utf8 ? security::i_json_text(address, max_address) : unicode_xtext(address));
}

/// ORCPT, decoded (RFC 3461 §6.3), but for the form of the type utf-8 that is fit for 7 bits (RFC 6533 §3).
std::string original_recipient(std::string_view orcpt, bool utf8) {
    const Result<OriginalRecipient> parsed = parse_orcpt(orcpt);
    if (!parsed) return printable(orcpt, max_address);
    const std::string_view given = orcpt.substr(parsed->type.size() + 1);
    std::string address;
    if (utf8)
        address = security::i_json_text(parsed->address, max_address);
    else if (has_8bit(given))
        address = unicode_xtext(parsed->address);
    else
        address = has_8bit(parsed->address) || given.find('\\') != std::string_view::npos
                      ? std::string(given)
                      : printable_once(parsed->address, max_address);
    return fmt::format("{}; {}", printable(parsed->type, 100), address);
}

/// RFC 3463 §2: class 2, 4 or 5, two numbers of up to three digits without leading zeros (DSN-12).
bool is_status(std::string_view text) {
    if (text.size() < 5 || text.find_first_of("245") != 0 || text[1] != '.') return false;
    const std::string_view rest = text.substr(2);
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos) return false;
    const auto number = [](std::string_view part) {
        return !part.empty() && part.size() <= 3 && (part.size() == 1 || part[0] != '0') &&
               part.find_first_not_of("0123456789") == std::string_view::npos;
    };
    return number(rest.substr(0, dot)) && number(rest.substr(dot + 1));
}

/// The class belongs to the action (RFC 3464 §2.3.4).
std::string status_of(DsnKind kind, const DsnRecipient& r) {
    const bool valid = is_status(r.status);
    switch (kind) {
        case DsnKind::relayed:
            return valid && r.status[0] == '2' ? r.status : "2.0.0";
        case DsnKind::delay:
            return valid && r.status[0] == '4' ? r.status : "4.0.0";
        case DsnKind::failure:
            break;
    }
    // A class 4 status belongs to "failed" only when time ran out; 4.4.7 says just that.
    if (!valid || r.status[0] == '2') return r.expired ? "4.4.7" : "5.0.0";
    if (r.status[0] == '4' && !r.expired) return "5" + r.status.substr(1);
    return r.status;
}

std::string_view action_of(DsnKind kind) {
    switch (kind) {
        case DsnKind::delay:
            return "delayed";
        case DsnKind::relayed:
            return "relayed";
        case DsnKind::failure:
            break;
    }
    return "failed";
}

std::string what_happened(const Dsn& dsn) {
    const std::string message = fmt::format("Your message of {} (queue id {})",
                                            date_time(dsn.original->received_at), dsn.original_id);
    switch (dsn.kind) {
        case DsnKind::delay:
            return fmt::format(
                "{} could not be delivered to the recipients below yet. It is tried again by itself: "
                "you need not send it once more.",
                message);
        case DsnKind::relayed:
            return fmt::format(
                "{} was handed over, for the recipients below, to a mail server that sends no notice "
                "of delivery. So this is all that can be said of it, unless it fails further on.",
                message);
        case DsnKind::failure:
            break;
    }
    return fmt::format("{} could not be delivered to the recipients below. It will not be tried again.",
                       message);
}

std::string head_of_text(const Dsn& dsn) {
    const std::string contact =
        dsn.contact.empty() ? fmt::format("postmaster@{}", dsn.hostname) : printable(dsn.contact, 320);
    std::string text = paragraph(fmt::format("This is the mail system at {}.", dsn.hostname)) + "\r\n" +
                       paragraph(what_happened(dsn)) + "\r\n" +
                       paragraph(fmt::format("For help, write to {} and include this notice.", contact));
    if (dsn.original->tls == security::MessageTls::required)
        text +=
            "\r\n" + paragraph(
                         "Your message required TLS on all of its way (REQUIRETLS). So that this holds for "
                         "its content on the way back as well, only its header is returned.");
    return text;
}

std::string who_must_act(const DsnRecipient& r, const std::string& hostname) {
    if (r.side == "our side")
        return fmt::format("Who must act: our side, the administrators of {}.", hostname);
    if (r.side == "their side") return "Who must act: the recipient's side.";
    return {};
}

std::string text_of(const Dsn& dsn, const DsnRecipient& r, bool utf8) {
    const std::string address = utf8 ? security::i_json_text(r.address, 320) : printable_once(r.address, 320);
    std::string text = "\r\n" + paragraph(fmt::format("<{}>", address));
    const auto say = [&text](const std::string& words) {
        if (!words.empty()) text += paragraph(words, "  ");
    };
    if (r.expired) say("It was tried until its time in the queue ran out.");
    if (!r.reason.empty()) say(fmt::format("Why: {}", one_line(r.reason, max_reply)));
    if (!r.reply.empty())
        say(fmt::format("{} said: {}", r.remote_mta.empty() ? "The other side" : printable(r.remote_mta, 255),
                        one_line(r.reply, max_reply)));
    if (!r.remedy.empty()) say(fmt::format("What helps: {}", one_line(r.remedy, max_reply)));
    say(who_must_act(r, dsn.hostname));
    if (dsn.kind == DsnKind::delay && r.retry_until)
        say(fmt::format("It is tried until {}.", date_time(*r.retry_until)));
    if (r.interrupted > 0)
        say(dsn.kind == DsnKind::relayed
                ? "An attempt before this one was cut off on our side, so that the message may arrive twice."
                : "An attempt before this one was cut off on our side, so that the message may have arrived "
                  "all "
                  "the same.");
    return text;
}

std::string status_fields(const Dsn& dsn, const DsnRecipient& r, bool utf8) {
    std::string out = "\r\n";
    if (!r.orcpt.empty()) out += field("Original-Recipient", original_recipient(r.orcpt, utf8));
    out += field("Final-Recipient", typed_address(r.address, utf8));
    out += field("Action", action_of(dsn.kind));
    out += field("Status", status_of(dsn.kind, r));
    // Only what a remote host really said is its diagnostic (DSN-11).
    if (!r.remote_mta.empty()) {
        out += field("Remote-MTA", fmt::format("dns; {}", printable(r.remote_mta, 255)));
        if (!r.reply.empty())
            out += field("Diagnostic-Code", fmt::format("smtp; {}", one_line(r.reply, max_reply)));
    }
    if (r.last_attempt) out += field("Last-Attempt-Date", date_time(*r.last_attempt));
    if (dsn.kind == DsnKind::delay && r.retry_until)
        out += field("Will-Retry-Until", date_time(*r.retry_until));
    return out;
}

}  // namespace

DsnParts dsn_parts(const Dsn& dsn, bool utf8) {
    DsnParts parts{.text = head_of_text(dsn), .status = {}};
    parts.status = field("Reporting-MTA", fmt::format("dns; {}", dsn.hostname));
    if (!dsn.original->envid.empty()) {
        const Result<std::string> envid = parse_envid(dsn.original->envid);
        parts.status +=
            field("Original-Envelope-Id", printable_once(envid ? *envid : dsn.original->envid, 300));
    }
    parts.status += field("Arrival-Date", date_time(dsn.original->received_at));
    std::size_t listed = 0;
    for (const DsnRecipient& r : dsn.recipients) {
        if (listed == max_listed || parts.text.size() + parts.status.size() > max_parts) break;
        parts.text += text_of(dsn, r, utf8);
        parts.status += status_fields(dsn, r, utf8);
        ++listed;
    }
    if (listed < dsn.recipients.size())
        parts.text += "\r\n" + paragraph(fmt::format("... and {} more.", dsn.recipients.size() - listed));
    return parts;
}

}  // namespace sealpost::queue
