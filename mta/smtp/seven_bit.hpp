/// \file SevenBit: a message with 8-bit content as it goes to a server without 8BITMIME.
///
/// Shape    each leaf part that holds 8-bit octets becomes quoted-printable (text) or base64 (all else), its
///          header is rewritten for that, and everything else stays octet for octet: boundaries, order, other
///          fields. What readers ignore (before the first boundary and after the last) gets '?' for such
///          octets. Text that is no MIME message becomes one of charset unknown-8bit (RFC 1428 §3). Output
///          has CR LF line ends alone and no octet above 127.
/// Limits   SevenBitLimits; memory is one header and one line, however long the message.
/// Errors   SevenBitFailure: the message cannot be converted and what came out is worth nothing.
/// Never    alters what is signed or encrypted as it stands (RFC 1847 §2.1), and nothing that it does not
///          understand. A DKIM signature over the message breaks all the same: RFC 6376 §5.3 has signers
///          convert first, RFC 6152 §3 has us convert or return. A message whose signature no longer verifies
///          is treated as one without (RFC 6376 §6.3), a returned one does not arrive, so it is converted;
///          `dkim_signed()` is for who decides otherwise.
/// Source   RFC 6152 §3; RFC 2045 §5.2, §6; RFC 2046 §5.1, §5.2; RFC 1847 §2; RFC 8551 §3.1.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mta/smtp/transfer_encoder.hpp"

namespace sealpost {

struct SevenBitLimits {
    std::size_t header = 256UL << 10;  ///< octets of one header
    std::size_t depth = 20;            ///< multiparts and messages inside each other
    std::size_t parts = 10'000;        ///< leaf parts whose content is not known from their header
};

enum class SevenBitFailure {
    eight_bit_header,  ///< octets above 127 in a header field: no encoding of the body takes them away
    sealed_content,    ///< in multipart/signed or /encrypted, S/MIME, PGP
    not_understood,    ///< in a part whose header is ambiguous, malformed or nested too deep
    header_too_large,
    line_too_long  ///< more than 998 octets in what is not encoded
};
[[nodiscard]] std::string_view to_string(SevenBitFailure failure);

/// Leaf parts that hold 8-bit octets although their header does not say so, by their number.
using SevenBitPlan = std::vector<bool>;

class SevenBit {
public:
    explicit SevenBit(SevenBitPlan plan = {}, SevenBitLimits limits = {})
        : limits_(limits), plan_(std::move(plan)) {}

    /// Pieces of any size, as they come.
    void append(std::string_view piece, std::string& out);
    void finish(std::string& out);

    [[nodiscard]] const std::optional<SevenBitFailure>& failure() const { return failure_; }
    /// After finish(): a part turned out to need encoding when its header was out already, so that the output
    /// is not in 7 bits. With the plan() of now a second pass will do; a third is never needed.
    [[nodiscard]] bool plan_grew() const { return plan_grew_; }
    [[nodiscard]] const SevenBitPlan& plan() const { return plan_; }

    /// Octets above 127 in a header field or where one may be: content for SMTPUTF8 (RFC 6532).
    [[nodiscard]] bool eight_bit_header() const { return eight_bit_header_; }
    [[nodiscard]] bool dkim_signed() const { return dkim_signed_; }

private:
    enum class Mode {
        header,
        plain,             ///< a leaf, as it is, and watched for 8-bit octets
        quoted_printable,  ///< a leaf that is encoded
        base64,
        sealed,  ///< as it is, and no 8-bit octet may come
        ignored  ///< before the first part of a multipart, or behind the last
    };
    struct Level {
        std::string boundary;
        bool digest;        ///< its parts are messages where they do not say otherwise
        std::size_t depth;  ///< of its parts
    };
    struct Header;  ///< what the fields of one say

    void line(std::string_view text, bool begins, bool ends);
    void encode(std::string_view text, bool ends);
    void copy(std::string_view text, bool ends);
    [[nodiscard]] bool delimiter(std::string_view text);
    void begin_header(bool of_message, bool digest);
    void end_header();
    void cut_header();
    void end_leaf();
    void enter(const Header& header);
    void enter_leaf(const Header& header, bool text);
    void enter_sealed(SevenBitFailure why);
    void print_header(const Header& header, std::string_view encoding, bool text_type);
    void fail(SevenBitFailure failure);

    SevenBitLimits limits_;
    SevenBitPlan plan_;
    bool plan_grew_ = false;
    std::optional<SevenBitFailure> failure_;
    bool eight_bit_header_ = false;
    bool dkim_signed_ = false;

    std::string out_;
    std::string line_;        ///< octets of the line so far
    bool continued_ = false;  ///< and some of it was taken already
    bool at_cr_ = false;

    Mode mode_ = Mode::header;
    std::string header_;
    bool message_header_ = true;  ///< of a message, not of a body part
    bool in_digest_ = false;
    bool top_ = true;            ///< nothing but the header of the whole message so far
    std::vector<Level> levels_;  ///< the multiparts we are in, the innermost last
    std::size_t depth_ = 0;      ///< multiparts and messages around us
    std::size_t leaf_ = 0;       ///< number of the next leaf that has to be watched
    SevenBitFailure sealed_why_ = SevenBitFailure::not_understood;
    QuotedPrintable quoted_printable_;
    Base64 base64_;
    bool line_end_due_ = false;  ///< for base64: CR LF before a boundary is not content
};

/// The size that a message will have, and whether it can be converted, before any of it is sent: SIZE and
/// BDAT need to know. The content has to be read once, in rare cases twice:
///
///     do { for (each block) measure.append(block); } while (measure.again());
class SevenBitMeasure {
public:
    explicit SevenBitMeasure(SevenBitLimits limits = {}) : limits_(limits), pass_({}, limits) {}

    void append(std::string_view piece);
    /// The content is at its end. True: once more from the beginning.
    [[nodiscard]] bool again();

    [[nodiscard]] const std::optional<SevenBitFailure>& failure() const { return pass_.failure(); }
    /// Octets of the converted message, exactly.
    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// For the SevenBit that converts.
    [[nodiscard]] const SevenBitPlan& plan() const { return pass_.plan(); }
    [[nodiscard]] bool eight_bit_header() const { return pass_.eight_bit_header(); }
    [[nodiscard]] bool dkim_signed() const { return pass_.dkim_signed(); }

private:
    SevenBitLimits limits_;
    SevenBit pass_;
    std::string out_;
    std::uint64_t size_ = 0;
};

}  // namespace sealpost
