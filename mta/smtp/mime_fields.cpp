#include "mta/smtp/mime_fields.hpp"

#include <algorithm>

#include "config/keyword.hpp"

namespace sealpost {
namespace {

/// RFC 2045 §5.1: a token is printable ASCII without blanks and tspecials.
bool is_token_char(char c) {
    return c > ' ' && c <= '~' && std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
}

/// Reads the words of a structured field one after the other.
class Words {
public:
    explicit Words(std::string_view text) : rest_(text) {}

    /// Empty where no token stands.
    std::string token() {
        skip_blanks();
        std::size_t length = 0;
        while (length < rest_.size() && is_token_char(rest_[length])) ++length;
        std::string found = ascii_lower(std::string(rest_.substr(0, length)));
        rest_.remove_prefix(length);
        return found;
    }

    bool take(char c) {
        skip_blanks();
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }

    /// A token or a quoted string, as written; no value where neither stands.
    std::optional<std::string> value() {
        skip_blanks();
        if (!rest_.starts_with('"')) {
            std::size_t length = 0;
            while (length < rest_.size() && is_token_char(rest_[length])) ++length;
            if (length == 0) return std::nullopt;
            std::string found(rest_.substr(0, length));
            rest_.remove_prefix(length);
            return found;
        }
        std::string found;
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            if (rest_[i] == '"') {
                rest_.remove_prefix(i + 1);
                return found;
            }
            if (rest_[i] == '\\' && i + 1 < rest_.size()) ++i;
            if (rest_[i] != '\r' && rest_[i] != '\n') found += rest_[i];  // folding
        }
        return std::nullopt;
    }

    bool at_end() {
        skip_blanks();
        return rest_.empty();
    }

private:
    void skip_blanks() {
        std::size_t depth = 0;
        std::size_t i = 0;
        for (; i < rest_.size(); ++i) {
            const char c = rest_[i];
            if (c == '(') {
                ++depth;
            } else if (depth > 0) {
                if (c == ')') --depth;
                if (c == '\\') ++i;
            } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
                break;
            }
        }
        rest_.remove_prefix(std::min(i, rest_.size()));
    }

    std::string_view rest_;
};

/// As it can be compared with lines: their blanks at the end do not count. Empty for what no line can match.
std::string usable_boundary(std::string boundary) {
    while (!boundary.empty() && boundary.back() == ' ') boundary.pop_back();
    const bool printable =
        std::all_of(boundary.begin(), boundary.end(), [](char c) { return c >= ' ' && c <= '~'; });
    return printable && boundary.size() <= max_boundary ? boundary : std::string();
}

}  // namespace

std::optional<ContentType> parse_content_type(std::string_view value) {
    Words words(value);
    ContentType found;
    found.type = words.token();
    if (found.type.empty() || !words.take('/')) return std::nullopt;
    found.subtype = words.token();
    if (found.subtype.empty()) return std::nullopt;
    bool seen = false;
    while (words.take(';')) {
        const std::string attribute = words.token();
        if (attribute.empty()) continue;  // ";;", or one at the end
        const std::optional<std::string> text = words.take('=') ? words.value() : std::nullopt;
        if (!text) break;
        if (attribute.starts_with("boundary")) {  // "boundary*0" (RFC 2231) is not put together
            found.boundary = seen || attribute != "boundary" ? std::string() : usable_boundary(*text);
            seen = true;
        }
    }
    // Another reader may see a boundary in what was not understood here.
    if (!words.at_end()) found.boundary.clear();
    return found;
}

TransferEncoding parse_transfer_encoding(std::string_view value) {
    Words words(value);
    const std::string name = words.token();
    if (!words.at_end()) return TransferEncoding::unknown;
    if (name == "7bit") return TransferEncoding::seven_bit;
    if (name == "8bit") return TransferEncoding::eight_bit;
    if (name == "binary") return TransferEncoding::binary;
    if (name == "quoted-printable") return TransferEncoding::quoted_printable;
    if (name == "base64") return TransferEncoding::base64;
    return TransferEncoding::unknown;
}

}  // namespace sealpost
