// Every combination of what can decide a hop, judged by a second reading of the outcome tables at the head of
// the conformance list: nothing is delivered that they hold, and nothing held that they deliver.
#include <doctest/doctest.h>

#include "support/hop_scene.hpp"

using namespace sealpost;
using namespace sealpost::security;
using namespace sealpost::security::test;

namespace {

struct World {
    bool mx_secure = false;
    AddressState address = AddressState::found;
    DaneState tlsa = DaneState::not_applicable;
    Sts sts = Sts::none;
    TlsLevel level = TlsLevel::automatic;
    bool match = false;
};

struct Session {
    TlsStage stage = TlsStage::not_reached;
    ChainFault dane = ChainFault::internal;  ///< internal: not judged
    ChainFault web_pki = ChainFault::internal;
};

enum class Fate { held, in_tls, in_clear, again_in_clear };

/// The tables, row by row: what the world demands of a session.
struct Demand {
    bool contact = true;
    bool tls = false;
    bool dane = false;
    bool web_pki = false;
};

bool lists_host(Sts sts) {
    return sts == Sts::testing || sts == Sts::enforce || sts == Sts::fetch_failed_cached;
}

Demand dane_table(const World& w) {
    if (w.address != AddressState::found) return {.contact = false};
    if (w.level == TlsLevel::dane_only && !(w.mx_secure && w.tlsa == DaneState::usable))
        return {.contact = false};
    switch (w.tlsa) {
        case DaneState::lookup_failed:
            return {.contact = false};
        case DaneState::unusable:
            return {.tls = true};
        case DaneState::usable:
            return {.tls = true, .dane = true};
        case DaneState::not_applicable:
            break;
    }
    return {};
}

Demand sts_table(const World& w) {
    switch (w.sts) {
        case Sts::enforce:
        case Sts::fetch_failed_cached:
            return {.tls = true, .web_pki = true};
        case Sts::enforce_unlisted:
        case Sts::cache_failed:
            return {.contact = false};
        default:
            return {};
    }
}

Demand rule_table(const World& w) {
    if (w.level == TlsLevel::encrypt) return {.tls = true};
    if (w.level != TlsLevel::authenticated) return {};
    return {.contact = w.match || lists_host(w.sts), .tls = true, .web_pki = true};
}

Demand strongest(const Demand& a, const Demand& b) {
    return {.contact = a.contact && b.contact,
            .tls = a.tls || b.tls,
            .dane = a.dane || b.dane,
            .web_pki = a.web_pki || b.web_pki};
}

Demand demand_of(const World& w) {
    const Demand dane = dane_table(w);
    // DANE with a secure MX set authenticates all there is; nothing else is asked [COMB-06].
    if (dane.dane && w.mx_secure) return dane;
    return strongest(dane, strongest(sts_table(w), rule_table(w)));
}

Fate oracle(const World& w, const Session& s) {
    const Demand demand = demand_of(w);
    if (!demand.contact || s.stage == TlsStage::not_reached || s.stage == TlsStage::injected)
        return Fate::held;
    if (s.stage != TlsStage::established) {
        if (demand.tls) return Fate::held;
        return s.stage == TlsStage::handshake_failed ? Fate::again_in_clear : Fate::in_clear;
    }
    if (demand.dane && s.dane != ChainFault::none) return Fate::held;
    if (demand.web_pki && s.web_pki != ChainFault::none) return Fate::held;
    return Fate::in_tls;
}

HopScene scene_of(const World& w) {
    HopScene scene(w.level, w.mx_secure ? DnsStatus::secure : DnsStatus::insecure, w.tlsa, w.sts);
    scene.state.address = w.address;
    if (w.match) scene.set_match("mx.example.org");
    return scene;
}

TlsFacts facts_for(const Session& s) {
    TlsFacts facts = facts_of(s.stage);
    const auto outcome = [](ChainFault fault) {
        return fault == ChainFault::none ? chain_ok() : chain_bad(fault);
    };
    if (s.dane != ChainFault::internal) facts.dane = outcome(s.dane);
    if (s.web_pki != ChainFault::internal) facts.web_pki = outcome(s.web_pki);
    return facts;
}

std::vector<World> worlds() {
    std::vector<World> out;
    for (const bool mx_secure : {true, false})
        for (const AddressState address : {AddressState::found, AddressState::none, AddressState::failed})
            for (const DaneState tlsa : {DaneState::not_applicable, DaneState::lookup_failed,
                                         DaneState::unusable, DaneState::usable})
                for (int sts = 0; sts <= static_cast<int>(Sts::cache_failed); ++sts)
                    for (const TlsLevel level : {TlsLevel::automatic, TlsLevel::encrypt,
                                                 TlsLevel::authenticated, TlsLevel::dane_only})
                        for (const bool match : {true, false})
                            out.push_back({mx_secure, address, tlsa, static_cast<Sts>(sts), level, match});
    return out;
}

std::vector<Session> sessions() {
    std::vector<Session> out;
    for (const TlsStage stage : {TlsStage::not_reached, TlsStage::not_offered, TlsStage::refused,
                                 TlsStage::injected, TlsStage::handshake_failed})
        out.push_back({stage, ChainFault::internal, ChainFault::internal});
    for (const ChainFault dane : {ChainFault::none, ChainFault::no_match, ChainFault::internal})
        for (const ChainFault web : {ChainFault::none, ChainFault::host_mismatch, ChainFault::internal})
            out.push_back({TlsStage::established, dane, web});
    return out;
}

Fate fate_of(const HopDecision& decision, const Verdict& v, const Session& s) {
    if (!decision.attempt || v.action == VerdictAction::skip_host) return Fate::held;
    if (v.action == VerdictAction::retry_in_clear) return Fate::again_in_clear;
    return s.stage == TlsStage::established ? Fate::in_tls : Fate::in_clear;
}

bool says_verified_rightly(const World& w, const Session& s, const Verdict& v) {
    const bool dane = w.tlsa == DaneState::usable && s.dane == ChainFault::none;
    const bool web = s.web_pki == ChainFault::none;
    if (v.achieved == Achieved::clear || v.achieved == Achieved::untrusted) return v.by.empty();
    if (s.stage != TlsStage::established) return false;
    if (v.by == "dane" && !dane) return false;
    if (v.by == "sts" && !(lists_host(w.sts) && web)) return false;
    if (v.by == "webpki" && !(w.level == TlsLevel::authenticated && web)) return false;
    if (v.by != "dane" && v.by != "sts" && v.by != "webpki") return false;
    return v.achieved != Achieved::verified || (dane && w.mx_secure) || web;  // DANE-09
}

/// Each policy that applies, once, with its own outcome [RPT-50..54 RPT-104].
bool reports_rightly(const World& w, const Session& s, const Verdict& v) {
    if (s.stage == TlsStage::not_reached) return v.results.empty();
    const bool tls = s.stage == TlsStage::established;
    const bool tlsa = w.tlsa == DaneState::usable || w.tlsa == DaneState::unusable;
    const bool listed = lists_host(w.sts);
    const bool sts = listed || w.sts == Sts::testing_unlisted || w.sts == Sts::enforce_unlisted;
    if (v.results.size() != (tlsa && sts ? 2U : 1U)) return false;
    for (const TlsResult& r : v.results) {
        bool expected = tls;
        if (r.policy.type == PolicyType::tlsa)
            expected = tls && w.tlsa == DaneState::usable && s.dane == ChainFault::none;
        else if (r.policy.type == PolicyType::sts)
            expected = tls && listed && s.web_pki == ChainFault::none;
        else if (tlsa || sts)
            return false;
        if (r.session_success != expected || r.failures.empty() != expected || !r.counts_session)
            return false;
    }
    return true;
}

std::string words(const World& w, const Session& s) {
    return fmt::format("mx {} address {} tlsa {} sts {} rule {} match {} / {} dane {} webpki {}",
                       w.mx_secure ? "secure" : "insecure", to_string(w.address), to_string(w.tlsa),
                       static_cast<int>(w.sts), to_string(w.level), w.match, to_string(s.stage),
                       to_string(s.dane), to_string(s.web_pki));
}

}  // namespace

