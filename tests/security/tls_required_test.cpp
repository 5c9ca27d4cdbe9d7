#include "security/tls_required.hpp"

#include <doctest/doctest.h>

#include <string>

using sealpost::security::MessageTls;
using sealpost::security::parse_tls_required;
using sealpost::security::tag_message;
using sealpost::security::TlsRequiredField;

namespace {

/// The lines as the header of a message with a body.
TlsRequiredField in_header(std::string_view lines) {
    return parse_tls_required("From: a@example.org\r\n" + std::string(lines) +
                              "\r\nSubject: x\r\n\r\nTLS-Required: No\r\n");
}

}  // namespace

TEST_SUITE("security/tls_required") {
    TEST_CASE("one field with the value No in any case is what relaxes [REQTLS-05 REQTLS-07]") {
        for (const char* line :
             {"TLS-Required: No", "tls-required: no", "TLS-REQUIRED: NO", "TLS-Required:No",
              "TLS-Required: nO", "TLS-Required: \t No", "TLS-Required:\r\n No", "TLS-Required: \r\n\tNo",
              "TLS-Required: No ", "TLS-Required: No\r\n "}) {
            CAPTURE(line);
            CHECK(in_header(line) == TlsRequiredField::no);
        }
    }

    TEST_CASE("every other value is no relaxation [REQTLS-07]") {
        for (const char* line : {"TLS-Required: Yes",
                                 "TLS-Required:",
                                 "TLS-Required: ",
                                 "TLS-Required: Nope",
                                 "TLS-Required: N",
                                 "TLS-Required: No No",
                                 "TLS-Required: No, No",
                                 "TLS-Required: No (please)",
                                 "TLS-Required: (x) No",
                                 "TLS-Required: \"No\"",
                                 "TLS-Required: No;",
                                 "TLS-Required: N\r\n o",
                                 "TLS-Required: =?utf-8?q?No?=",
                                 "TLS-Required: No\r\n x",
                                 "TLS-Required: No\v",
                                 "TLS-Required:: No",
                                 "TLS-Required : No",
                                 "TLS-Required\t: No",
                                 "TLS-Required: \xef\xbb\xbfNo",
                                 "TLS-Required: N\xc2\xba"}) {
            CAPTURE(line);
            CHECK(in_header(line) == TlsRequiredField::invalid);
        }
    }

    TEST_CASE("more than one field is no relaxation whatever they say [REQTLS-07]") {
        for (const char* lines :
             {"TLS-Required: No\r\nTLS-Required: No", "TLS-Required: No\r\ntls-required: Yes",
              "TLS-Required: Yes\r\nTLS-Required: No",
              "TLS-Required: No\r\nTo: b@example.net\r\nTLS-Required : No",
              "TLS-Required: No\r\nTLS-Required: No\r\nTLS-Required: No"}) {
            CAPTURE(lines);
            CHECK(in_header(lines) == TlsRequiredField::invalid);
        }
    }

    TEST_CASE("only a field of the message's own header counts [REQTLS-05]") {
        for (const char* lines : {"X: y", "X-TLS-Required: No", "TLS-Required-X: No", "TLSRequired: No",
                                  "X: y\r\n TLS-Required: No", "Subject: TLS-Required: No",
                                  "Comments: a\r\n\tTLS-Required: No"}) {
            CAPTURE(lines);
            CHECK(in_header(lines) == TlsRequiredField::absent);
        }
        CHECK(parse_tls_required("") == TlsRequiredField::absent);
        CHECK(parse_tls_required("\r\nTLS-Required: No\r\n") == TlsRequiredField::absent);
        CHECK(parse_tls_required("From: a@b.example\r\n\r\nTLS-Required: No\r\n") ==
              TlsRequiredField::absent);
        CHECK(parse_tls_required("TLS-Required: No") == TlsRequiredField::no);  // a header and nothing else
    }

    TEST_CASE("a line that is no field ends the header [REQTLS-07]") {
        for (const char* line :
             {"this is no field", ": empty name", "two words: x", "From alice Tue Nov 24: x"}) {
            CAPTURE(line);
            CHECK(in_header(std::string(line) + "\r\nTLS-Required: No") == TlsRequiredField::absent);
        }
        CHECK(parse_tls_required(" folded onto nothing\r\nTLS-Required: No\r\n") == TlsRequiredField::absent);
    }

    TEST_CASE("a long header is read once and no further than its end") {
        std::string header;
        for (int i = 0; i < 20'000; ++i) header += "X-Filler: y\r\n z\r\n";
        CHECK(parse_tls_required(header + "TLS-Required: No\r\n\r\n") == TlsRequiredField::no);
        CHECK(parse_tls_required(header + "\r\nTLS-Required: No\r\n") == TlsRequiredField::absent);
    }

    TEST_CASE("the REQUIRETLS parameter makes the field count for nothing [REQTLS-04 REQTLS-05 REQTLS-06]") {
        using F = TlsRequiredField;
        for (const F field : {F::absent, F::no, F::invalid})
            CHECK(tag_message(true, field) == MessageTls::required);
        CHECK(tag_message(false, F::no) == MessageTls::optional);
        CHECK(tag_message(false, F::absent) == MessageTls::by_policy);
        CHECK(tag_message(false, F::invalid) == MessageTls::by_policy);
    }

}  // TEST_SUITE("security/tls_required")
