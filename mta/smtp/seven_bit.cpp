#include "mta/smtp/seven_bit.hpp"

#include <algorithm>
#include <utility>

#include "config/keyword.hpp"
#include "mta/smtp/mime_fields.hpp"

namespace sealpost {

//  header           empty line, of a multipart       -> ignored, one Level more
//  header           empty line, of a message/rfc822  -> header
//  header           empty line, of a leaf            -> plain, quoted_printable, base64
//  header           empty line, not to be touched    -> sealed
//  any              "--boundary" of a Level          -> header of its next part; Levels inside it are over
//  any              "--boundary--" of a Level        -> ignored, the Level is over
//  A line without end (more than max_line octets) is taken in pieces and is never a boundary.

namespace {

constexpr std::size_t max_line = 998;  // RFC 5322 §2.1.1

bool is_high(char c) {
    return static_cast<unsigned char>(c) > 0x7f;
}

bool has_high(std::string_view text) {
    return std::any_of(text.begin(), text.end(), is_high);
}

/// "--boundary" with what follows it taken off, or no value.
std::optional<std::string_view> behind_boundary(std::string_view line, std::string_view boundary) {
    line.remove_prefix(2);
    if (!line.starts_with(boundary)) return std::nullopt;
    line.remove_prefix(boundary.size());
    while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    return line;
}

struct Field {
    std::string_view name;  ///< empty: no field
    std::string_view value;
    std::string_view text;  ///< all of it, with its last CR LF
};

/// The field at the start of `header`, with its folded lines; taken off.
Field take_field(std::string_view& header) {
    std::size_t end = 0;
    do {
        const std::size_t line_end = header.find("\r\n", end);
        end = line_end == std::string_view::npos ? header.size() : line_end + 2;
    } while (end < header.size() && (header[end] == ' ' || header[end] == '\t'));
    Field field{.name = {}, .value = {}, .text = header.substr(0, end)};
    header.remove_prefix(end);
    const std::size_t colon = field.text.find(':');
    if (colon == std::string_view::npos) return field;
    field.value = field.text.substr(colon + 1);
    field.name = field.text.substr(0, colon);
    while (!field.name.empty() && (field.name.back() == ' ' || field.name.back() == '\t'))
        field.name.remove_suffix(1);  // RFC 5322 §4.5
    return field;
}

bool is_identity(TransferEncoding encoding) {
    return encoding == TransferEncoding::seven_bit || encoding == TransferEncoding::eight_bit ||
           encoding == TransferEncoding::binary;
}

/// Content that is protected as it stands (RFC 1847 §2, RFC 8551 §3, RFC 3156).
bool is_sealed(const ContentType& content) {
    if (content.type == "multipart") return content.subtype == "signed" || content.subtype == "encrypted";
    if (content.type != "application") return false;
    return content.subtype.starts_with("pkcs7-") || content.subtype.starts_with("x-pkcs7-") ||
           content.subtype.starts_with("pgp-");
}

}  // namespace

std::string_view to_string(SevenBitFailure failure) {
    switch (failure) {
        case SevenBitFailure::eight_bit_header:
            return "its header holds 8-bit octets";
        case SevenBitFailure::sealed_content:
            return "it is signed or encrypted as it stands";
        case SevenBitFailure::not_understood:
            return "the header of one of its parts is not understood";
        case SevenBitFailure::header_too_large:
            return "the header of one of its parts is too large";
        case SevenBitFailure::line_too_long:
            return "it has a line of more than 998 octets";
    }
    return "it cannot be converted";
}

struct SevenBit::Header {
    bool mime_version = false;
    bool ambiguous = false;  ///< a field that may stand once stands twice
    bool has_type = false;
    std::optional<ContentType> type;  ///< none: it cannot be read
    bool composite_in_name = false;   ///< "multipart" or "message" is in what cannot be read
    TransferEncoding encoding = TransferEncoding::seven_bit;

