#include "security/tlsrpt_record.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace sealpost::security;

namespace {

ReportDestination mail(std::string target) {
    return {ReportVia::mail, std::move(target)};
}

ReportDestination https(std::string target) {
    return {ReportVia::https, std::move(target)};
}

std::vector<ReportDestination> destinations(const std::string& rua) {
    return parse_tlsrpt_record("v=TLSRPTv1;rua=" + rua).value().destinations;
}

}  // namespace

TEST_SUITE("security/tlsrpt_record") {
    TEST_CASE("the examples of the RFC parse") {
        CHECK(destinations("mailto:reports@example.com") == std::vector{mail("reports@example.com")});
        CHECK(destinations("https://reporting.example.com/v1/tlsrpt") ==
              std::vector{https("https://reporting.example.com/v1/tlsrpt")});
    }

    TEST_CASE("of several TXT records exactly one must start with the version [RPT-03 RPT-05 AMB-13]") {
        const std::string good = "v=TLSRPTv1;rua=mailto:a@example";
        struct Row {
            std::vector<std::string> txts;
            TxtFound found;
        };
        for (const Row& row : std::vector<Row>{{{}, TxtFound::none},
                                               {{good}, TxtFound::one},
                                               {{"v=spf1 -all", good}, TxtFound::one},
                                               {{good, good}, TxtFound::several},
                                               {{good, "v=TLSRPTv1;"}, TxtFound::several},
                                               {{"v=tlsrptv1;rua=mailto:a@example"}, TxtFound::none},
                                               {{"V=TLSRPTv1;rua=mailto:a@example"}, TxtFound::none},
                                               {{"rua=mailto:a@example;v=TLSRPTv1"}, TxtFound::none},
                                               {{"v=TLSRPTv2;rua=mailto:a@example"}, TxtFound::none},
                                               {{"v=TLSRPTv1 ;rua=mailto:a@example"}, TxtFound::one},
                                               {{"v=TLSRPTv1 ;rua=mailto:a@example", "x"}, TxtFound::none},
                                               {{"v=TLSRPTv1;ruf=a"}, TxtFound::invalid}}) {
            const auto selected = select_tlsrpt_record(row.txts);
            CHECK(selected.found == row.found);
            CHECK(selected.record.has_value() == (row.found == TxtFound::one));
        }
    }

    TEST_CASE("a record without rua asks for no report [RPT-06]") {
        for (const char* text : {"v=TLSRPTv1", "v=TLSRPTv1;", "v=TLSRPTv1;rua=", "v=TLSRPTv1;rua= ;a=b",
                                 "v=TLSRPTv1;RUA=mailto:a@example", "v=TLSRPTv1;a=b"}) {
            CAPTURE(text);
            CHECK_FALSE(parse_tlsrpt_record(text).has_value());
        }
    }

    TEST_CASE("unknown well-formed fields are ignored [RPT-07]") {
        CHECK(parse_tlsrpt_record("v=TLSRPTv1; x=y; rua=mailto:a@example; z.1=2;")
                  .value()
                  .destinations.size() == 1);
        CHECK_FALSE(parse_tlsrpt_record("v=TLSRPTv1;rua=mailto:a@example;x=y=z").has_value());
        CHECK_FALSE(parse_tlsrpt_record("v=TLSRPTv1;rua=mailto:a@example;x").has_value());
    }

    TEST_CASE("each URI of the list is a destination once [RPT-08]") {
        CHECK(destinations("mailto:a@example \t,\t https://b.example/?x=1,mailto:a@example") ==
              std::vector{mail("a@example"), https("https://b.example/?x=1")});
        CHECK(parse_tlsrpt_record("v=TLSRPTv1;rua=mailto:a@example;rua=mailto:b@example")
                  .value()
                  .destinations.size() == 2);
    }

    TEST_CASE("comma and exclamation mark and semicolon are encoded and decoded after the split [RPT-09]") {
        CHECK(destinations("mailto:a%21b@example") == std::vector{mail("a!b@example")});
        CHECK(destinations("mailto:%22a%2Cb%3Bc%22@example") == std::vector{mail("\"a,b;c\"@example")});
        CHECK(destinations("https://a.example/x%2Cy%3B") == std::vector{https("https://a.example/x%2Cy%3B")});
        CHECK(destinations("mailto:a@example!10m").empty());
        CHECK(destinations("mailto:a@example,b@example") == std::vector{mail("a@example")});
    }

    TEST_CASE("a URI that cannot be used is skipped and the others stay [RPT-10]") {
        for (const char* uri : {"http://a.example/",
                                "ftp://a.example/",
                                "mailto:",
                                "mailto:a",
                                "mailto:@example",
                                "mailto:a@",
                                "mailto:a%0D%0AX@example",
                                "mailto:a%00@example",
                                "mailto:a%2@example",
                                "mailto:a%zz@example",
                                "mailto:a%2Cb@example",
                                "mailto:a@[192.0.2.1]",
                                "mailto:a@b@example",
                                "mailto:\xC3\xBC@example",
                                "https:",
                                "https:a.example",
                                "https://",
                                "https:///x",
                                "https://user:pw@a.example/",
                                "https://user@a.example/",
                                "https://u:1@a.example/",
                                "https://a.example:/",
                                "https://a.example:0/",
                                "https://a.example:65536/",
                                "https://a.example:8x/",
                                "https://a.example/%",
                                "https://a b.example/",
                                "https://[::1]/",
                                "https://a.example/\"x\"",
                                "mailto",
                                "a@example",
                                "://x",
                                ""}) {
            CAPTURE(uri);
            CHECK_FALSE(parse_report_destination(uri).has_value());
        }
        const auto record =
            parse_tlsrpt_record("v=TLSRPTv1;rua=http://a.example/,mailto:b@example,,nonsense").value();
        CHECK(record.destinations == std::vector{mail("b@example")});
        CHECK(record.skipped.size() == 3);
        CHECK(parse_tlsrpt_record("v=TLSRPTv1;rua=http://a.example/").value().destinations.empty());
    }

    TEST_CASE("a mailto URI gives a decoded address without header fields [RPT-11]") {
        CHECK(destinations("MAILTO:a%2Bb@Example.NET?subject=x&bcc=y@z") ==
              std::vector{mail("a+b@example.net")});
        CHECK(destinations("mailto:a%40b@example").empty());
    }

    TEST_CASE("an https URI keeps its port and query and any case of its scheme") {
        CHECK(destinations("HTTPS://a.example:8443/r?d=%41") ==
              std::vector{https("HTTPS://a.example:8443/r?d=%41")});
    }

    TEST_CASE("the number of destinations and the size of a URI are bounded") {
        std::string rua = "mailto:a0@example";
        for (int i = 1; i < 40; ++i) rua += ",mailto:a" + std::to_string(i) + "@example";
        const auto record = parse_tlsrpt_record("v=TLSRPTv1;rua=" + rua).value();
        CHECK(record.destinations.size() == 10);
        CHECK(record.skipped.size() == 10);
        CHECK_FALSE(parse_report_destination("https://a.example/" + std::string(2048, 'x')).has_value());
    }

}  // TEST_SUITE("security/tlsrpt_record")
