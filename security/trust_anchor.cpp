#include "security/trust_anchor.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <boost/json.hpp>

namespace sealpost::security {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr seconds hold_down = std::chrono::hours(24 * 30);
constexpr seconds hour = std::chrono::hours(1);
constexpr seconds longest_interval = std::chrono::hours(24 * 15);

std::string describe(const Dnskey& key) {
    return fmt::format("root key {} (algorithm {})", key.tag(), key.algorithm);
}

std::string_view take_word(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r"), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(" \t\r"));
    text.remove_prefix(word.size());
    return word;
}

bool is_number(std::string_view word) {
    return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string digest_of(const TrustSeed& seed) {
    std::vector<std::string> lines;
    lines.reserve(seed.keys.size() + seed.ds.size());
    for (const Dnskey& key : seed.keys) lines.push_back(key.str());
    for (const Ds& ds : seed.ds)
        lines.push_back(fmt::format("DS {} {} {} {:02x}", ds.tag, ds.algorithm, ds.digest_type,
                                    fmt::join(ds.digest, "")));
    std::sort(lines.begin(), lines.end());
    const std::string text = fmt::format("{}", fmt::join(lines, "\n"));
    std::uint8_t out[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (EVP_Digest(text.data(), text.size(), out, &length, EVP_sha256(), nullptr) != 1) return {};
    return fmt::format("{:02x}", fmt::join(out, out + length, ""));
}

TrackedKey* find(TrustState& state, const Dnskey& key) {
    const auto found = std::find_if(state.keys.begin(), state.keys.end(),
                                    [&key](const TrackedKey& t) { return t.key.is_same_key(key); });
    return found == state.keys.end() ? nullptr : &*found;
}

bool is_denied(const TrackedKey& tracked) {
    return tracked.state == AnchorState::revoked || tracked.state == AnchorState::removed;
}

/// Trusted to introduce others and to be validated with.
bool is_trusted(const TrustSeed& seed, TrustState& state, const Dnskey& key) {
    if (key.is_revoked()) return false;
    const TrackedKey* const tracked = find(state, key);
    if (tracked == nullptr) return seed.holds(key);
    return tracked->state == AnchorState::valid || tracked->state == AnchorState::missing;
}

struct Parsed {
    std::vector<Dnskey> keys;
    std::vector<Rrsig> signatures;
};

/// What breaks its format signs nothing; but a key set is signed as a whole, so one bad key spoils it.
Result<Parsed> parse(const RootKeys& answered) {
    if (answered.dnskey.size() > max_root_keys || answered.rrsig.size() > max_root_signatures)
        return fail(Errc::invalid, "the root's key set exceeds a limit");
    Parsed out;
    for (const auto& rdata : answered.dnskey) {
        Result<Dnskey> key = parse_dnskey(rdata);
        if (!key) return tl::unexpected(key.error());
        out.keys.push_back(std::move(*key));
    }
    for (const auto& rdata : answered.rrsig)
        if (Result<Rrsig> signature = parse_rrsig(rdata)) out.signatures.push_back(std::move(*signature));
    return out;
}

/// The signature by which `key` vouches for the whole set.
const Rrsig* signature_of(const Dnskey& key, const Parsed& set, sys_seconds now) {
    for (const Rrsig& signature : set.signatures)
        if (signs_root_keys(key, signature, set.keys, now)) return &signature;
    return nullptr;
}

/// RFC 5011 §2.3, from the signature that validated the set.
seconds query_interval(const Rrsig& signature, sys_seconds now) {
    const auto left =
        seconds(signature.expiration - static_cast<std::uint32_t>(now.time_since_epoch().count()));
    return std::max(hour, std::min({longest_interval, signature.original_ttl / 2, left / 2}));
}

class Step {
public:
    Step(const TrustSeed& seed, TrustState state, sys_seconds now)
        : seed_(seed), state_(std::move(state)), now_(now) {}

    void revoke(const Parsed& set) {
        for (const Dnskey& key : set.keys) {
            if (!key.is_revoked() || !key.is_sep()) continue;
            Dnskey before = key;
            before.flags &= 0xff7f;
            TrackedKey* const tracked = find(state_, before);
            const bool already = tracked != nullptr && tracked->state == AnchorState::revoked;
            if (!already && !is_trusted(seed_, state_, before)) continue;
            // Only the key itself can revoke itself, and nobody else needs to vouch for that (§2.1).
            if (signature_of(key, set, now_) == nullptr) continue;
            if (already) {
                tracked->since = now_;  // the remove hold-down starts when it is gone
                continue;
            }
            set_state(before, AnchorState::revoked, "is revoked and is trusted no more");
        }
    }

    const Rrsig* validate(const Parsed& set) {
        for (const Dnskey& key : set.keys)
            if (is_trusted(seed_, state_, key))
                if (const Rrsig* const signature = signature_of(key, set, now_)) return signature;
        return nullptr;
    }

    void see(const Parsed& set, seconds original_ttl) {
        for (const Dnskey& key : set.keys) {
            if (!key.is_sep() || !key.is_zone_key() || key.is_revoked() ||
                !is_supported_algorithm(key.algorithm))
                continue;
            TrackedKey* const tracked = find(state_, key);
            if (tracked == nullptr && seed_.holds(key))
                set_state(key, AnchorState::valid, "is trusted: it is configured");
            else if (tracked == nullptr)
                start_pending(key, original_ttl);
            else if (tracked->state == AnchorState::missing)
                set_state(key, AnchorState::valid, "is published again");
            else if (tracked->state == AnchorState::add_pend && now_ - tracked->since > tracked->hold_down)
                set_state(key, AnchorState::valid, "is trusted: it was published for its hold-down time");
        }
    }

    void miss(const Parsed& set) {
        for (std::size_t i = 0; i < state_.keys.size();) {
            const TrackedKey tracked = state_.keys[i];
            const bool seen = std::any_of(set.keys.begin(), set.keys.end(), [&](const Dnskey& key) {
                return key.is_same_key(tracked.key) &&
                       (!key.is_revoked() || tracked.state == AnchorState::revoked);
            });
            if (!seen && tracked.state == AnchorState::add_pend) {
                events_.push_back(fmt::format("{} is gone before it was trusted", describe(tracked.key)));
                state_.keys.erase(state_.keys.begin() + static_cast<std::ptrdiff_t>(i));
                continue;
            }
            if (!seen && tracked.state == AnchorState::valid)
                set_state(tracked.key, AnchorState::missing, "is not published now; it stays trusted");
            if (!seen && tracked.state == AnchorState::revoked && now_ - tracked.since > hold_down)
                set_state(tracked.key, AnchorState::removed, "is gone since its revocation");
            ++i;
        }
    }

    TrustState take_state() { return std::move(state_); }
    std::vector<std::string> take_events() { return std::move(events_); }

private:
    void set_state(const Dnskey& key, AnchorState to, std::string_view words) {
        TrackedKey* tracked = find(state_, key);
        if (tracked == nullptr) {
            // A seed key counts even where strangers filled the table: see max_tracked at start_pending().
            state_.keys.push_back({.key = key, .state = to, .since = now_, .hold_down = seconds(0)});
            tracked = &state_.keys.back();
        }
        tracked->state = to;
        tracked->since = now_;
        events_.push_back(fmt::format("{} {}", describe(key), words));
    }

    void start_pending(const Dnskey& key, seconds original_ttl) {
        if (state_.keys.size() >= max_tracked) {
            events_.push_back(
                fmt::format("{} is not followed: {} keys are already", describe(key), max_tracked));
            return;
        }
        const seconds wait = std::max(hold_down, original_ttl);
        state_.keys.push_back({.key = key, .state = AnchorState::add_pend, .since = now_, .hold_down = wait});
        events_.push_back(fmt::format("{} is new; it is trusted after {} days", describe(key),
                                      std::chrono::ceil<std::chrono::days>(wait).count()));
    }

    const TrustSeed& seed_;
    TrustState state_;
    sys_seconds now_;
    std::vector<std::string> events_;
};

AnchorState parse_state(std::string_view text) {
    using enum AnchorState;
    for (const AnchorState state : {add_pend, valid, missing, revoked, removed})
        if (to_string(state) == text) return state;
    throw std::invalid_argument("an unknown state");
}

}  // namespace

std::string_view to_string(AnchorState state) {
    switch (state) {
        case AnchorState::add_pend:
            return "add_pend";
        case AnchorState::valid:
            return "valid";
        case AnchorState::missing:
            return "missing";
        case AnchorState::revoked:
            return "revoked";
        case AnchorState::removed:
            return "removed";
    }
    return "unknown";
}

bool TrustSeed::holds(const Dnskey& key) const {
    return std::any_of(keys.begin(), keys.end(), [&](const Dnskey& k) { return k == key; }) ||
           std::any_of(ds.begin(), ds.end(), [&](const Ds& d) { return d.is_of(key); });
}

Result<TrustSeed> parse_trust_seed(std::string_view text) {
    TrustSeed seed;
    for (std::size_t number = 1; !text.empty(); ++number) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        line = line.substr(0, line.find(';'));
        std::string_view rest = line;
        const std::string_view owner = take_word(rest);
        if (owner.empty()) continue;
        if (owner != ".") {
            seed.other_zones += fmt::format("{}\n", line);
            continue;
        }
        std::string_view type = take_word(rest);
        while (is_number(type) || type == "IN") type = take_word(rest);
        while (!rest.empty() && (rest.back() == ' ' || rest.back() == '\t' || rest.back() == '\r'))
            rest.remove_suffix(1);
        bool parsed = false;
        if (type == "DNSKEY") {
            if (const auto key = parse_dnskey_text(rest)) {
                seed.keys.push_back(*key);
                parsed = true;
            }
        } else if (type == "DS") {
            if (const auto ds = parse_ds_text(rest)) {
                seed.ds.push_back(*ds);
                parsed = true;
            }
        }
        if (!parsed)
            return fail(Errc::invalid, fmt::format("line {} is no DNSKEY or DS record of the root", number));
    }
    seed.digest = digest_of(seed);
    return seed;
}

TrustState adopt(const TrustSeed& seed, TrustState stored) {
    if (stored.seed == seed.digest) return stored;
    // The administrator's word replaces what was learned; that a key was revoked stays true.
    std::erase_if(stored.keys, [](const TrackedKey& tracked) { return !is_denied(tracked); });
    stored.seed = seed.digest;
    return stored;
}

Followed follow(const TrustSeed& seed, const TrustState& state, const RootKeys& answered, sys_seconds now) {
    Followed out{.state = state, .validated = false, .events = {}, .next = anchor_retry};
    const Result<Parsed> set = parse(answered);
    if (!set) {
        out.events.push_back(fmt::format("the root's key set is not usable: {}", set.error().text));
        return out;
    }
    Step step(seed, adopt(seed, state), now);
    step.revoke(*set);
    // After the revocations: a revoked key introduces nobody.
    if (const Rrsig* const signature = step.validate(*set)) {
        out.validated = true;
        out.next = query_interval(*signature, now);
        step.see(*set, signature->original_ttl);
        step.miss(*set);
    }
    out.state = step.take_state();
    out.events = step.take_events();
    if (!out.validated) out.events.emplace_back("no trusted key signed the root's key set");
    return out;
}

Anchors anchors(const TrustSeed& seed, const TrustState& state) {
    Anchors out{.lines = seed.other_zones, .root = false};
    TrustState usable = adopt(seed, state);
    const auto add = [&out](std::string_view type, std::string_view rdata) {
        out.lines += fmt::format(". IN {} {}\n", type, rdata);
        out.root = true;
    };
    for (const Dnskey& key : seed.keys) {
        const TrackedKey* const tracked = find(usable, key);
        if (tracked == nullptr || !is_denied(*tracked)) add("DNSKEY", key.str());
    }
    for (const Ds& ds : seed.ds) {
        const bool denied = std::any_of(usable.keys.begin(), usable.keys.end(), [&ds](const TrackedKey& t) {
            return is_denied(t) && ds.is_of(t.key);
        });
        if (!denied)
            add("DS", fmt::format("{} {} {} {:02X}", ds.tag, ds.algorithm, ds.digest_type,
                                  fmt::join(ds.digest, "")));
    }
    for (const TrackedKey& tracked : usable.keys) {
        const bool trusted = tracked.state == AnchorState::valid || tracked.state == AnchorState::missing;
        if (trusted && !seed.holds(tracked.key)) add("DNSKEY", tracked.key.str());
    }
    return out;
}

std::string encode(const TrustState& state) {
    json::array keys;
    for (const TrackedKey& tracked : state.keys) {
        json::object key;
        key["dnskey"] = tracked.key.str();
        key["tag"] = tracked.key.tag();  // for the reader's eye
        key["state"] = to_string(tracked.state);
        key["since"] = tracked.since.time_since_epoch().count();
        key["hold_down"] = tracked.hold_down.count();
        keys.push_back(std::move(key));
    }
    json::object out;
    out["schema"] = 1;
    out["seed"] = state.seed;
    out["keys"] = std::move(keys);
    return json::serialize(out) + "\n";
}

Result<TrustState> decode_trust_state(std::string_view text) {
    try {
        const json::object in = json::parse(json::string_view(text.data(), text.size())).as_object();
        if (in.at("schema").as_int64() != 1) return fail(Errc::invalid, "of another schema");
        TrustState out;
        out.seed = in.at("seed").as_string().c_str();
        for (const json::value& item : in.at("keys").as_array()) {
            const Result<Dnskey> key = parse_dnskey_text(item.at("dnskey").as_string().c_str());
            if (!key) return tl::unexpected(key.error());
            // What follow() would never have written is not what follow() wrote.
            if (!key->is_sep() || !key->is_zone_key() || key->is_revoked() ||
                !is_supported_algorithm(key->algorithm) || find(out, *key) != nullptr)
                return fail(Errc::invalid, "a key that cannot be a root key");
            TrackedKey tracked{.key = *key,
                               .state = parse_state(item.at("state").as_string().c_str()),
                               .since = sys_seconds(seconds(item.at("since").as_int64())),
                               .hold_down = seconds(item.at("hold_down").as_int64())};
            if (tracked.state == AnchorState::add_pend && tracked.hold_down < hold_down)
                return fail(Errc::invalid, "a hold-down time that is too short");
            if (out.keys.size() >= 2 * max_tracked) return fail(Errc::invalid, "too many keys");
            out.keys.push_back(std::move(tracked));
        }
        return out;
    } catch (const std::exception& e) {
        return fail(Errc::invalid, e.what());
    }
}

}  // namespace sealpost::security
