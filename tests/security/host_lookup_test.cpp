#include "security/host_lookup.hpp"

#include <doctest/doctest.h>

#include <map>
#include <sstream>

#include "support/answers.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

/// Every name server there is, as "TYPE name status what [canonical];...". What: v4, v6, alias, none, nx,
/// fail, or for TLSA: ok (usable), bad (unusable), both, flood.
class World {
public:
    explicit World(const std::string& text) {
        std::istringstream entries(text);
        for (std::string entry; std::getline(entries, entry, ';');) add(entry);
    }
    [[nodiscard]] DnsAnswer ask(const HostQuestion& question) const {
        const auto found = answers_.find({question.name, question.type});
        if (found != answers_.end()) return found->second;
        FAIL("asked for ", question.name, " ", to_string(question.type));
        return failed(question.name, question.type);
    }

private:
    void add(const std::string& entry) {
        std::istringstream words(entry);
        std::string type_word, name, status_word, what, canonical;
        if (!(words >> type_word >> name >> status_word >> what)) return;
        words >> canonical;
        const std::map<std::string, RrType> types{
            {"A", RrType::a}, {"AAAA", RrType::aaaa}, {"CNAME", RrType::cname}, {"TLSA", RrType::tlsa}};
        const std::map<std::string, DnsStatus> statuses{{"secure", DnsStatus::secure},
                                                        {"insecure", DnsStatus::insecure},
                                                        {"bogus", DnsStatus::bogus},
                                                        {"indeterminate", DnsStatus::indeterminate},
                                                        {"error", DnsStatus::error}};
        const std::map<std::string, std::vector<Bytes>> data{
            {"v4", {{192, 0, 2, 1}}},
            {"v6", {{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}},
            {"short", {{192, 0, 2}}},
            {"alias", {wire_name("real.example.net")}},
            {"ok", {tlsa_rdata(3, 1, 1)}},
            {"bad", {tlsa_rdata(1, 1, 1), {3, 1}}},
            {"both", {tlsa_rdata(1, 1, 1), tlsa_rdata(2, 0, 1)}},
            {"flood", std::vector<Bytes>(101, tlsa_rdata(3, 1, 1))}};
        const RrType type = types.at(type_word);
        DnsAnswer made = answer(name, type, statuses.at(status_word));
        if (const auto records = data.find(what); records != data.end()) {
            made.data = DnsData::data;
            made.rdata = records->second;
        } else {
            made.data = what == "nx" ? DnsData::nxdomain : DnsData::nodata;
        }
        if (!canonical.empty()) made.canonical = canonical;
        answers_.insert_or_assign({name, type}, std::move(made));
    }
    std::map<std::pair<std::string, RrType>, DnsAnswer> answers_;
};

struct Outcome {
    std::string asked;  ///< "A AAAA | _25._tcp.mx.example": rounds split by |, names of all but the addresses
    HostState state;
};

Outcome look_up(const HostQuery& query, const World& world) {
    Outcome out;
    HostAnswers answers;
    for (int round = 0; round < 10; ++round) {
        const std::vector<HostQuestion> questions = next_questions(query, answers);
        if (questions.empty()) {
            out.state = conclude_host(query, answers, {});
            return out;
        }
        if (round > 0) out.asked += " |";
        for (const HostQuestion& question : questions) {
            out.asked += out.asked.empty() ? "" : " ";
            const bool address = question.type == RrType::a || question.type == RrType::aaaa;
            out.asked += address ? to_string(question.type) : std::string_view(question.name);
            if (address) CHECK(question.name == query.host.str());
            if (question.type == RrType::cname) out.asked += "?";
            add_answer(query, answers, world.ask(question));
        }
    }
    FAIL("the questions do not end");
    return out;
}

struct Row {
    std::string rule;
    const char* world;
    const char* asked;
    AddressState address;
    DaneState dane;
    const char* base;
};

void check(const Row& row, const HostQuery& query) {
    CAPTURE(row.rule);
    const Outcome out = look_up(query, World(row.world));
    CHECK(out.asked == row.asked);
    CHECK(out.state.address == row.address);
    CHECK(out.state.dane == row.dane);
    CHECK((out.state.base_domain ? out.state.base_domain->str() : "") == row.base);
    CHECK(out.state.addresses.empty() == (row.address != AddressState::found));
    // Where nothing authenticates, a person is told why.
    if (row.dane != DaneState::usable || row.address != AddressState::found)
        CHECK_FALSE(out.state.why.empty());
}

const HostQuery mx{.host = domain("mx.example")};

using At = AddressState;
using D = DaneState;

}  // namespace

