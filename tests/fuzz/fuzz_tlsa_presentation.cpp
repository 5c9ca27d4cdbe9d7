// The text of a TLSA record: what is read comes back from the text that we print ourselves, from that text in
// acronyms, as unknown RDATA and as plain digits; what is not read is refused in printable words.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "require.hpp"
#include "security/tlsa.hpp"
#include "security/tlsa_presentation.hpp"

using namespace sealpost;
using namespace sealpost::security;

namespace {

using Bytes = std::vector<std::uint8_t>;

std::string hex(const Bytes& octets, std::string_view between) {
    std::string text;
    for (const std::uint8_t octet : octets) text += fmt::format("{:02x}{}", octet, between);
    return text;
}

std::string word_of(std::uint8_t number, std::string_view acronym) {
    return acronym == "unassigned" ? std::to_string(number) : std::string(acronym);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(data, data + size);
    const Result<Bytes> rdata = parse_tlsa_presentation(text);
    if (!rdata) {
        require(rdata.error().code == Errc::invalid);
        for (const char c : rdata.error().text) require(c >= 0x20 && c < 0x7F);
        return 0;
    }
    require(rdata->size() <= 65535 && size >= rdata->size());
    const TlsaRecord record = TlsaRecord::parse(*rdata);
    require(parse_tlsa_presentation(record.str()).value() == *rdata);
    if (rdata->size() > 4096) return 0;  // the longer forms below would only be slow
    require(parse_tlsa_presentation(fmt::format("\\# {} {}", rdata->size(), hex(*rdata, " "))).value() ==
            *rdata);
    if (!rdata->empty()) require(parse_tlsa_presentation(hex(*rdata, "")).value() == *rdata);
    if (record.malformed) return 0;
    const std::string named = fmt::format(
        "{} {} {} {}", word_of(record.usage, usage_acronym(record.usage)),
        word_of(record.selector, selector_acronym(record.selector)),
        word_of(record.matching_type, matching_type_acronym(record.matching_type)), hex(record.data, "\n"));
    require(parse_tlsa_presentation(named).value() == *rdata);
    return 0;
}
