#include "security/trust_anchor.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/security/support/root_keys.hpp"

namespace sealpost::security {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using test::RootKey;

constexpr sys_seconds start{seconds(1'790'000'000)};

/// The keys of one imagined root, made once.
struct Keys {
    RootKey a, b, c, zsk;
    Keys() { zsk.key.flags = 0x0100; }
};
const Keys& k() {
    static const Keys keys;
    return keys;
}

TrustSeed seed_of(const std::string& lines) {
    const auto seed = parse_trust_seed(lines);
    REQUIRE(seed);
    return *seed;
}
TrustSeed seed_a() {
    return seed_of(". IN DNSKEY " + k().a.key.str() + "\n");
}

struct Signer {
    const RootKey* pair;
    Dnskey as;
};
Signer by(const RootKey& key) {
    return {&key, key.key};
}

RootKeys answer(const std::vector<Dnskey>& set, const std::vector<Signer>& signers, sys_seconds now,
                std::uint32_t ttl = 172800) {
    RootKeys out;
    for (const Dnskey& key : set) out.dnskey.push_back(key.rdata());
    for (const Signer& signer : signers)
        out.rrsig.push_back(signer.pair->sign(signer.as, set, now - days(1), now + days(10), ttl));
    return out;
}

/// What became of a key, "" if it is not followed.
std::string state_of(const TrustState& state, const RootKey& key) {
    for (const TrackedKey& tracked : state.keys)
        if (tracked.key.is_same_key(key.key)) return std::string(to_string(tracked.state));
    return {};
}

bool trusts(const TrustSeed& seed, const TrustState& state, const RootKey& key) {
    return anchors(seed, state).lines.find(key.key.str()) != std::string::npos;
}

/// A world with time: each step shows a key set to the follower.
struct World {
    TrustSeed seed = seed_a();
    TrustState state = adopt(seed, {});
    sys_seconds now = start;

    Followed show(const std::vector<Dnskey>& set, const std::vector<Signer>& signers) {
        Followed result = follow(seed, state, answer(set, signers, now), now);
        state = result.state;
        return result;
    }
};

}  // namespace

TEST_SUITE("security/trust_anchor") {
    TEST_CASE("the configured key is valid once it is seen [DNS-27]") {
        World w;
        CHECK(trusts(w.seed, w.state, k().a));
        const Followed seen = w.show({k().a.key, k().zsk.key}, {by(k().a)});
        CHECK(seen.validated);
        CHECK(seen.events.size() == 1);
        CHECK(state_of(w.state, k().a) == "valid");
        CHECK(state_of(w.state, k().zsk).empty());
        CHECK(w.show({k().a.key, k().zsk.key}, {by(k().a)}).events.empty());
    }

    TEST_CASE("a configured DS is as good as its key [DNS-27]") {
        const auto ds = [](const RootKey& key) {
            Ds out{.tag = key.key.tag(), .algorithm = key.key.algorithm, .digest_type = 2, .digest = {}};
            std::vector<std::uint8_t> input{0};
            const auto rdata = key.key.rdata();
            input.insert(input.end(), rdata.begin(), rdata.end());
            out.digest.resize(32);
            EVP_Digest(input.data(), input.size(), out.digest.data(), nullptr, EVP_sha256(), nullptr);
            return fmt::format(". 3600 IN DS {} {} 2 {:02X}\n", out.tag, out.algorithm,
                               fmt::join(out.digest, ""));
        };
        World w;
        w.seed = seed_of(ds(k().a));
        w.state = adopt(w.seed, {});
        CHECK(w.show({k().a.key}, {by(k().a)}).validated);
        CHECK(state_of(w.state, k().a) == "valid");
        CHECK(anchors(w.seed, w.state).lines == ". IN DS" + ds(k().a).substr(12));
        CHECK_FALSE(w.show({k().b.key}, {by(k().b)}).validated);
        // Revoked, its DS is no anchor any more.
        w.show({k().a.revoked()}, {{&k().a, k().a.revoked()}});
        CHECK_FALSE(anchors(w.seed, w.state).root);
    }

    TEST_CASE("a new key is trusted after the add hold-down time and not before [DNS-27]") {
        World w;
        const std::vector<Dnskey> both{k().a.key, k().b.key};
        w.show({k().a.key}, {by(k().a)});
        w.show(both, {by(k().a)});
        CHECK(state_of(w.state, k().b) == "add_pend");
        CHECK_FALSE(trusts(w.seed, w.state, k().b));
        w.now = start + days(30);
        w.show(both, {by(k().a)});
        CHECK(state_of(w.state, k().b) == "add_pend");
        w.now += seconds(1);
        w.show(both, {by(k().a)});
        CHECK(state_of(w.state, k().b) == "valid");
        CHECK(trusts(w.seed, w.state, k().b));
        // It then validates the set alone.
        CHECK(w.show(both, {by(k().b)}).validated);
    }

    TEST_CASE("a TTL that is longer than the hold-down time is waited for [DNS-27]") {
        World w;
        const auto show = [&w] {
            w.state = follow(w.seed, w.state,
                             answer({k().a.key, k().b.key}, {by(k().a)}, w.now, 40 * 24 * 3600), w.now)
                          .state;
        };
        show();
        w.now = start + days(31);
        show();
        CHECK(state_of(w.state, k().b) == "add_pend");
        w.now = start + days(40) + seconds(1);
        show();
        CHECK(state_of(w.state, k().b) == "valid");
    }

    TEST_CASE("a pending key that disappears starts from the beginning [DNS-27]") {
        World w;
        const std::vector<Dnskey> both{k().a.key, k().b.key};
        w.show(both, {by(k().a)});
        w.now = start + days(29);
        w.show({k().a.key}, {by(k().a)});
        CHECK(state_of(w.state, k().b).empty());
        w.show(both, {by(k().a)});
        w.now = start + days(31);
        w.show(both, {by(k().a)});
        CHECK(state_of(w.state, k().b) == "add_pend");
    }

    TEST_CASE("a set that no trusted key signed changes nothing [DNS-27]") {
        World w;
        w.show({k().a.key}, {by(k().a)});
        const TrustState before = w.state;
        const std::vector<Dnskey> set{k().a.key, k().b.key};
        CHECK_FALSE(w.show(set, {by(k().b)}).validated);  // signed by the newcomer itself
        CHECK(w.state == before);
        CHECK_FALSE(w.show(set, {}).validated);
        CHECK(w.state == before);
        CHECK_FALSE(w.show({k().b.key}, {by(k().b)}).validated);
        CHECK(w.state == before);
        // Signed by a trusted key, but long ago: a replay.
        const RootKeys old = answer(set, {by(k().a)}, start - days(100));
        CHECK_FALSE(follow(w.seed, w.state, old, start).validated);
        CHECK(follow(w.seed, w.state, old, start).state == before);
        // A pending key vouches for nobody.
        w.show(set, {by(k().a)});
        CHECK_FALSE(w.show({k().a.key, k().b.key, k().c.key}, {by(k().b)}).validated);
        CHECK(state_of(w.state, k().c).empty());
    }

    TEST_CASE("a key that is not published stays trusted and comes back [DNS-27]") {
        World w;
        w.seed = seed_of(". DNSKEY " + k().a.key.str() + "\n. DNSKEY " + k().b.key.str() + "\n");
        w.state = adopt(w.seed, {});
        w.show({k().a.key, k().b.key}, {by(k().a)});
        w.show({k().a.key}, {by(k().a)});
        CHECK(state_of(w.state, k().b) == "missing");
        CHECK(trusts(w.seed, w.state, k().b));
        w.show({k().a.key, k().b.key}, {by(k().b)});
        CHECK(state_of(w.state, k().b) == "valid");
    }

    TEST_CASE("a key that revokes itself is trusted never again [DNS-27]") {
        World w;
        const std::vector<Dnskey> both{k().a.key, k().b.key};
        w.show(both, {by(k().a)});
        w.now = start + days(31);
        w.show(both, {by(k().a)});
        const std::vector<Dnskey> rolled{k().a.revoked(), k().b.key};
        // The bit alone, in a set that the key did not sign itself, is no revocation (RFC 5011 §2.1).
        TrustState unsigned_bit = follow(w.seed, w.state, answer(rolled, {by(k().b)}, w.now), w.now).state;
        CHECK(state_of(unsigned_bit, k().a) == "missing");
        const Followed done = w.show(rolled, {by(k().b), {&k().a, k().a.revoked()}});
        CHECK(done.validated);
        CHECK(state_of(w.state, k().a) == "revoked");
        CHECK_FALSE(trusts(w.seed, w.state, k().a));  // although it is configured
        CHECK(trusts(w.seed, w.state, k().b));
        CHECK(anchors(w.seed, w.state).root);
        // Back without the bit, by whoever has stolen it.
        CHECK_FALSE(w.show(both, {by(k().a)}).validated);
        CHECK(state_of(w.state, k().a) == "revoked");
        w.show(both, {by(k().b)});
        CHECK(state_of(w.state, k().a) == "revoked");
        // Gone for the remove hold-down time.
        w.now += days(30);
        w.show({k().b.key}, {by(k().b)});
        w.now += days(1);
        w.show({k().b.key}, {by(k().b)});
        CHECK(state_of(w.state, k().a) == "removed");
        w.show(both, {by(k().b)});
        CHECK(state_of(w.state, k().a) == "removed");
        CHECK_FALSE(trusts(w.seed, w.state, k().a));
    }

    TEST_CASE("a revoked key introduces nobody in the set that revokes it [DNS-27]") {
        World w;
        w.show({k().a.key}, {by(k().a)});
        const Followed last = w.show({k().a.revoked(), k().b.key}, {{&k().a, k().a.revoked()}});
        CHECK_FALSE(last.validated);
        CHECK(state_of(w.state, k().a) == "revoked");
        CHECK(state_of(w.state, k().b).empty());
        CHECK_FALSE(anchors(w.seed, w.state).root);  // nothing to believe: never "not signed"
    }

    TEST_CASE("another seed takes the place of what was learned but not of revocations [DNS-27]") {
        World w;
        const std::vector<Dnskey> both{k().a.key, k().b.key};
        w.show(both, {by(k().a)});
        w.now = start + days(31);
        w.show(both, {by(k().a)});
        w.show({k().a.revoked(), k().b.key}, {by(k().b), {&k().a, k().a.revoked()}});
        const TrustSeed other =
            seed_of(". DNSKEY " + k().a.key.str() + "\n. DNSKEY " + k().c.key.str() + "\n");
        const TrustState taken = adopt(other, w.state);
        CHECK(state_of(taken, k().b).empty());
        CHECK(state_of(taken, k().a) == "revoked");
        CHECK_FALSE(trusts(other, taken, k().a));
        CHECK(trusts(other, taken, k().c));
        CHECK_FALSE(trusts(other, taken, k().b));
    }

    TEST_CASE("the root is asked again after half the TTL or half the life of the signature [DNS-27]") {
        struct Row {
            std::uint32_t ttl;
            seconds next;
        };
        for (const Row& row : {Row{172800, days(1)}, Row{60, hours(1)}, Row{7 * 24 * 3600, hours(84)},
                               Row{20 * 24 * 3600, days(5)}}) {  // signatures end in 10 days
            const Followed f = follow(seed_a(), {}, answer({k().a.key}, {by(k().a)}, start, row.ttl), start);
            CHECK(f.next == row.next);
        }
        CHECK(follow(seed_a(), {}, {}, start).next == hours(1));
    }

    TEST_CASE("keys of no use are not followed and the table is bounded [DNS-23]") {
        World w;
        Dnskey no_zone = k().b.key;
        no_zone.flags = 0x0001;
        Dnskey unknown = k().c.key;
        unknown.algorithm = 200;
        w.show({k().a.key, no_zone, unknown, k().zsk.key}, {by(k().a)});
        CHECK(w.state.keys.size() == 1);
        std::vector<Dnskey> many{k().a.key};
        for (std::uint8_t round = 0; round < 3; ++round) {
            many.resize(1);
            for (std::uint8_t i = 0; i < 31; ++i) {
                Dnskey made = k().b.key;
                made.key[0] = i;
                made.key[1] = round;
                many.push_back(made);
            }
            w.show(many, {by(k().a)});
            CHECK(w.state.keys.size() <= max_tracked);
        }
        many.push_back(k().c.key);  // one more than an answer may hold
        CHECK_FALSE(w.show(many, {by(k().a)}).validated);
    }

    TEST_CASE("state survives its text and a text that was not written so is refused") {
        World w;
        const std::vector<Dnskey> both{k().a.key, k().b.key};
        w.show(both, {by(k().a)});
        w.now = start + days(31);
        w.show({k().a.revoked(), k().b.key}, {by(k().a), {&k().a, k().a.revoked()}});
        const std::string text = encode(w.state);
        CHECK(decode_trust_state(text) == w.state);
        for (std::size_t n = 0; n + 1 < text.size(); ++n) CHECK_FALSE(decode_trust_state(text.substr(0, n)));
        const auto changed = [&text](std::string_view from, std::string_view to) {
            std::string out = text;
            const std::size_t at = out.find(from);
            REQUIRE(at != std::string::npos);
            return decode_trust_state(out.replace(at, from.size(), to));
        };
        CHECK_FALSE(changed("\"schema\":1", "\"schema\":2"));
        CHECK_FALSE(changed("\"revoked\"", "\"fine\""));
        CHECK_FALSE(changed("257 3 13", "256 3 13"));
        CHECK_FALSE(changed("257 3 13", "257 3 5"));
        CHECK_FALSE(changed("257 3 13", "385 3 13"));
        TrustState impatient = w.state;
        impatient.keys.back().state = AnchorState::add_pend;
        impatient.keys.back().hold_down = days(1);
        CHECK_FALSE(decode_trust_state(encode(impatient)));
    }

    TEST_CASE("anchors of other zones are passed on as they are [DNS-27]") {
        const std::string island = "example. IN DNSKEY " + k().c.key.str() + "\n";
        const TrustSeed seed =
            seed_of("; a comment\n" + island + ". 172800 IN DNSKEY " + k().a.key.str() + " ; x\n");
        CHECK(seed.other_zones == island);
        CHECK(anchors(seed, {}).lines == island + ". IN DNSKEY " + k().a.key.str() + "\n");
        CHECK_FALSE(seed_of(island).follows_root());
        CHECK_FALSE(parse_trust_seed(". IN DNSKEY 257 3 8\n"));
        CHECK_FALSE(parse_trust_seed(". IN TXT hello\n"));
    }
}

}  // namespace sealpost::security