TEST_SUITE("security/hop_matrix") {
    TEST_CASE(
        "no combination is weaker than the outcome tables or needlessly held [COMB-01..08 DANE-31..34 STS-64 "
        "STS-69]") {
        std::size_t delivered = 0;
        std::size_t wrong = 0;
        for (const World& w : worlds()) {
            const HopScene scene = scene_of(w);
            const HopDecision decision = scene.decide();
            for (const Session& s : sessions()) {
                const Verdict v = judge(decision, facts_for(s), scene.host, scene.mx.domain);
                const Fate fate = fate_of(decision, v, s);
                const bool right =
                    fate == oracle(w, s) &&
                    (!decision.attempt || (says_verified_rightly(w, s, v) && reports_rightly(w, s, v)));
                delivered += fate != Fate::held ? 1 : 0;
                if (right || ++wrong > 5) continue;
                FAIL_CHECK(words(w, s), ": ", static_cast<int>(fate), " instead of ",
                           static_cast<int>(oracle(w, s)), ", ", v.explanation, " by ", v.by, "; ",
                           results_text(v.results));
            }
        }
        CHECK(wrong == 0);
        CHECK(delivered > 100);
    }

    TEST_CASE("a stronger rule delivers nothing that the automatic one holds [COMB-08]") {
        for (World w : worlds()) {
            for (const Session& s : sessions()) {
                const auto fate = [&](TlsLevel level) {
                    w.level = level;
                    const HopScene scene = scene_of(w);
                    return fate_of(scene.decide(), scene.judge(facts_for(s)), s);
                };
                if (w.level != TlsLevel::automatic || fate(TlsLevel::automatic) != Fate::held) continue;
                for (const TlsLevel level : {TlsLevel::encrypt, TlsLevel::authenticated, TlsLevel::dane_only})
                    if (fate(level) != Fate::held) FAIL_CHECK(words(w, s));
                w.level = TlsLevel::automatic;
            }
        }
    }

    TEST_CASE("the matrix asks its own tables the rows of the conformance list") {
        // The oracle is checked here against rows spelled out, so that it cannot drift together with the
        // code.
        const Session good{TlsStage::established, ChainFault::none, ChainFault::none};
        const Session pki_only{TlsStage::established, ChainFault::no_match, ChainFault::none};
        const Session dane_only{TlsStage::established, ChainFault::none, ChainFault::host_mismatch};
        const Session plain{TlsStage::not_offered, ChainFault::internal, ChainFault::internal};
        World w{.mx_secure = true, .tlsa = DaneState::usable, .sts = Sts::enforce};
        CHECK(oracle(w, pki_only) == Fate::held);     // COMB-01
        CHECK(oracle(w, dane_only) == Fate::in_tls);  // COMB-06
        w.mx_secure = false;
        CHECK(oracle(w, dane_only) == Fate::held);  // COMB-05
        w.tlsa = DaneState::lookup_failed;
        CHECK(oracle(w, good) == Fate::held);  // COMB-02
        w.tlsa = DaneState::unusable;
        CHECK(oracle(w, dane_only) == Fate::held);  // COMB-04
        CHECK(oracle(w, pki_only) == Fate::in_tls);
        w.sts = Sts::testing;
        CHECK(oracle(w, plain) == Fate::held);  // DANE-33
        w.tlsa = DaneState::not_applicable;
        CHECK(oracle(w, plain) == Fate::in_clear);  // STS-69
        w.level = TlsLevel::encrypt;
        CHECK(oracle(w, plain) == Fate::held);
    }

}  // TEST_SUITE("security/hop_matrix")
