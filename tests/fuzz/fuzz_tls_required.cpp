// Property: what relaxes is one field before the end of the header. A second one, in front or behind it, ends
// the relaxation; without a field there is none; an empty line in front hides everything; a body and fields
// of other names change nothing.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "require.hpp"
#include "security/tls_required.hpp"

using sealpost::security::parse_tls_required;
using Field = sealpost::security::TlsRequiredField;

namespace {

constexpr std::string_view field = "TLS-Required: No\r\n";

/// Without regard to case; takes a few octets more for a match than it should.
bool holds_name(std::string_view text) {
    constexpr std::string_view name = "tls-required";
    for (std::size_t i = 0; i + name.size() <= text.size(); ++i) {
        std::size_t same = 0;
        while (same < name.size() && (text[i + same] | 0x20) == name[same]) ++same;
        if (same == name.size()) return true;
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    const Field found = parse_tls_required(text);
    if (found != Field::absent) require(holds_name(text));

    require(parse_tls_required("\r\n" + text) == Field::absent);
    require(parse_tls_required("no field\r\n" + text) == Field::absent);
    const bool folds = !text.empty() && (text.front() == ' ' || text.front() == '\t');
    if (!folds) {
        require(parse_tls_required("X: y\r\n" + text) == found);
        require(parse_tls_required(std::string(field) + text) ==
                (found == Field::absent ? Field::no : Field::invalid));
    }
    // Behind the end of the header nothing counts. A text that ends inside a line is given its end first.
    if (text.ends_with("\r\n")) {
        const Field closed = parse_tls_required(text + "\r\n");
        require(closed == found);
        require(parse_tls_required(text + "\r\n" + std::string(field)) == closed);
        // Behind the last field it counts, unless the header had ended before.
        const Field twice = parse_tls_required(text + std::string(field));
        require(twice == found || twice == (found == Field::absent ? Field::no : Field::invalid));
    }
    return 0;
}
