/// \file The text of a TLSA record, as a zone file, dig or a report writes it, back to RDATA.
///
/// Shape    one record a text, in one of these forms; letters in either case, white space as it comes:
///            3 1 1 0123ab...             numbers; the hexadecimal digits may stand in groups
///            DANE-EE SPKI SHA2-256 01... the acronyms, and any mixture with numbers
///            \# 35 030101...             unknown RDATA, also shorter than a TLSA record may be
///            030101...                   the RDATA itself, in one word
/// Errors   Errc::invalid - none of these; the text names the offending word, printable.
/// Never    judges the record: security/tlsa.hpp does.
/// Source   RFC 6698 §2.2 (numbers); RFC 7218 §2 (acronyms); RFC 3597 §5 (unknown RDATA); DANE-87.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "config/result.hpp"

namespace sealpost::security {

/// Of one text: the hexadecimal form of the longest RDATA, and as much again for white space.
inline constexpr std::size_t max_tlsa_presentation = 262144;

[[nodiscard]] Result<std::vector<std::uint8_t>> parse_tlsa_presentation(std::string_view text);

}  // namespace sealpost::security
