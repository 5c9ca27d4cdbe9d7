/// \file Chains against TLSA records, as rows of a table.
#pragma once
#include <doctest/doctest.h>
#include <openssl/err.h>

#include <string>
#include <vector>

#include "pki.hpp"

namespace sealpost::security::test {

inline const Domain host = domain("mx.example.org");

inline ChainOutcome by_dane(const std::vector<Certificate>& chain, const std::vector<Bytes>& rdata,
                            const std::vector<Domain>& names = {host}) {
    const TlsaSet set = assess_tlsa(rdata, {}).value();
    const ChainOutcome out = verify_dane(chain_of(chain), set, host, names, verification_time);
    CHECK(out.ok == (out.fault == ChainFault::none));
    CHECK(out.ok == out.detail.empty());
    CHECK(out.ok != out.matched.empty());
    CHECK(ERR_peek_error() == 0);  // nothing left behind for whoever uses this thread next
    return out;
}

struct DaneRow {
    std::string rule;
    std::vector<Certificate> chain;
    std::vector<Bytes> tlsa;
    ChainFault fault;
};

inline void check(const std::vector<DaneRow>& rows) {
    for (const DaneRow& row : rows) {
        CAPTURE(row.rule);
        const ChainOutcome out = by_dane(row.chain, row.tlsa);
        CAPTURE(out.detail);
        CHECK(to_string(out.fault) == to_string(row.fault));
        std::vector<Bytes> turned(row.tlsa.rbegin(), row.tlsa.rend());  // the order of records means nothing
        CHECK(by_dane(row.chain, turned).ok == out.ok);
    }
}

}  // namespace sealpost::security::test
