// Every combination of what one hop may meet, decided and judged by the code and by a second reading of the
// tables (support/hop_oracle.hpp).
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>

#include "support/hop_oracle.hpp"

namespace sealpost::security::test::matrix {
namespace {

const std::string weaker = "weaker than the tables";
const std::string needless = "needlessly held";

struct Tally {
    std::uint64_t worlds = 0;
    std::uint64_t combinations = 0;
    std::map<Fate, std::uint64_t> fates;
    std::map<std::string, std::uint64_t> wrong;  ///< by what
    std::map<std::string, std::vector<std::string>> examples;

    void add(const std::string& what, const World& world, const Server* server, std::string_view more = {}) {
        const std::uint64_t before = wrong[what]++;
        if (before >= 4) return;
        examples[what].push_back(
            fmt::format("{} | {} {}", describe(world), server != nullptr ? describe(*server) : "-", more));
    }
};

const std::string rule_as_lack = "what the rule alone lacks is told as a lasting lack of the message";
const std::string sts_trouble_as_lack = "an MTA-STS policy that could not be had is told as a lasting lack";
const std::string bogus_unreported = "a bogus TLSA answer is not reported when the mail may go";
const std::string skipped_used = "a session with a host that was ruled out is used";

bool only_rules(const Expected& expected) {
    return std::all_of(expected.unmet.begin(), expected.unmet.end(), [](const Row* row) {
        return row->voice == Voice::rule || row->name.starts_with("REQTLS-11");
    });
}

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
    if (strength(got) < strength(expected)) return weaker;
    if (got == Fate::held) return needless;
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
    if (decision.attempt) verdict = judge(decision, facts, host_name(), mx_of(world).domain);
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
        verdict = judge(decision, facts, host_name(), mx_of(world).domain);
        if (verdict.action != VerdictAction::skip_host) tally.add(skipped_used, world, &server);
        return;
    }
    check_words(world, server, verdict, fate, tally);
    const LackChoice lacks = expected_lack(world, server, true);
    if (fate != Fate::held ? verdict.lack != Lack::none : !lacks.contains(verdict.lack))
        tally.add(fate == Fate::held && verdict.lack == Lack::tls && only_rules(expected) ? rule_as_lack
                                                                                          : "another lack",
                  world, &server, fmt::format("{}", static_cast<int>(verdict.lack)));
    if (const std::string what = wrong_session_results(world, server, verdict.results); !what.empty())
        tally.add(world.host == HostKind::tlsa_bogus && what == "tlsa is not reported" ? bogus_unreported
                                                                                       : "report: " + what,
                  world, &server, results_text(verdict.results));
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
    const LackChoice lacks = expected_lack(world, all_servers().front(), false);
    if (!lacks.contains(decision.lack))
        tally.add(decision.lack == Lack::tls && decision.reason == HopReason::requiretls_not_vouched
                      ? sts_trouble_as_lack
                      : "another lack of a skipped host",
                  world, nullptr,
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
    std::string text =
        fmt::format("{} worlds, {} combinations with a server:", tally.worlds, tally.combinations);
    for (const auto& [fate, count] : tally.fates) text += fmt::format(" {} {}", count, word(fate));
    for (const auto& [what, count] : tally.wrong) {
        std::string lines = fmt::format("{}: {}", what, count);
        for (const std::string& line : tally.examples.at(what)) lines += "\n    " + line;
        FAIL_CHECK(lines);
    }
    MESSAGE(text);
    CHECK(tally.wrong.count(weaker) == 0);
    CHECK(tally.wrong.count(needless) == 0);
    CHECK(tally.combinations > 50000);
    for (const Fate fate : {Fate::held, Fate::tls, Fate::clear, Fate::clear_again})
        CHECK(tally.fates.count(fate) == 1);
}

/// How much of the product is walked. Numbers that share no factor with the dimensions, so that every value
/// of one meets every value of another, and every server.
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
    TEST_CASE(
        "each level ends every world as the outcome tables say [COMB-01..06 DANE-31..34 STS-64 STS-69 "
        "REQTLS-08..11 REQTLS-14..16 RPT-71]") {
        Tally tally;
        sweep(plain_rules(), {11, 7}, tally);
        report(tally);
    }

