#include "mta/smtp/seven_bit.hpp"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>

using sealpost::SevenBit;
using sealpost::SevenBitFailure;
using sealpost::SevenBitLimits;
using sealpost::SevenBitMeasure;

namespace {

/// Lines end with '\n' here, so that messages can be read.
std::string crlf(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\n') out += '\r';
        out += c;
    }
    return out;
}

struct Converted {
    std::string text;  ///< lines end with '\n'
    std::optional<SevenBitFailure> failure;
    std::uint64_t measured = 0;
};

Converted convert(std::string_view message, SevenBitLimits limits = {}, std::size_t cut = 7) {
    const std::string in = crlf(message);
    SevenBitMeasure measure(limits);
    int passes = 0;
    do {
        ++passes;
        for (std::size_t i = 0; i < in.size(); i += cut) measure.append(std::string_view(in).substr(i, cut));
    } while (measure.again());
    CHECK(passes <= 2);
    Converted made;
    made.failure = measure.failure();
    if (made.failure) return made;
    SevenBit converter(measure.plan(), limits);
    std::string out;
    converter.append(in, out);
    converter.finish(out);
    CHECK_FALSE(converter.failure());
    CHECK_FALSE(converter.plan_grew());
    CHECK(measure.size() == out.size());
    CHECK(std::none_of(out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) > 0x7f; }));
    std::copy_if(out.begin(), out.end(), std::back_inserter(made.text), [](char c) { return c != '\r'; });
    return made;
}

/// `depth` multiparts around `inner`, which is a body part with its header.
std::string nested(std::size_t depth, const std::string& inner) {
    std::string text = inner;
    for (std::size_t i = 0; i < depth; ++i)
        text =
            fmt::format("Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n{1}\n--b{0}--\n", i, text);
    return "MIME-Version: 1.0\n" + text;
}

const std::string eight_bit_leaf = "Content-Transfer-Encoding: 8bit\n\n\xc3\xa4";

}  // namespace

