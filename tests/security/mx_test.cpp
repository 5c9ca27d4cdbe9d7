#include "security/mx.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "support/answers.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

struct Record {
    unsigned preference;
    const char* exchange;
};

DnsAnswer mx_answer(const std::vector<Record>& records, DnsStatus status = DnsStatus::secure) {
    std::vector<Bytes> rdata;
    for (const Record& r : records) rdata.push_back(mx_rdata(r.preference, r.exchange));
    return found("example.org", RrType::mx, status, rdata);
}

MxSet build(const DnsAnswer& answer, const std::vector<std::string>& own = {}, std::size_t max_hosts = 100) {
    std::vector<Domain> own_names;
    for (const std::string& name : own) own_names.push_back(domain(name));
    return build_mx_set(domain("example.org"), answer, own_names, {.max_hosts = max_hosts});
}

/// "10 a.example, 20 b.example"
std::string listed(const MxSet& set) {
    std::string out;
    for (const MxHost& host : set.hosts)
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", host.preference, host.name);
    return out;
}

}  // namespace

TEST_SUITE("security/mx") {
    TEST_CASE("an MX RRset becomes the hosts to try in order of preference") {
        struct Row {
            std::string rule;
            std::vector<Record> records;
            std::vector<std::string> own;
            MxStatus status;
            const char* hosts;
        };
        const Row rows[] = {
            {"DANE-11 SMTP-05: ascending preference",
             {{20, "b.example"}, {10, "a.example"}, {15, "c.example"}},
             {},
             MxStatus::hosts,
             "10 a.example, 15 c.example, 20 b.example"},
            {"SMTP-05: the preference is a 16-bit number",
             {{65535, "z.example"}, {256, "y.example"}, {255, "x.example"}},
             {},
             MxStatus::hosts,
             "255 x.example, 256 y.example, 65535 z.example"},
            {"SMTP-05: a host named twice is tried once at its better preference",
             {{20, "a.example"}, {10, "A.Example"}, {15, "b.example"}},
             {},
             MxStatus::hosts,
             "10 a.example, 15 b.example"},
            {"SMTP-01: the domain itself only where the MX says so",
             {{10, "example.org"}},
             {},
             MxStatus::hosts,
             "10 example.org"},
            {"SMTP-03: a null MX is final", {{0, "."}}, {}, MxStatus::null_mx, ""},
            {"SMTP-04 AMB-33: a null MX beside others is ignored",
             {{0, "."}, {10, "a.example"}},
             {},
             MxStatus::hosts,
             "10 a.example"},
            {"DANE-02: a textual IPv4 address is no host",
             {{10, "192.0.2.1"}, {20, "a.example"}},
             {},
             MxStatus::hosts,
             "20 a.example"},
            {"DANE-02: nothing but a textual address leaves no host",
             {{10, "192.0.2.1"}},
             {},
             MxStatus::no_usable_host,
             ""},
            {"SMTP-07: own host and all that are not better are cut",
             {{5, "a.example"}, {10, "Our.Example"}, {10, "b.example"}, {20, "c.example"}},
             {"our.example"},
             MxStatus::hosts,
             "5 a.example"},
            {"SMTP-07: own host named twice cuts at its better preference",
             {{5, "a.example"}, {30, "our.example"}, {10, "our.example"}, {20, "c.example"}},
             {"our.example"},
             MxStatus::hosts,
             "5 a.example"},
            {"SMTP-07: any of our names",
             {{5, "a.example"}, {10, "other.example"}},
             {"our.example", "other.example"},
             MxStatus::hosts,
             "5 a.example"},
            {"SMTP-07: own host is the best: the mail loops back",
             {{10, "our.example"}, {10, "a.example"}, {20, "b.example"}},
             {"our.example"},
             MxStatus::loops_back,
             ""},
            {"SMTP-07: a name below ours is another host",
             {{10, "mx.our.example"}},
             {"our.example"},
             MxStatus::hosts,
             "10 mx.our.example"},
        };
        for (const Row& row : rows) {
            CAPTURE(row.rule);
            for (const DnsStatus status : {DnsStatus::secure, DnsStatus::insecure}) {
                const MxSet set = build(mx_answer(row.records, status), row.own);
                CHECK(set.status == row.status);
                CHECK(listed(set) == row.hosts);
                CHECK(set.security == status);
                CHECK_FALSE(set.implicit);
            }
        }
    }

    TEST_CASE("an MX answer that failed leaves no host at all [DANE-03 SMTP-02 DNS-06 DNS-07]") {
        for (const DnsStatus status : {DnsStatus::bogus, DnsStatus::indeterminate, DnsStatus::error}) {
            CAPTURE(to_string(status));
            DnsAnswer answer = mx_answer({{10, "a.example"}}, status);  // whatever it carries
            for (const DnsData data : {DnsData::data, DnsData::nodata, DnsData::nxdomain}) {
                answer.data = data;
                answer.why = "SERVFAIL";
                const MxSet set = build(answer);
                CHECK(set.status == MxStatus::failed);
                CHECK(set.hosts.empty());
                CHECK_FALSE(set.implicit);
                CHECK(set.security == status);
                CHECK(set.why == "SERVFAIL");
            }
        }
    }

    TEST_CASE("without MX records the domain is its own host [SMTP-02 DANE-14]") {
        for (const DnsStatus status : {DnsStatus::secure, DnsStatus::insecure}) {
            const MxSet set = build(denied("example.org", RrType::mx, status));
            CHECK(set.status == MxStatus::hosts);
            CHECK(set.implicit);
            CHECK(listed(set) == "0 example.org");
            CHECK(set.security == status);  // AMB-04: an insecure denial is an insecure MX
        }
        CHECK(build(denied("example.org", RrType::mx, DnsStatus::secure), {"example.org"}).status ==
              MxStatus::loops_back);
    }

    TEST_CASE("a domain that does not exist is permanent [SMTP-02]") {
        for (const DnsStatus status : {DnsStatus::secure, DnsStatus::insecure}) {
            const MxSet set = build(denied("example.org", RrType::mx, status, DnsData::nxdomain));
            CHECK(set.status == MxStatus::no_such_domain);
            CHECK(set.hosts.empty());
        }
    }

    TEST_CASE("an aliased domain keeps both names for the name checks [DANE-13]") {
        const MxSet set = build(aliased(mx_answer({{10, "a.example"}}), "example.com"));
        CHECK(set.domain == domain("example.org"));
        CHECK(set.expanded == domain("example.com"));
        CHECK(listed(set) == "10 a.example");
        CHECK(build(aliased(mx_answer({{10, "a.example"}}), "not a name")).status == MxStatus::failed);
    }

    TEST_CASE("an aliased domain without MX enters the host algorithm under its own name [DANE-14 DANE-66]") {
        // RFC 7672 §2.2.3: the expanded name is asked for TLSA records first, the unexpanded one must be
        // tried too. Entering with the expanded name would lose the records at the unexpanded one.
        const DnsAnswer none = aliased(denied("example.org", RrType::mx, DnsStatus::secure), "example.com");
        const MxSet set = build(none);
        CHECK(set.implicit);
        CHECK(listed(set) == "0 example.org");
        CHECK(set.expanded == domain("example.com"));
        CHECK(build(none, {"example.com"}).status == MxStatus::loops_back);  // SMTP-07: it is we all the same
        CHECK(build(none, {"example.org"}).status == MxStatus::loops_back);
    }

    TEST_CASE("a malformed record is left out and the others stay [DNS-30]") {
        DnsAnswer answer = mx_answer({{10, "a.example"}});
        answer.rdata.push_back({0});
        answer.rdata.push_back({0, 5, 63});
        answer.rdata.push_back(mx_rdata(1, "a b.example"));
        const MxSet set = build(answer);
        CHECK(set.status == MxStatus::hosts);
        CHECK(listed(set) == "10 a.example");
        CHECK(set.notes.size() == 3);
        answer.rdata.erase(answer.rdata.begin());
        CHECK(build(answer).status == MxStatus::no_usable_host);
        answer.rdata = {mx_rdata(0, "."), {0}};  // AMB-33: null MX counts only as the sole record
        CHECK(build(answer).status == MxStatus::no_usable_host);
    }

    TEST_CASE("the number of hosts is bounded from the worst preference on") {
        std::vector<Bytes> rdata;
        for (unsigned i = 0; i < 200; ++i) rdata.push_back(mx_rdata(1000 - i, fmt::format("h{}.example", i)));
        const MxSet set = build(found("example.org", RrType::mx, DnsStatus::secure, rdata), {}, 7);
        CHECK(set.hosts.size() == 7);
        CHECK(set.hosts.front().name == domain("h199.example"));
        CHECK(set.notes.size() == 1);
    }

    TEST_CASE("hosts of equal preference are shuffled and nothing else moves [SMTP-05 DANE-11 DANE-12]") {
        const MxSet set = build(mx_answer({{10, "a.example"},
                                           {10, "b.example"},
                                           {10, "c.example"},
                                           {20, "d.example"},
                                           {30, "e.example"},
                                           {30, "f.example"}}));
        std::map<std::string, int> orders;
        std::mt19937 random(1);
        for (int i = 0; i < 1200; ++i) {
            std::vector<MxHost> hosts = set.hosts;
            shuffle_equal_preference(hosts, random);
            REQUIRE(hosts.size() == 6);
            REQUIRE(std::is_sorted(hosts.begin(), hosts.end(), [](const MxHost& a, const MxHost& b) {
                return a.preference < b.preference;
            }));
            REQUIRE(std::is_permutation(hosts.begin(), hosts.end(), set.hosts.begin()));
            std::string order;
            for (const MxHost& host : hosts) order += host.name.str().front();
            ++orders[order];
        }
        CHECK(orders.size() == 12);  // 3! times 2!
        for (const auto& [order, count] : orders) {
            CAPTURE(order);
            CHECK(count > 50);  // 100 expected; 50 is five standard deviations away
        }
    }

}  // TEST_SUITE("security/mx")
