#include "mta/smtp/transfer_encoder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace std::string_literals;
using sealpost::Base64;
using sealpost::QuotedPrintable;

namespace {

/// `lines` without CR LF, in pieces of `cut` octets.
std::string quoted(const std::vector<std::string>& lines, std::size_t cut = 1000) {
    QuotedPrintable encoder;
    std::string out;
    for (const std::string& line : lines) {
        for (std::size_t i = 0; i < line.size(); i += cut) encoder.append(line.substr(i, cut), out);
        encoder.end_line(out);
    }
    return out;
}

std::string base64(std::string_view octets, std::size_t cut = 1000) {
    Base64 encoder;
    std::string out;
    for (std::size_t i = 0; i < octets.size(); i += cut) encoder.append(octets.substr(i, cut), out);
    encoder.finish(out);
    return out;
}

std::size_t longest_line(std::string_view text) {
    std::size_t longest = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find("\r\n"), text.size());
        longest = std::max(longest, end);
        text.remove_prefix(std::min(end + 2, text.size()));
    }
    return longest;
}

}  // namespace

TEST_SUITE("mta/smtp/transfer_encoder") {
    TEST_CASE("quoted-printable keeps what is printable and encodes blanks at the end of a line [EXT-13]") {
        struct Row {
            std::string line;
            std::string out;
        };
        for (const Row& row : {
                 Row{"", "\r\n"},
                 Row{"plain text, with . and -", "plain text, with . and -\r\n"},
                 Row{"gr\xc3\xbc\xc3\x9f=e", "gr=C3=BC=C3=9F=3De\r\n"},
                 Row{"a ", "a=20\r\n"},
                 Row{"a \t", "a =09\r\n"},
                 Row{" ", "=20\r\n"},
                 Row{"a\tb c", "a\tb c\r\n"},
                 Row{"\0\x7f\xff"s, "=00=7F=FF\r\n"},
                 Row{std::string(75, 'x'), std::string(75, 'x') + "\r\n"},
                 Row{std::string(76, 'x'), std::string(75, 'x') + "=\r\nx\r\n"},
                 Row{std::string(73, 'x') + "\xe4", std::string(73, 'x') + "=\r\n=E4\r\n"},
                 Row{std::string(75, 'x') + " ", std::string(75, 'x') + "=\r\n=20\r\n"},
                 // No soft line break makes a boundary.
                 Row{std::string(75, 'x') + "--b", std::string(75, 'x') + "=\r\n=2D-b\r\n"},
             }) {
            CAPTURE(row.line);
            CHECK(quoted({row.line}) == row.out);
            CHECK(quoted({row.line}, 1) == row.out);
            CHECK(quoted({row.line, row.line}) == row.out + row.out);
        }
        CHECK(longest_line(quoted({std::string(5000, '\xe4')})) <= 76);
        CHECK(longest_line(quoted({std::string(5000, ' ')})) <= 76);
    }

    TEST_CASE("base64 has lines of 76 characters and its padding at the end alone [EXT-13]") {
        CHECK(base64("").empty());
        CHECK(base64("f") == "Zg==\r\n");  // RFC 4648 §10
        CHECK(base64("fo") == "Zm8=\r\n");
        CHECK(base64("foo") == "Zm9v\r\n");
        CHECK(base64("foobar") == "Zm9vYmFy\r\n");
        CHECK(base64("\xfb\xff\x00"s) == "+/8A\r\n");
        const std::string long_one(58, 'a');
        CHECK(base64(long_one).find("\r\n") == 76);
        CHECK(base64(long_one).size() == 76 + 2 + 4 + 2);
        for (const std::size_t cut : {1U, 2U, 56U, 57U}) CHECK(base64(long_one, cut) == base64(long_one));
        CHECK(longest_line(base64(std::string(5000, '\xe4'))) == 76);
    }

}  // TEST_SUITE("mta/smtp/transfer_encoder")