    static Header read(std::string_view text, bool in_digest);
};

SevenBit::Header SevenBit::Header::read(std::string_view text, bool in_digest) {
    Header found;
    bool has_encoding = false;
    while (!text.empty()) {
        const Field field = take_field(text);
        if (same_keyword(field.name, "mime-version")) {
            found.mime_version = true;
        } else if (same_keyword(field.name, "content-type")) {
            found.ambiguous = found.ambiguous || found.has_type;
            found.has_type = true;
            found.type = parse_content_type(field.value);
            std::string_view word = field.value;
            word.remove_prefix(std::min(word.find_first_not_of(" \t\r\n\"'"), word.size()));
            found.composite_in_name =
                same_keyword(word.substr(0, 9), "multipart") || same_keyword(word.substr(0, 7), "message");
        } else if (same_keyword(field.name, "content-transfer-encoding")) {
            found.ambiguous = found.ambiguous || has_encoding;
            has_encoding = true;
            found.encoding = parse_transfer_encoding(field.value);
        }
    }
    if (!found.has_type)  // RFC 2045 §5.2, RFC 2046 §5.1.5
        found.type = in_digest ? ContentType{.type = "message", .subtype = "rfc822", .boundary = {}}
                               : ContentType{.type = "text", .subtype = "plain", .boundary = {}};
    return found;
}

void SevenBit::append(std::string_view piece, std::string& out) {
    while (!piece.empty()) {
        const char c = piece.front();
        if (at_cr_ || c == '\n') {  // a bare CR or LF ends a line, as in DotStuffer
            at_cr_ = false;
            line(line_, !continued_, true);
            line_.clear();
            continued_ = false;
            if (c == '\n') piece.remove_prefix(1);
            continue;
        }
        if (c == '\r') {
            at_cr_ = true;
            piece.remove_prefix(1);
            continue;
        }
        if (line_.size() == max_line) {
            line(line_, !continued_, false);
            line_.clear();
            continued_ = true;
        }
        const std::string_view run = piece.substr(0, std::min(piece.find_first_of("\r\n"), piece.size()))
                                         .substr(0, max_line - line_.size());
        line_ += run;
        piece.remove_prefix(run.size());
    }
    if (!failure_) out += out_;
    out_.clear();
}

void SevenBit::finish(std::string& out) {
    if (at_cr_ || continued_ || !line_.empty()) line(line_, !continued_, true);
    line_.clear();
    at_cr_ = continued_ = false;
    if (mode_ == Mode::header) cut_header();
    // Nothing follows, so the last CR LF is content.
    if (mode_ == Mode::base64 && line_end_due_) base64_.append("\r\n", out_);
    end_leaf();
    if (!failure_) out += out_;
    out_.clear();
}

void SevenBit::line(std::string_view text, bool begins, bool ends) {
    if (failure_ == SevenBitFailure::header_too_large) return;
    const bool whole = begins && ends;
    if (whole && text.starts_with("--") && delimiter(text)) return;
    switch (mode_) {
        case Mode::header:
            if (whole && text.empty()) {
                end_header();
                return;
            }
            if (!whole) fail(SevenBitFailure::line_too_long);
            header_ += text;
            if (ends) header_ += "\r\n";
            if (header_.size() > limits_.header) {
                fail(SevenBitFailure::header_too_large);
                failure_ = SevenBitFailure::header_too_large;  // nothing behind it can be understood
            }
            return;
        case Mode::quoted_printable:
        case Mode::base64:
            encode(text, ends);
            return;
        case Mode::plain:
        case Mode::sealed:
        case Mode::ignored:
            if (!whole) fail(SevenBitFailure::line_too_long);
            copy(text, ends);
            return;
    }
}

void SevenBit::encode(std::string_view text, bool ends) {
    if (mode_ == Mode::quoted_printable) {
        quoted_printable_.append(text, out_);
        if (ends) quoted_printable_.end_line(out_);
        return;
    }
    if (line_end_due_) base64_.append("\r\n", out_);
    base64_.append(text, out_);
    line_end_due_ = ends;
}

void SevenBit::copy(std::string_view text, bool ends) {
    const std::size_t begin = out_.size();
    out_ += text;
    if (ends) out_ += "\r\n";
    if (!has_high(text)) return;
    switch (mode_) {
        case Mode::ignored:
            std::replace_if(out_.begin() + static_cast<std::ptrdiff_t>(begin), out_.end(), is_high, '?');
            return;
        case Mode::plain:
            plan_.resize(std::max(plan_.size(), leaf_));
            plan_grew_ = plan_grew_ || !plan_[leaf_ - 1];
            plan_[leaf_ - 1] = true;
            return;
        default:
            eight_bit_header_ = true;  // there may be headers in it
            fail(sealed_why_);
    }
}

bool SevenBit::delimiter(std::string_view text) {
    for (std::size_t i = levels_.size(); i-- > 0;) {
        const std::optional<std::string_view> rest = behind_boundary(text, levels_[i].boundary);
        if (!rest || (!rest->empty() && *rest != "--")) continue;
        if (mode_ == Mode::header) cut_header();
        end_leaf();
        levels_.erase(levels_.begin() + static_cast<std::ptrdiff_t>(i) + 1, levels_.end());
        out_ += text;
        out_ += "\r\n";
        depth_ = levels_[i].depth;
        if (rest->empty()) {
            begin_header(false, levels_[i].digest);
        } else {
            levels_.pop_back();
            mode_ = Mode::ignored;
        }
        return true;
    }
    return false;
}

void SevenBit::begin_header(bool of_message, bool digest) {
    mode_ = Mode::header;
    header_.clear();
    message_header_ = of_message;
    in_digest_ = digest;
}

/// No body follows, so that nothing in it needs another header.
void SevenBit::cut_header() {
    if (has_high(header_)) {
        eight_bit_header_ = true;
        fail(SevenBitFailure::eight_bit_header);
    }
    out_ += header_;
    header_.clear();
    mode_ = Mode::ignored;
}

void SevenBit::end_leaf() {
    if (mode_ == Mode::base64) base64_.finish(out_);
    line_end_due_ = false;
}

void SevenBit::end_header() {
    if (has_high(header_)) {
        eight_bit_header_ = true;
        fail(SevenBitFailure::eight_bit_header);
    }
    for (std::string_view rest = header_; top_ && !rest.empty();)
        if (same_keyword(take_field(rest).name, "dkim-signature")) dkim_signed_ = true;
    enter(Header::read(header_, in_digest_));
    top_ = false;
}

/// What stands behind the header, and the header itself.
void SevenBit::enter(const Header& header) {
    if (header.ambiguous || (!header.type && header.composite_in_name))
        return enter_sealed(SevenBitFailure::not_understood);
    if (!header.type) return enter_leaf(header, false);
    const ContentType& content = *header.type;
    if (is_sealed(content)) return enter_sealed(SevenBitFailure::sealed_content);
    const bool multipart = content.type == "multipart";
    const bool message = content.type == "message" && content.subtype == "rfc822";
    if (!multipart && !message) {
        // RFC 2046 §5.2: other kinds of message are in 7 bits. Those of RFC 6532 §3.7 may be encoded.
        if (content.type == "message" && !content.subtype.starts_with("global"))
            return enter_sealed(SevenBitFailure::not_understood);
        return enter_leaf(header, content.type == "text");
    }
    if (depth_ >= limits_.depth || !is_identity(header.encoding) || (multipart && content.boundary.empty()))
        return enter_sealed(SevenBitFailure::not_understood);
    print_header(header, header.encoding == TransferEncoding::seven_bit ? "" : "7bit", false);
    ++depth_;
    if (message) return begin_header(true, false);
    levels_.push_back({.boundary = content.boundary, .digest = content.subtype == "digest", .depth = depth_});
    mode_ = Mode::ignored;
}

void SevenBit::enter_leaf(const Header& header, bool text) {
    if (!is_identity(header.encoding)) return enter_sealed(SevenBitFailure::not_understood);
    // Of a message with one part only it is known already: nobody converts one that is in 7 bits.
    bool encoded = top_ || header.encoding != TransferEncoding::seven_bit;
    if (!encoded) {
        if (leaf_ == limits_.parts) return enter_sealed(SevenBitFailure::not_understood);
        encoded = leaf_ < plan_.size() && plan_[leaf_];
        ++leaf_;
    }
    if (!encoded) {
        mode_ = Mode::plain;
        out_ += header_;
        out_ += "\r\n";
        return;
    }
    mode_ = text ? Mode::quoted_printable : Mode::base64;
    print_header(header, text ? "quoted-printable" : "base64", !header.has_type);
}

void SevenBit::enter_sealed(SevenBitFailure why) {
    mode_ = Mode::sealed;
    sealed_why_ = why;
    out_ += header_;
    out_ += "\r\n";
}

/// `encoding` replaces what the header says; empty: that stays.
void SevenBit::print_header(const Header& header, std::string_view encoding, bool text_type) {
    bool due = !encoding.empty();
    const auto print_encoding = [&] {
        if (due) out_ += "Content-Transfer-Encoding: ";
        if (due) out_ += encoding;
        if (due) out_ += "\r\n";
        due = false;
    };
    for (std::string_view rest = header_; !rest.empty();) {
        const Field field = take_field(rest);
        if (due && same_keyword(field.name, "content-transfer-encoding"))
            print_encoding();
        else
            out_ += field.text;
    }
    if (message_header_ && !header.mime_version) out_ += "MIME-Version: 1.0\r\n";
    if (text_type) out_ += "Content-Type: text/plain; charset=unknown-8bit\r\n";
    print_encoding();
    out_ += "\r\n";
}

void SevenBit::fail(SevenBitFailure failure) {
    if (!failure_) failure_ = failure;
}

void SevenBitMeasure::append(std::string_view piece) {
    pass_.append(piece, out_);
    size_ += out_.size();
    out_.clear();
}

bool SevenBitMeasure::again() {
    pass_.finish(out_);
    size_ += out_.size();
    out_.clear();
    if (pass_.failure() || !pass_.plan_grew()) return false;
    pass_ = SevenBit(pass_.plan(), limits_);
    size_ = 0;
    return true;
}

}  // namespace sealpost