TEST_SUITE("security/host_lookup") {
    TEST_CASE("addresses are asked first and open or close the gate to TLSA [DANE-15..19 AMB-05]") {
        const Row rows[] = {
            {"DANE-15 DANE-19: secure addresses ask for TLSA at the host name",
             "A mx.example secure v4; AAAA mx.example secure v6; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.mx.example", At::found, D::usable, "mx.example"},
            {"DANE-16: both families denied: unreachable and no TLSA query",
             "A mx.example secure none; AAAA mx.example secure none", "A AAAA", At::none, D::not_applicable,
             ""},
            {"DANE-16: also if the name does not exist",
             "A mx.example insecure nx; AAAA mx.example insecure nx", "A AAAA", At::none, D::not_applicable,
             ""},
            {"DANE-17: both families fail", "A mx.example error fail; AAAA mx.example bogus fail", "A AAAA",
             At::failed, D::not_applicable, ""},
            {"DANE-17: one family fails and the other has nothing",
             "A mx.example secure none; AAAA mx.example bogus fail", "A AAAA", At::failed, D::not_applicable,
             ""},
            {"DANE-17: one family fails and the other does not exist",
             "A mx.example indeterminate fail; AAAA mx.example insecure nx", "A AAAA", At::failed,
             D::not_applicable, ""},
            {"AMB-05: one family fails and the other has secure data",
             "A mx.example secure v4; AAAA mx.example error fail; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.mx.example", At::found, D::usable, "mx.example"},
            {"AMB-05: one family fails and the other has insecure data",
             "A mx.example error fail; AAAA mx.example insecure v6", "A AAAA", At::found, D::not_applicable,
             ""},
            {"AMB-05: one secure family is enough to ask",
             "A mx.example insecure v4; AAAA mx.example secure v6; TLSA _25._tcp.mx.example secure none",
             "A AAAA | _25._tcp.mx.example", At::found, D::not_applicable, ""},
            {"AMB-05: one secure family is enough to ask: the other way round",
             "A mx.example secure v4; AAAA mx.example insecure v6; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.mx.example", At::found, D::usable, "mx.example"},
            {"DANE-19: one family with data; the secure denial of the other changes nothing",
             "A mx.example secure v4; AAAA mx.example secure none; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.mx.example", At::found, D::usable, "mx.example"},
            {"DANE-18: an insecure address is not made secure by the other family's secure denial",
             "A mx.example insecure v4; AAAA mx.example secure none", "A AAAA", At::found, D::not_applicable,
             ""},
            {"DANE-18: insecure addresses: no TLSA query",
             "A mx.example insecure v4; AAAA mx.example insecure v6", "A AAAA", At::found, D::not_applicable,
             ""},
            {"DNS-07: addresses that are none are an error",
             "A mx.example secure short; AAAA mx.example secure none; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.mx.example", At::failed, D::not_applicable, ""},
        };
        for (const Row& row : rows) check(row, mx);
    }

    TEST_CASE(
        "an alias is asked at its end first and then under its own name [DANE-20..26 DANE-29..31 DANE-35 "
        "DNS-11]") {
        const Row rows[] = {
            {"DANE-20: secure chain: records at the expanded name end the search",
             "A mx.example secure v4 real.example.net; AAAA mx.example secure none real.example.net;"
             "TLSA _25._tcp.real.example.net secure ok",
             "A AAAA | _25._tcp.real.example.net", At::found, D::usable, "real.example.net"},
            {"DANE-20 DANE-24: denial there: the original name; never one between",
             "A mx.example secure v4 real.example.net; AAAA mx.example secure v6 real.example.net;"
             "TLSA _25._tcp.real.example.net secure nx; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.real.example.net | _25._tcp.mx.example", At::found, D::usable, "mx.example"},
            {"DANE-20 DANE-29: insecure records there: the original name",
             "A mx.example secure v4 real.example.net; AAAA mx.example secure v6 real.example.net;"
             "TLSA _25._tcp.real.example.net insecure ok; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.real.example.net | _25._tcp.mx.example", At::found, D::usable, "mx.example"},
            {"DANE-30: denied at both",
             "A mx.example secure v4 real.example.net; AAAA mx.example secure v6 real.example.net;"
             "TLSA _25._tcp.real.example.net secure nx; TLSA _25._tcp.mx.example insecure none",
             "A AAAA | _25._tcp.real.example.net | _25._tcp.mx.example", At::found, D::not_applicable, ""},
            {"DANE-21: an error at the expanded name is not healed by the original",
             "A mx.example secure v4 real.example.net; AAAA mx.example secure v6 real.example.net;"
             "TLSA _25._tcp.real.example.net error fail; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.real.example.net", At::found, D::lookup_failed, ""},
            {"DANE-31: an error at the original name after a denial",
             "A mx.example secure v4 real.example.net; AAAA mx.example secure v6 real.example.net;"
             "TLSA _25._tcp.real.example.net secure nx; TLSA _25._tcp.mx.example bogus fail",
             "A AAAA | _25._tcp.real.example.net | _25._tcp.mx.example", At::found, D::lookup_failed, ""},
            {"DANE-35: unusable records at the expanded name are the records",
             "A mx.example secure v4 real.example.net; AAAA mx.example secure v6 real.example.net;"
             "TLSA _25._tcp.real.example.net secure bad; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | _25._tcp.real.example.net", At::found, D::unusable, "real.example.net"},
            {"DANE-22: neither alias nor target signed",
             "A mx.example insecure v4 real.example.net; AAAA mx.example insecure none real.example.net;"
             "CNAME mx.example insecure alias",
             "A AAAA | mx.example?", At::found, D::not_applicable, ""},
            {"DANE-23: signed alias with an unsigned target: the original name only",
             "A mx.example insecure v4 real.example.net; AAAA mx.example insecure none real.example.net;"
             "CNAME mx.example secure alias; TLSA _25._tcp.mx.example secure ok",
             "A AAAA | mx.example? | _25._tcp.mx.example", At::found, D::usable, "mx.example"},
            {"DANE-23 DANE-30: and no record there",
             "A mx.example insecure v4 real.example.net; AAAA mx.example insecure none real.example.net;"
             "CNAME mx.example secure alias; TLSA _25._tcp.mx.example secure nx",
             "A AAAA | mx.example? | _25._tcp.mx.example", At::found, D::not_applicable, ""},
            {"DANE-23 DANE-31: and an error there",
             "A mx.example insecure v4 real.example.net; AAAA mx.example insecure none real.example.net;"
             "CNAME mx.example secure alias; TLSA _25._tcp.mx.example error fail",
             "A AAAA | mx.example? | _25._tcp.mx.example", At::found, D::lookup_failed, ""},
            {"DANE-25: an error of the CNAME query",
             "A mx.example insecure v4 real.example.net; AAAA mx.example insecure none real.example.net;"
             "CNAME mx.example error fail",
             "A AAAA | mx.example?", At::found, D::lookup_failed, ""},
            {"DANE-25: a bogus CNAME",
             "A mx.example insecure v4 real.example.net; AAAA mx.example insecure none real.example.net;"
             "CNAME mx.example bogus fail",
             "A AAAA | mx.example?", At::found, D::lookup_failed, ""},
            {"DANE-25: an alias that the signed zone denies is no answer",
             "A mx.example insecure v4 real.example.net; AAAA mx.example insecure none real.example.net;"
             "CNAME mx.example secure none",
             "A AAAA | mx.example?", At::found, D::lookup_failed, ""},
            {"DANE-22: an alias that an unsigned zone denies",
             "A mx.example insecure v4 real.example.net; AAAA mx.example insecure none real.example.net;"
             "CNAME mx.example insecure none",
             "A AAAA | mx.example?", At::found, D::not_applicable, ""},
            {"DANE-17: the target of the alias cannot be had",
             "A mx.example bogus fail; AAAA mx.example error fail", "A AAAA", At::failed, D::not_applicable,
             ""},
            {"DANE-16: the alias leads nowhere",
             "A mx.example secure nx real.example.net; AAAA mx.example secure nx real.example.net", "A AAAA",
             At::none, D::not_applicable, ""},
            {"DANE-26: an alias that cannot be followed leaves the host unreachable",
             "A mx.example secure v4 -bad-; AAAA mx.example secure none -bad-", "A AAAA", At::found,
             D::lookup_failed, ""},
        };
        for (const Row& row : rows) check(row, mx);
    }

    TEST_CASE("the TLSA answer decides what the host must offer [DANE-28..33 DANE-37 DANE-39 DANE-86]") {
        const std::string secure = "A mx.example secure v4; AAAA mx.example secure v6; ";
        const Row rows[] = {
            {"DANE-28: records behind an alias of the TLSA name keep the base domain",
             "TLSA _25._tcp.mx.example secure ok tlsa._dane.example.net", "", At::found, D::usable,
             "mx.example"},
            {"DANE-32: one usable record among others", "TLSA _25._tcp.mx.example secure both", "", At::found,
             D::usable, "mx.example"},
            {"DANE-33 DANE-37 DANE-39: none usable is not no DANE", "TLSA _25._tcp.mx.example secure bad", "",
             At::found, D::unusable, "mx.example"},
            {"DANE-29: insecure records count as absent", "TLSA _25._tcp.mx.example insecure ok", "",
             At::found, D::not_applicable, ""},
            {"DANE-29: so do insecure unusable ones", "TLSA _25._tcp.mx.example insecure bad", "", At::found,
             D::not_applicable, ""},
            {"DANE-30: secure NODATA", "TLSA _25._tcp.mx.example secure none", "", At::found,
             D::not_applicable, ""},
            {"DANE-30: secure NXDOMAIN", "TLSA _25._tcp.mx.example secure nx", "", At::found,
             D::not_applicable, ""},
            {"DANE-30: insecure denial", "TLSA _25._tcp.mx.example insecure nx", "", At::found,
             D::not_applicable, ""},
            {"DANE-31: SERVFAIL or timeout", "TLSA _25._tcp.mx.example error fail", "", At::found,
             D::lookup_failed, ""},
            {"DANE-31: bogus", "TLSA _25._tcp.mx.example bogus fail", "", At::found, D::lookup_failed, ""},
            {"DANE-31: bogus though it carries records", "TLSA _25._tcp.mx.example bogus ok", "", At::found,
             D::lookup_failed, ""},
            {"DANE-31 DNS-06: indeterminate", "TLSA _25._tcp.mx.example indeterminate fail", "", At::found,
             D::lookup_failed, ""},
            {"DANE-86: more records than we read is an error", "TLSA _25._tcp.mx.example secure flood", "",
             At::found, D::lookup_failed, ""},
        };
        for (Row row : rows) {
            const std::string world = secure + row.world;
            row.world = world.c_str();
            row.asked = "A AAAA | _25._tcp.mx.example";
            check(row, mx);
        }
    }

    TEST_CASE("the TLSA name carries the port in decimal without leading zeros [DANE-27 DANE-84]") {
        CHECK(tlsa_owner(domain("mx.example.com"), 25) == "_25._tcp.mx.example.com");
        CHECK(tlsa_owner(domain("mx.example.com"), 7) == "_7._tcp.mx.example.com");
        HostQuery query = mx;
        query.port = 2525;
        check({"DANE-27: the port of the route",
               "A mx.example secure v4; AAAA mx.example secure v6; TLSA _2525._tcp.mx.example secure ok",
               "A AAAA | _2525._tcp.mx.example", At::found, D::usable, "mx.example"},
              query);
    }

    TEST_CASE("DANE that is switched off asks nothing beyond the addresses [DANE-81]") {
        HostQuery query = mx;
        query.dane = false;
        check({"DANE-81", "A mx.example secure v4; AAAA mx.example secure v6", "A AAAA", At::found,
               D::not_applicable, ""},
              query);
        check({"DANE-81: alias", "A mx.example insecure v4 b.example; AAAA mx.example insecure v6 b.example",
               "A AAAA", At::found, D::not_applicable, ""},
              query);
    }

    TEST_CASE("an address family that is switched off is not asked for") {
        HostQuery query = mx;
        query.ipv6 = false;
        check({"IPv4 only", "A mx.example secure v4; TLSA _25._tcp.mx.example secure ok",
               "A | _25._tcp.mx.example", At::found, D::usable, "mx.example"},
              query);
        check({"IPv4 only and none there", "A mx.example secure none", "A", At::none, D::not_applicable, ""},
              query);
        query.ipv4 = false;
        query.ipv6 = true;
        check({"IPv6 only", "AAAA mx.example secure v6; TLSA _25._tcp.mx.example secure nx",
               "AAAA | _25._tcp.mx.example", At::found, D::not_applicable, ""},
              query);
    }

    TEST_CASE("addresses are kept once each and both families in use [SMTP-06]") {
        const HostQuery query = mx;
        HostAnswers answers;
        add_answer(query, answers,
                   found("mx.example", RrType::a, DnsStatus::insecure,
                         {{192, 0, 2, 1}, {192, 0, 2, 2}, {192, 0, 2, 1}, {1, 2, 3}}));
        Bytes v6(16, 0);
        v6[0] = 0x20;
        v6[1] = 1;
        add_answer(query, answers,
                   found("mx.example", RrType::aaaa, DnsStatus::insecure, {v6, {192, 0, 2, 3}}));
        const HostState state = conclude_host(query, answers, {});
        std::string text;
        for (const IpAddress& address : state.addresses) text += address.str() + " ";
        CHECK(text == "2001:: 192.0.2.1 192.0.2.2 ");
    }

    TEST_CASE("a question that was never asked is not a denial [DANE-31]") {
        HostAnswers answers;
        add_answer(mx, answers, found("mx.example", RrType::a, DnsStatus::secure, {{192, 0, 2, 1}}));
        add_answer(mx, answers, denied("mx.example", RrType::aaaa, DnsStatus::secure));
        CHECK(conclude_host(mx, answers, {}).dane == D::lookup_failed);

        HostAnswers alias;
        add_answer(
            mx, alias,
            aliased(found("mx.example", RrType::a, DnsStatus::insecure, {{192, 0, 2, 1}}), "b.example"));
        add_answer(mx, alias, aliased(denied("mx.example", RrType::aaaa, DnsStatus::insecure), "b.example"));
        CHECK(conclude_host(mx, alias, {}).dane == D::lookup_failed);
        CHECK(conclude_host(mx, HostAnswers{}, {}).address != AddressState::found);
    }

    TEST_CASE("a bogus family outweighs one that merely failed in the report [RPT-71]") {
        for (const bool a_is_bogus : {true, false}) {
            HostAnswers answers;
            add_answer(mx, answers,
                       failed("mx.example", RrType::a, a_is_bogus ? DnsStatus::bogus : DnsStatus::error));
            add_answer(mx, answers,
                       failed("mx.example", RrType::aaaa, a_is_bogus ? DnsStatus::error : DnsStatus::bogus));
            CHECK(conclude_host(mx, answers, {}).failure == DnsStatus::bogus);
        }
    }

}  // TEST_SUITE("security/host_lookup")