    TEST_CASE(
        "levels with min_tls and both and observe end as the outcome tables say [COMB-06 COMB-08 REQTLS-23 "
        "TLS-10]") {
        Tally tally;
        sweep(all_rules(), {61, 7}, tally);
        report(tally);
    }

    TEST_CASE("every world with every server ends as the outcome tables say" * doctest::skip()) {
        // Forty-five million combinations: on demand, with --no-skip, in an optimized build.
        Tally tally;
        sweep(all_rules(), {1, 1}, tally);
        report(tally);
    }

    TEST_CASE("a rule that demands more sends nothing that the built-in one holds [COMB-08]") {
        const RuleCase& automatic = plain_rules().front();
        std::size_t compared = 0;
        for (const HostKind host :
             {HostKind::dane_denied, HostKind::tlsa_bogus, HostKind::ee, HostKind::pkix_only})
            for (const StsKind sts :
                 {StsKind::none, StsKind::testing, StsKind::enforce, StsKind::enforce_unlisted})
                for (const MxKind mx : {MxKind::secure, MxKind::insecure})
                    for (const RuleCase& rule : plain_rules()) {
                        if (rule.rule.weakens()) continue;
                        const HopDecision base = decide_hop(input_of({mx, host, sts, &automatic}));
                        const HopDecision more = decide_hop(input_of({mx, host, sts, &rule}));
                        for (const Server& server : all_servers()) {
                            const auto fate = [&](const HopDecision& d) {
                                if (!d.attempt) return Fate::held;
                                const TlsFacts facts = matrix::facts_of(d, server);
                                return fate_of(d, facts,
                                               judge(d, facts, host_name(), name_of(Name::next_hop)));
                            };
                            ++compared;
                            if (fate(base) == Fate::held && fate(more) != Fate::held)
                                FAIL_CHECK(describe(World{mx, host, sts, &rule}), " | ", describe(server));
                            if (fate(base) == Fate::tls && fate(more) > Fate::tls)
                                FAIL_CHECK(describe(World{mx, host, sts, &rule}), " | ", describe(server));
                        }
                    }
        CHECK(compared > 10000);
    }

    TEST_CASE(
        "a policy that could not be fetched is reported once and moves no session total [RPT-73 RPT-75 "
        "RPT-76]") {
        for (const StsKind sts : all_sts()) {
            const World world{MxKind::secure, HostKind::dane_denied, sts, &plain_rules().front()};
            const std::vector<TlsResult> results =
                results_of_sts_failure(name_of(Name::next_hop), *input_of(world).sts);
            const bool expected = sts == StsKind::fetch_failed || sts == StsKind::fetch_failed_cached;
            REQUIRE(results.size() == (expected ? 1U : 0U));
            if (!expected) continue;
            CHECK(results.front().policy.type == PolicyType::sts);
            CHECK(results.front().policy.domain == "example.org");
            CHECK(results.front().policy.mx_host.empty() == (sts == StsKind::fetch_failed));
            CHECK_FALSE(results.front().counts_session);
            CHECK_FALSE(results.front().session_success);
            CHECK(results.front().failures.front().type == ResultType::sts_webpki_invalid);
        }
    }

    TEST_CASE("a relay that is an alias may show its own name to 2 x x records [DANE-65]") {
        const World world{MxKind::route, HostKind::ta_expanded, StsKind::none, &plain_rules().front()};
        const HopDecision decision = decide_hop(input_of(world));
        REQUIRE(decision.dane);
        const std::vector<Domain>& names = decision.dane->reference_names;
        CHECK(std::find(names.begin(), names.end(), host_name()) != names.end());
    }

}  // TEST_SUITE("security/hop_matrix")

}  // namespace sealpost::security::test::matrix
