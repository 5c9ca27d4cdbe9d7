#include "mta/smtp/mime_fields.hpp"

#include <doctest/doctest.h>

using sealpost::ContentType;
using sealpost::parse_content_type;
using sealpost::parse_transfer_encoding;
using sealpost::TransferEncoding;

TEST_SUITE("mta/smtp/mime_fields") {
    TEST_CASE("a content type is read through folds comments and quotes [EXT-13]") {
        struct Row {
            std::string value;
            const char* type;
            const char* subtype;
            std::string boundary;
        };
        for (const Row& row : {
                 Row{" text/plain", "text", "plain", ""},
                 Row{" Text/PLAIN; charset=utf-8;", "text", "plain", ""},
                 Row{" multipart/mixed; boundary=abc", "multipart", "mixed", "abc"},
                 Row{"multipart/mixed;\r\n\tcharset=\"a;boundary=x\";\r\n BOUNDARY=\"a b'c\"", "multipart",
                     "mixed", "a b'c"},
                 Row{" (a (nested) comment \\) ) multipart (c) / (c) mixed (c); boundary (c) = (c) x (c)",
                     "multipart", "mixed", "x"},
                 Row{" multipart/mixed; boundary=\"a\\\"b\"", "multipart", "mixed", "a\"b"},
                 Row{" multipart/mixed; boundary=\"trailing  \"", "multipart", "mixed", "trailing"},
                 // What another reader may see otherwise is no boundary.
                 Row{" multipart/mixed; boundary=a; boundary=b", "multipart", "mixed", ""},
                 Row{" multipart/mixed; boundary*0=a; boundary*1=b", "multipart", "mixed", ""},
                 Row{" multipart/mixed; boundary=a b", "multipart", "mixed", ""},
                 Row{" multipart/mixed; boundary=\"a", "multipart", "mixed", ""},
                 Row{" multipart/mixed; boundary=", "multipart", "mixed", ""},
                 Row{" multipart/mixed boundary=a", "multipart", "mixed", ""},
                 Row{" multipart/mixed; boundary=\"\xc3\xa4\"", "multipart", "mixed", ""},
                 Row{" multipart/mixed; boundary=" + std::string(201, 'x'), "multipart", "mixed", ""},
             }) {
            CAPTURE(row.value);
            const std::optional<ContentType> found = parse_content_type(row.value);
            REQUIRE(found);
            CHECK(found->type == row.type);
            CHECK(found->subtype == row.subtype);
            CHECK(found->boundary == row.boundary);
        }
        for (const char* bad :
             {"", " ", "text", "text/", "/plain", "text plain", "(text/plain", "\"text/plain\""})
            CHECK_FALSE(parse_content_type(bad));
    }

    TEST_CASE("an encoding is one of five words in any case or unknown [EXT-13]") {
        struct Row {
            const char* value;
            TransferEncoding encoding;
        };
        for (const Row& row : {
                 Row{" 7bit", TransferEncoding::seven_bit},
                 Row{" 8BIT (really)", TransferEncoding::eight_bit},
                 Row{"\r\n binary\r\n", TransferEncoding::binary},
                 Row{" Quoted-Printable", TransferEncoding::quoted_printable},
                 Row{" BASE64", TransferEncoding::base64},
                 Row{" 8bit; x", TransferEncoding::unknown},
                 Row{" 8bit base64", TransferEncoding::unknown},
                 Row{" x-uuencode", TransferEncoding::unknown},
                 Row{"", TransferEncoding::unknown},
             }) {
            CAPTURE(row.value);
            CHECK(parse_transfer_encoding(row.value) == row.encoding);
        }
    }

}  // TEST_SUITE("mta/smtp/mime_fields")
