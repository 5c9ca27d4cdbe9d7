// The _smtp._tls record: every destination that comes out is a plain address or an https URI, and printed as
// a record again gives the same destinations.
#include <cstdint>
#include <string>

#include "config/address.hpp"
#include "require.hpp"
#include "security/tlsrpt_record.hpp"

using namespace sealpost;
using namespace sealpost::security;

namespace {

std::string uri_of(const ReportDestination& destination) {
    if (destination.via == ReportVia::https) return destination.target;
    std::string uri = "mailto:";
    for (const char c : destination.target) uri += fmt::format("%{:02X}", static_cast<std::uint8_t>(c));
    return uri;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(data, data + size);
    const Result<TlsrptRecord> record = parse_tlsrpt_record(text);
    if (!record) {
        for (const char c : record.error().text) require(c >= 0x20 && c < 0x7F);
        return 0;
    }
    require(text.starts_with("v=TLSRPTv1"));
    require(record->destinations.size() <= 10 && record->skipped.size() <= 10);
    for (const std::string& skipped : record->skipped)
        for (const char c : skipped) require(c >= 0x20 && c < 0x7F);
    if (record->destinations.empty()) return 0;

    std::string again;
    for (const ReportDestination& one : record->destinations) {
        for (const char c : one.target) require(c >= 0x20 && c < 0x7F);
        if (one.via == ReportVia::mail) require(Address::parse(one.target).value().str() == one.target);
        again += (again.empty() ? "v=TLSRPTv1; rua=" : ", ") + uri_of(one);
    }
    if (again.size() <= 8192)
        require(parse_tlsrpt_record(again).value().destinations == record->destinations);
    return 0;
}
