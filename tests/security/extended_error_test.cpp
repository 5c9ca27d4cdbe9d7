#include "security/extended_error.hpp"

#include <doctest/doctest.h>

namespace sealpost::security {

TEST_SUITE("security/extended_error") {
    TEST_CASE("a validation failure is told with its RFC 8914 code [DNS-28]") {
        struct Row {
            std::string_view why;
            int code;
        };
        for (const Row& row : {
                 Row{"validation failure <x.example. A IN>: signature expired from 192.0.2.1", 7},
                 Row{"validation failure <x. A IN>: signature before inception date", 8},
                 Row{"validation failure <x. A IN>: no signatures from 192.0.2.1", 10},
                 Row{"validation failure <x. A IN>: no signatures over NSEC3s", 10},
                 Row{"validation failure <x. A IN>: signature crypto failed from 192.0.2.1", 6},
                 Row{"validation failure <x. A IN>: signatures from unknown keys", 9},
                 Row{"validation failure <x. A IN>: no keys have a DS with algorithm RSASHA256", 9},
                 Row{"validation failure <x. A IN>: nodata proof failed from 192.0.2.1", 12},
                 Row{"validation failed", 6},
                 Row{"", 6},
             }) {
            CAPTURE(row.why);
            CHECK(extended_error(row.why).code == row.code);
        }
        CHECK(with_extended_error("signature expired") == "EDE 7 (Signature Expired): signature expired");
    }
}

}  // namespace sealpost::security
