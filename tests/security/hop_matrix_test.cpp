// Every combination of what one hop may meet, decided and judged by the code and by a second reading of the
// tables (support/hop_oracle.hpp).
#include <doctest/doctest.h>

#include <array>
#include <map>

#include "support/hop_oracle.hpp"

namespace sealpost::security::test::matrix {
namespace {

struct Tally {
    std::uint64_t worlds = 0;
    std::uint64_t combinations = 0;
    std::map<Fate, std::uint64_t> fates;
    std::map<std::string, std::uint64_t> wrong;          ///< by what
    std::map<std::string, std::vector<std::string>> examples;

    void add(const std::string& what, const World& world, const Server* server, std::string_view more = {}) {
        const std::uint64_t before = wrong[what]++;
        if (before >= 4) return;
        examples[what].push_back(fmt::format("{} | {} {}", describe(world),
                                             server != nullptr ? describe(*server) : "-", more));
    }
};

std::string_view word(Fate fate) {
    constexpr std::array words{"held", "TLS", "clear", "clear again"};
    return words.at(static_cast<std::size_t>(fate));
}

Fate fate_of(const HopDecision& decision, const TlsFacts& facts, const Verdict& verdict) {
    if (!decision.attempt || verdict.action == VerdictAction::skip_host) return Fate::held;
    if (verdict.action == VerdictAction::retry_in_clear) return Fate::clear_again;
    return facts.stage == TlsStage::established ? Fate::tls : Fate::clear;
}

/// "weaker", "needlessly held" or another difference; empty: the same.
std::string compare(Fate got, Fate expected) {
    if (got == expected) return {};
    const auto strength = [](Fate f) { return f == Fate::held ? 2 : f == Fate::tls ? 1 : 0; };
    if (strength(got) < strength(expected)) return "weaker than the tables";
    if (got == Fate::held) return "needlessly held";
    return "sent in another way";
}

void check_words(const World& world, const Server& server, const Verdict& verdict, Fate fate, Tally& tally) {
    const bool sent = fate != Fate::held;
    if (verdict.achieved == Achieved::verified && !may_be_verified(world, server))
        tally.add("Verified without its conditions [DANE-09 NAME-09]", world, &server, verdict.by);
    if (verdict.achieved == Achieved::trusted && !host_authenticated(world, server))
        tally.add("Trusted without its conditions", world, &server, verdict.by);
    if (fate == Fate::tls && must_be_verified(world, server) && verdict.achieved != Achieved::verified)
        tally.add("not Verified, though its conditions hold", world, &server, to_string(verdict.achieved));
    if (sent && (verdict.achieved == Achieved::clear) != (fate != Fate::tls))
        tally.add("says clear of TLS, or TLS of clear", world, &server, to_string(verdict.achieved));
    if (verdict.by.empty() == (verdict.achieved >= Achieved::trusted))
        tally.add("does not say by what the peer is authenticated", world, &server, verdict.by);
    if (verdict.explanation.empty()) tally.add("no explanation", world, &server);
}

void check_session(const World& world, const Server& server, const HopDecision& decision, Tally& tally) {
    const TlsFacts facts = matrix::facts_of(decision, server);
    const Expected expected = expect(world, server);
    Verdict verdict;
    if (decision.attempt) verdict = judge(decision, facts, host_name(), mx_of(world.mx).domain);
    const Fate fate = fate_of(decision, facts, verdict);
    ++tally.combinations;
    ++tally.fates[fate];
    if (const std::string what = compare(fate, expected.fate); !what.empty())
        tally.add(what, world, &server,
                  fmt::format("expected {}, got {} ({}); {}", word(expected.fate), word(fate),
                              decision.attempt ? verdict.explanation : decision.explanation,
                              expected.unmet.empty() ? "" : expected.unmet.front()->name));
    if (!decision.attempt) {
        // Whoever judges a session that should never have been is not told to send.
        verdict = judge(decision, facts, host_name(), mx_of(world.mx).domain);
        if (verdict.action != VerdictAction::skip_host)
            tally.add("a session with a skipped host is used", world, &server);
        return;
    }
    check_words(world, server, verdict, fate, tally);
    const Lack lack = verdict.lack;
    if (fate != Fate::held ? lack != Lack::none : !expected_lack(world, server, true).contains(lack))
        tally.add("another lack [REQTLS-14 REQTLS-15 REQTLS-16]", world, &server,
                  fmt::format("{}", static_cast<int>(lack)));
    if (const std::string what = wrong_session_results(world, server, verdict.results); !what.empty())
        tally.add("report: " + what, world, &server, results_text(verdict.results));
    if (fate != Fate::held && verdict.would_hold.empty() == expected.rule_would_hold)
        tally.add("an observed rule says it would hold what it would not or hides what it would", world,
                  &server, verdict.would_hold);
    if (!world.rule->rule.observe && !verdict.would_hold.empty())
        tally.add("a rule that does not observe speaks as if it did", world, &server, verdict.would_hold);
}

void check_skip(const World& world, const HopDecision& decision, Tally& tally) {
    if (!reason_fits(world, decision.reason))
        tally.add("another reason", world, nullptr, to_string(decision.reason));
    if (const std::string what = wrong_skip_results(world, decision.reason, decision.results); !what.empty())
        tally.add("report of a skipped host: " + what, world, nullptr,
                  fmt::format("{}: {}", to_string(decision.reason), results_text(decision.results)));
    if (!expected_lack(world, all_servers().front(), false).contains(decision.lack))
        tally.add("another lack of a skipped host [REQTLS-14 REQTLS-15 REQTLS-16]", world, nullptr,
                  fmt::format("{}: {}", to_string(decision.reason), static_cast<int>(decision.lack)));
}

HopDecision check_decision(const World& world, Tally& tally) {
    HopDecision decision = decide_hop(input_of(world));
    ++tally.worlds;
    if (decision.explanation.empty()) tally.add("no explanation", world, nullptr);
    if (!decision.attempt) {
        check_skip(world, decision, tally);
        return decision;
    }
    if (expect(world, all_servers().front()).no_connection)
        tally.add("a host is contacted that must not be [DANE-31]", world, nullptr,
                  to_string(decision.reason));
    if (!decision.tls_off && decision.sni != expected_sni(world))
        tally.add("another SNI [DANE-72 COMB-07 STS-71]", world, nullptr, decision.sni);
    if (!decision.results.empty()) tally.add("results before the session", world, nullptr);
    return decision;
}

void report(const Tally& tally) {
    std::string text = fmt::format("{} worlds, {} combinations with a server:", tally.worlds,
                                   tally.combinations);
    for (const auto& [fate, count] : tally.fates) text += fmt::format(" {} {}", count, word(fate));
    MESSAGE(text);
    for (const auto& [what, count] : tally.wrong) {
        std::string lines = fmt::format("{}: {}", what, count);
        for (const std::string& line : tally.examples.at(what)) lines += "\n    " + line;
        FAIL_CHECK(lines);
    }
}

/// How much of the product is walked. Numbers that share no factor with the dimensions, so that every value of
/// one meets every value of another, and every server.
struct Strides {
    std::size_t worlds = 1;
    std::size_t servers = 1;
};

void sweep(const std::vector<RuleCase>& rules, Strides strides, Tally& tally) {
    struct Wish {
        MessageTls message;
        bool over_rules;
    };
    constexpr std::array wishes{Wish{MessageTls::by_policy, false}, Wish{MessageTls::required, false},
                                Wish{MessageTls::optional, false}, Wish{MessageTls::optional, true},
                                Wish{MessageTls::required, true}};
    const std::vector<Server>& servers = all_servers();
    std::size_t n = 0;
    const auto visit = [&](const World& world) {
        if (n++ % strides.worlds != 0) return;
        const HopDecision decision = check_decision(world, tally);
        for (std::size_t i = tally.worlds % strides.servers; i < servers.size(); i += strides.servers)
            check_session(world, servers[i], decision, tally);
    };
    for (const MxKind mx : all_mx())
        for (const HostKind host : all_hosts())
            for (const StsKind sts : all_sts())
                for (const RuleCase& rule : rules)
                    for (const Wish& wish : wishes)
                        visit({mx, host, sts, &rule, wish.message, wish.over_rules});
}

}  // namespace

TEST_SUITE("security/hop_matrix") {

TEST_CASE("plain") {
    Tally tally;
    sweep(plain_rules(), {11, 7}, tally);
    report(tally);
}

TEST_CASE("wide") {
    Tally tally;
    sweep(all_rules(), {97, 7}, tally);
    report(tally);
}

TEST_CASE("every world and every server end as the outcome tables say" * doctest::skip()) {
    Tally tally;
    sweep(all_rules(), {1, 1}, tally);
    report(tally);
}

}  // TEST_SUITE("security/hop_matrix")

}  // namespace sealpost::security::test::matrix
