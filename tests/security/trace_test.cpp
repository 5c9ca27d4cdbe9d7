#include "security/trace.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "support/hop_scene.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

const std::string hostile = "a\n\x1b[31m\xFF\xC3\xA9\\ \"</script>" + std::string(2000, 'x');

bool printable_lines(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

/// An attempt that used every part of a trace; texts that come from outside are `outside`.
AttemptTrace attempt(const std::string& outside) {
    const HopScene scene(TlsLevel::automatic, DnsStatus::secure, DaneState::usable, Sts::enforce);
    AttemptTrace trace(domain("example.org"));
    trace.message = "4XyZ";
    trace.rule = "rule '*' (sealpost.toml:3)";
    trace.rule_level = "auto";
    trace.interrupted = 2;
    trace.mx_answer = found("example.org", RrType::mx, DnsStatus::secure, {mx_rdata(10, "mx.example.org")});
    trace.mx = scene.mx;
    trace.mx->notes = {outside};
    trace.sts = scene.sts;
    trace.sts->why = outside;
    HopTrace hop{
        .host = {scene.host, 10}, .answers = {}, .tlsa = {}, .decision = scene.decide(), .sessions = {}};
    hop.answers.a = found("mx.example.org", RrType::a, DnsStatus::secure, {{192, 0, 2, 1}});
    hop.answers.aaaa = failed("mx.example.org", RrType::aaaa);
    hop.answers.aaaa->why = outside;
    hop.answers.tlsa = {{scene.host, found("_25._tcp.mx.example.org", RrType::tlsa, DnsStatus::secure,
                                           {tlsa_rdata(3, 1, 1), {3, 1}})}};
    SessionTrace session{
        .address = "192.0.2.1:25", .error = {}, .facts = {}, .verdict = {}, .reply = outside};
    session.facts = facts_of(TlsStage::established);
    session.facts.protocol = "TLSv1.3";
    session.facts.cipher = "TLS_AES_256_GCM_SHA384";
    session.facts.detail = outside;
    session.facts.dane = chain_ok();
    session.facts.web_pki = chain_bad(ChainFault::expired);
    session.facts.web_pki->detail = outside;
    session.verdict = scene.judge(session.facts);
    hop.sessions = {session};
    trace.hops = {hop};
    trace.outcome = "delivered";
    trace.summary = outside;
    trace.remedy = outside;
    trace.side = Side::theirs;
    return trace;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("security/trace") {
    TEST_CASE("a trace tells lookups and decision and achievement in words [COMB-09 DANE-10]") {
        const std::string text = render_trace(to_json(attempt("plain words"))).value();
        for (const std::string_view part : {"example.org: delivered - plain words",
                                            "rule: auto from rule '*' (sealpost.toml:3)",
                                            "MX example.org: secure, data",
                                            "10 mx.example.org",
                                            "mode enforce, id 1",
                                            "possibly a duplicate: attempts interrupted before this one: 2",
                                            "A mx.example.org: secure, data",
                                            "192.0.2.1",
                                            "AAAA mx.example.org: error (plain words)",
                                            "TLSA _25._tcp.mx.example.org: secure",
                                            "3 1 1 0707",
                                            "-> attempt (dane)",
                                            "DANE-EE(3) SPKI(1) SHA2-256(1)",
                                            "connect 192.0.2.1:25",
                                            "TLS established TLSv1.3 TLS_AES_256_GCM_SHA384",
                                            "web_pki: expired",
                                            "deliver: mx.example.org is authenticated by dane (Verified)",
                                            "TLS-RPT tlsa mx.example.org: success",
                                            "TLS-RPT sts example.org: certificate-expired",
                                            "their side: plain words"}) {
            CAPTURE(std::string(part));
            CHECK(contains(text, part));
        }
    }

    TEST_CASE("texts from outside are made harmless and short [RPT-24]") {
        const std::string stored = to_json(attempt(hostile));
        CHECK(stored.size() < 20000);
        CHECK(printable_lines(stored));
        const std::string text = render_trace(stored).value();
        CHECK(printable_lines(text));
        CHECK_FALSE(contains(text, "\x1b"));
        CHECK(contains(text, "a\\x0A\\x1B[31m"));  // escaped once, not once more on the way out
        CHECK(text.size() < 20000);
    }

    TEST_CASE("a trace is bounded in everything that the other side chooses") {
        AttemptTrace trace = attempt("x");
        trace.mx_answer->rdata.assign(3000, mx_rdata(10, "mx.example.org"));
        trace.mx->hosts.assign(3000, trace.mx->hosts[0]);
        trace.mx->notes.assign(3000, hostile);
        for (int i = 0; i < 1000; ++i) trace.sts->policy->mx.push_back(trace.sts->policy->mx[0]);
        HopTrace hop = trace.hops[0];
        hop.answers.a->rdata.assign(3000, {192, 0, 2, 1});
        hop.decision->dane->tlsa.records.assign(3000, hop.decision->dane->tlsa.records[0]);
        hop.decision->not_stronger.assign(3000, hostile);
        hop.sessions.assign(3000, hop.sessions[0]);
        trace.hops.assign(300, hop);
        const std::string stored = to_json(trace);
        CHECK(stored.size() < (2U << 20U));
        CHECK(contains(stored, "\"more_records\":2980"));
        CHECK(contains(stored, "\"more_hops\":280"));
        const Result<std::string> text = render_trace(stored);
        REQUIRE(text);  // what is stored can be shown
        CHECK(text->size() < (4U << 20U));
    }

    TEST_CASE("records are shown as what they are and broken ones as broken") {
        AttemptTrace trace = attempt("x");
        HostAnswers& answers = trace.hops[0].answers;
        answers.cname =
            found("mx.example.org", RrType::cname, DnsStatus::secure, {wire_name("real.example.net"), {9}});
        answers.a =
            aliased(found("mx.example.org", RrType::a, DnsStatus::insecure, {{1, 2, 3}}), "real.example.net");
        trace.mx_answer = found("example.org", RrType::mx, DnsStatus::secure, {mx_rdata(0, "."), {1}});
        const std::string text = render_trace(to_json(trace)).value();
        for (const std::string_view part :
             {"CNAME mx.example.org: secure", "real.example.net", "malformed, 1 octets",
              "malformed, 3 octets", "alias of real.example.net", "0 .", "\\# 2 0301"}) {
            CAPTURE(std::string(part));
            CHECK(contains(text, part));
        }
    }

    TEST_CASE("a later message of a connection has its own end and the lookups of the first [COMB-09]") {
        namespace json = boost::json;
        const std::string opened = to_json(attempt("fine"));
        ReusedTrace mine{.message = "5AbC",
                         .domain = "example.org",
                         .rule = "rule '*' (sealpost.toml:3)",
                         .rule_level = "auto",
                         .nth = 3,
                         .outcome = "failed",
                         .summary = "no such user",
                         .reply = "550 no such user"};
        const json::object whole = json::parse(whole_trace(to_json(mine), opened)).as_object();
        CHECK(whole.at("message") == "5AbC");
        CHECK(whole.at("reused") == 3);
        CHECK(whole.at("outcome") == "failed");
        CHECK(whole.at("summary") == "no such user");
        for (const char* not_its_own : {"remedy", "side", "interrupted"})
            CHECK_FALSE(whole.contains(not_its_own));
        const json::object first = json::parse(opened).as_object();
        for (const char* shared : {"domain", "rule", "mx_lookup", "mx", "sts"})
            CHECK(whole.at(shared) == first.at(shared));
        json::value hops = first.at("hops");
        hops.at(0).at("sessions").at(0).as_object()["reply"] = "550 no such user";
        CHECK(whole.at("hops") == hops);
        mine.interrupted = 1;
        CHECK(json::parse(whole_trace(to_json(mine), opened)).at("interrupted") == 1);
    }

    TEST_CASE("a trace that cannot be completed stays as it is [COMB-09]") {
        const std::string mine = to_json(ReusedTrace{.message = "5AbC",
                                                     .domain = "example.org",
                                                     .rule = {},
                                                     .rule_level = "auto",
                                                     .outcome = "delivered",
                                                     .summary = "sent",
                                                     .reply = {}});
        for (const char* opened : {"", "{", "[]", "{}", R"({"hops":[]})", R"({"hops":7})"})
            CHECK(whole_trace(mine, opened) == mine);
        CHECK(whole_trace(mine, R"({"hops":[7]})") != "");
        const std::string own = to_json(attempt("fine"));
        CHECK(whole_trace(own, own) == own);  // it is whole by itself
        REQUIRE(render_trace(mine));
        CHECK(render_trace(mine)->find("is not kept any more") != std::string::npos);
    }

    TEST_CASE("a trace without anything renders too") {
        const std::string text = render_trace(to_json(AttemptTrace(domain("example.org")))).value();
        CHECK(text.starts_with("example.org:"));
    }

    TEST_CASE("what is stored is checked like any input") {
        for (const std::string& bad :
             {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
              std::string("{\"schema\":2}"), std::string("{\"schema\":\"one\"}"), std::string("null"),
              std::string(100, '['), std::string("{\"schema\":1}x")}) {
            CAPTURE(bad);
            const Result<std::string> text = render_trace(bad);
            REQUIRE_FALSE(text);
            CHECK(text.error().code == Errc::invalid);
            CHECK(printable_lines(text.error().text));
            CHECK(text.error().text.size() < 600);
        }
        for (const std::string& odd :
             {std::string(
                  "{\"schema\":1,\"domain\":[1,{\"a\":\"\xC3\xA9\"}],\"hops\":3,\"rule\":[],\"mx\":\"x\"}"),
              std::string("{\"schema\":1,\"summary\":{\"a\":\"" + std::string(5000, 'y') +
                          "\"},\"hops\":[null,1,{}]}"),
              std::string("{\"schema\":1,\"domain\":\"a\\u001b[0m\\nb\",\"hops\":[{\"decision\":1,"
                          "\"sessions\":[[]]}]}")}) {
            CAPTURE(odd);
            const Result<std::string> text = render_trace(odd);
            REQUIRE(text);
            CHECK(printable_lines(*text));
            CHECK(text->size() < 2000);
        }
        // Stored text that is far larger than any trace is not rendered.
        std::string flood = "{\"schema\":1,\"hops\":[{}";
        while (flood.size() < (16U << 20U)) flood += ",{}";
        CHECK_FALSE(render_trace(flood + "]}"));
    }

}  // TEST_SUITE("security/trace")