TEST_SUITE("mta/smtp/seven_bit") {
    TEST_CASE("text becomes quoted-printable and says so where it said 8bit [EXT-13]") {
        const Converted r = convert(
            "From: a@example.org\nMIME-Version: 1.0\ncontent-transfer-encoding:\n 8bit (c)\n"
            "Content-Type: text/plain; charset=utf-8\nSubject: x\n\ngr\xc3\xbc\xc3\x9f"
            "e\n.\n\nend \n");
        CHECK_FALSE(r.failure);
        CHECK(r.text ==
              "From: a@example.org\nMIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n"
              "Content-Type: text/plain; charset=utf-8\nSubject: x\n\ngr=C3=BC=C3=9Fe\n.\n\nend=20\n");
    }

    TEST_CASE("text that is no MIME message becomes one of an unknown charset [EXT-13]") {
        CHECK(convert("Subject: x\n\ngr\xfc\xdf"
                      "e\n")
                  .text ==
              "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n"
              "Content-Transfer-Encoding: quoted-printable\n\ngr=FC=DFe\n");
        // It has a type and only forgot to say that it is MIME.
        CHECK(convert("Content-Type: text/html\n\n\xe4\n").text ==
              "Content-Type: text/html\nMIME-Version: 1.0\nContent-Transfer-Encoding: "
              "quoted-printable\n\n=E4\n");
    }

    TEST_CASE("what is no text becomes base64 with its line ends [EXT-13]") {
        CHECK(convert("MIME-Version: 1.0\nContent-Type: application/x\nContent-Transfer-Encoding: binary\n\n"
                      "\xe4\n")
                  .text ==
              "MIME-Version: 1.0\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\n5A0K\n");
        // A type that cannot be read may be anything.
        CHECK(convert("MIME-Version: 1.0\nContent-Type: text\n\n\xe4\n").text ==
              "MIME-Version: 1.0\nContent-Type: text\nContent-Transfer-Encoding: base64\n\n5A0K\n");
    }

    TEST_CASE("each part of a multipart is converted by itself and the rest stays [EXT-13]") {
        const Converted r = convert(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=b\"\nContent-Transfer-Encoding: "
            "8bit\n\n"
            "pre\xc3\xa4mble\n--=b\n\nplain\n--=b \nContent-Type: image/x\nContent-Transfer-Encoding: "
            "8BIT\n\n"
            "\xe4\n\n--=b\nContent-Type: text/html\nContent-Transfer-Encoding: 8bit\n\n<p>\xe4\n--=bb\n"
            "--=b\nContent-Transfer-Encoding: base64\n\n5A==\n--=b--\nepi\xe4logue\n--=b\nno part\n");
        CHECK(r.text ==
              "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=b\"\nContent-Transfer-Encoding: "
              "7bit\n\n"
              "pre??mble\n--=b\n\nplain\n--=b \nContent-Type: image/x\nContent-Transfer-Encoding: base64\n\n"
              "5A0K\n--=b\nContent-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\n"
              "<p>=E4\n--=3Dbb\n--=b\nContent-Transfer-Encoding: base64\n\n5A==\n--=b--\nepi?logue\n--=b\nno "
              "part\n");
    }

    TEST_CASE("a part that hides its 8-bit octets is found and converted in a second pass [EXT-13]") {
        const Converted r = convert(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nplain\n--b\n\n\xe4\n--b\n"
            "Content-Type: text/plain\nContent-Transfer-Encoding: 7bit\n\n\xe4\n--b--\n");
        CHECK(r.text ==
              "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nplain\n--b\n"
              "Content-Type: text/plain; charset=unknown-8bit\nContent-Transfer-Encoding: "
              "quoted-printable\n\n=E4\n"
              "--b\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n=E4\n--b--\n");
    }

    TEST_CASE("a message inside is converted inside and never encoded as a whole [EXT-13]") {
        const Converted r = convert(
            "MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\n\xe4\n"
            "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
            "Content-Type: multipart/mixed; boundary=inner\n\n--inner\nContent-Transfer-Encoding: "
            "8bit\n\n\xe4\n"
            "--b--\n");
        CHECK(r.text ==
              "MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n--b\n\n"
              "Subject: one\nMIME-Version: 1.0\nContent-Type: text/plain; charset=unknown-8bit\n"
              "Content-Transfer-Encoding: quoted-printable\n\n=E4\n"
              "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\n"
              "Content-Type: multipart/mixed; boundary=inner\nMIME-Version: 1.0\n\n--inner\n"
              "Content-Transfer-Encoding: quoted-printable\nContent-Type: text/plain; "
              "charset=unknown-8bit\n\n=E4\n"
              "--b--\n");
    }

    TEST_CASE("8-bit octets in a header cannot be converted [EXT-13 EXT-15]") {
        for (const char* message : {
                 "Subject: \xc3\xa4\n\nx\n",
                 "Subject: \xc3\xa4\n",
                 "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: \xe4\n\nx\n--b--\n",
                 "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: \xe4\n--b--\n",
                 "MIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: \xe4\n\nx\n",
             }) {
            CAPTURE(message);
            CHECK(convert(message).failure == SevenBitFailure::eight_bit_header);
            SevenBitMeasure measure;
            measure.append(crlf(message));
            CHECK_FALSE(measure.again());
            CHECK(measure.eight_bit_header());
        }
        SevenBitMeasure body_only;
        body_only.append(crlf("Subject: x\n\n\xe4\n"));
        CHECK_FALSE(body_only.again());
        CHECK_FALSE(body_only.eight_bit_header());
    }

    TEST_CASE("what is signed or encrypted as it stands is never touched [EXT-13 EXT-14]") {
        const std::string head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=o\n\n--o\n";
        const std::string tail = "\n--o\nContent-Transfer-Encoding: 8bit\n\n\xe4\n--o--\n";
        for (const char* type :
             {"multipart/signed; boundary=b", "multipart/encrypted; boundary=b", "application/pkcs7-mime",
              "application/x-pkcs7-signature", "application/pgp-encrypted", "Application/PGP-Signature"}) {
            CAPTURE(type);
            const std::string sealed = fmt::format(
                "Content-Type: {}\n\n--b\nContent-Transfer-Encoding: 8bit\n\n{{}}\n--b--\n", type);
            const auto with = [&](std::string_view octets) {
                return head + fmt::format(fmt::runtime(sealed), octets) + tail;
            };
            CHECK(convert(with("\xe4")).failure == SevenBitFailure::sealed_content);
            const Converted r = convert(with("plain"));
            CHECK_FALSE(r.failure);
            CHECK(r.text.find(fmt::format(fmt::runtime(sealed), "plain")) != std::string::npos);
            CHECK(r.text.ends_with("\n\n=E4\n--o--\n"));
        }
    }

    TEST_CASE("a DKIM signature is told and does not keep a message back [EXT-14]") {
        SevenBitMeasure measure;
        measure.append(crlf("DKIM-Signature: v=1; a=rsa-sha256;\n b=x\nSubject: x\n\n\xe4\n"));
        CHECK_FALSE(measure.again());
        CHECK(measure.dkim_signed());
        CHECK_FALSE(measure.failure());
        SevenBitMeasure unsigned_one;
        unsigned_one.append(crlf("Subject: DKIM-Signature: x\n\n\xe4\n"));
        CHECK_FALSE(unsigned_one.again());
        CHECK_FALSE(unsigned_one.dkim_signed());
    }

    TEST_CASE("what is not understood is not converted and goes out only in 7 bits [EXT-13]") {
        const char* const open = "MIME-Version: 1.0\n";
        for (const char* fields : {
                 "Content-Type: multipart/mixed\n",
                 "Content-Type: multipart/mixed; boundary=a; boundary=b\n",
                 "Content-Type: multipart/mixed; boundary=\"\"\n",
                 "Content-Type: multipart; boundary=b\n",
                 "Content-Type: text/plain\nContent-Type: multipart/mixed; boundary=b\n",
                 "Content-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: 7bit\n",
                 "Content-Transfer-Encoding: base64\n",
                 "Content-Transfer-Encoding: quoted-printable\n",
                 "Content-Transfer-Encoding: x-own\n",
                 "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n",
                 "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n",
                 "Content-Type: message/partial; id=x; number=1\n",
                 "Content-Type: message/delivery-status\n",
             }) {
            CAPTURE(fields);
            CHECK(convert(fmt::format("{}{}\n\xe4\n", open, fields)).failure ==
                  SevenBitFailure::not_understood);
            const std::string plain = fmt::format("{}{}\n--b\nplain\n", open, fields);
            CHECK(convert(plain).text == plain);
        }
    }

    TEST_CASE("depth and parts and header and lines have limits [EXT-13]") {
        const SevenBitLimits limits{.header = 200, .depth = 3, .parts = 2};
        CHECK_FALSE(convert(nested(3, eight_bit_leaf), limits).failure);
        CHECK(convert(nested(4, eight_bit_leaf), limits).failure == SevenBitFailure::not_understood);
        CHECK_FALSE(convert(nested(4, "\nplain"), limits).failure);
        CHECK(convert(nested(500, eight_bit_leaf)).failure == SevenBitFailure::not_understood);
        std::string messages = "MIME-Version: 1.0\n";
        for (int i = 0; i < 500; ++i) messages += "Content-Type: message/rfc822\n\n";
        CHECK(convert(messages + "Subject: x\n\n\xe4\n").failure == SevenBitFailure::not_understood);

        const std::string many =
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n\xe4\n--b\n\n\xe4\n";
        CHECK_FALSE(convert(many, limits).failure);
        CHECK(convert(many + "--b\n\n\xe4\n", limits).failure == SevenBitFailure::not_understood);
        CHECK_FALSE(convert(many + "--b\n\nplain\n", limits).failure);

        CHECK(convert("X: " + std::string(200, 'x') + "\n\n\xe4\n", limits).failure ==
              SevenBitFailure::header_too_large);
        const std::string long_line(999, 'x');
        CHECK(convert("X: " + long_line + "\n\n\xe4\n").failure == SevenBitFailure::line_too_long);
        CHECK(convert("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" + long_line +
                      "\n")
                  .failure == SevenBitFailure::line_too_long);
        CHECK_FALSE(convert("X: x\n\n\xe4" + long_line + "\n").failure);  // encoded, it is short
    }

    TEST_CASE("how the octets arrive changes nothing [EXT-13]") {
        const std::string message =
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nplain\n--b\n"
            "Content-Type: image/x\nContent-Transfer-Encoding: 8bit\n\n\xe4\n\n\n--b\n\n\xe4 \n\n--b--\n";
        const std::string whole = convert(message, {}, 10'000).text;
        for (std::size_t cut = 1; cut < 40; ++cut) CHECK(convert(message, {}, cut).text == whole);
    }

    TEST_CASE("a last line without its end gets one and a bare CR or LF never leaves [EXT-13 SMTP-29]") {
        SevenBit converter;
        std::string out;
        converter.append("A: b\r\rx\ny\xe4\n\rz", out);
        converter.finish(out);
        CHECK(out ==
              "A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
              "Content-Transfer-Encoding: quoted-printable\r\n\r\nx\r\ny=E4\r\n\r\nz\r\n");
    }

}  // TEST_SUITE("mta/smtp/seven_bit")
