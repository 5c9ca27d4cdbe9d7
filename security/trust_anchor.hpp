/// \file The root's trust anchor, followed through its rollovers.
///
/// Owns     which keys of the root are trusted: the configured ones (the seed), and those that a trusted key
///          introduced and that stayed for the hold-down time; never one that was revoked.
///
///              seed -----------------------------.
///                                                v
///              (new) --seen--> add_pend --30 d--> valid <--seen/gone--> missing
///                                 |                 |                      |
///                               gone              REVOKE                 REVOKE
///                                 v                 v                      v
///                               (new)            revoked --gone 30 d--> removed
///
/// Shape    `follow` is a function of values: the seed, the state, the DNSKEY set that was answered with its
///          signatures, and the time. It validates that set by itself, since it comes from a process that
///          counts as hostile.
/// Never    weaker than the seed: state that cannot be read is as good as none, and state that was made
///          under another seed keeps only its revocations.
/// Limits   max_tracked keys; further new ones wait until there is room.
/// Source   RFC 5011 §2.2 to §4; hold-down 30 days; conformance DNS-27.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "security/dnskey.hpp"

namespace sealpost::security {

inline constexpr std::size_t max_tracked = 32;
inline constexpr std::size_t max_root_keys = 32;        ///< of one answer
inline constexpr std::size_t max_root_signatures = 32;  ///< of one answer

/// The configured anchor. Anchors of other zones than the root are passed on as they are.
struct TrustSeed {
    std::vector<Dnskey> keys;
    std::vector<Ds> ds;
    std::string other_zones;  ///< lines
    std::string digest;       ///< of keys and ds: tells one seed from another

    [[nodiscard]] bool holds(const Dnskey& key) const;
    [[nodiscard]] bool follows_root() const { return !keys.empty() || !ds.empty(); }
};

enum class AnchorState { add_pend, valid, missing, revoked, removed };
[[nodiscard]] std::string_view to_string(AnchorState state);

struct TrackedKey {
    Dnskey key;  ///< without the REVOKE bit
    AnchorState state = AnchorState::add_pend;
    std::chrono::sys_seconds since;     ///< of this state; of `revoked`: when it was last seen
    std::chrono::seconds hold_down{0};  ///< of add_pend
    bool operator==(const TrackedKey&) const = default;
};

struct TrustState {
    std::string seed;  ///< TrustSeed::digest that it grew from
    std::vector<TrackedKey> keys;
    bool operator==(const TrustState&) const = default;
};

struct RootKeys {
    std::vector<std::vector<std::uint8_t>> dnskey;  ///< RDATA
    std::vector<std::vector<std::uint8_t>> rrsig;   ///< RDATA
};

struct Followed {
    TrustState state;
    bool validated = false;           ///< a trusted key signed the set
    std::vector<std::string> events;  ///< what changed, in words for the log
    std::chrono::seconds next{0};     ///< when to ask again
};

/// Records in presentation form, one a line. Errc::invalid names the line.
[[nodiscard]] Result<TrustSeed> parse_trust_seed(std::string_view text);

/// What of a stored state may be used under this seed.
[[nodiscard]] TrustState adopt(const TrustSeed& seed, TrustState stored);

[[nodiscard]] Followed follow(const TrustSeed& seed, const TrustState& state, const RootKeys& answered,
                              std::chrono::sys_seconds now);

/// The anchors to validate with, as lines. Of the root there may be none left: then nothing may be believed.
struct Anchors {
    std::string lines;
    bool root = false;
};
[[nodiscard]] Anchors anchors(const TrustSeed& seed, const TrustState& state);

/// JSON with a schema and one object a key.
[[nodiscard]] std::string encode(const TrustState& state);
/// Errc::invalid - not written by encode().
[[nodiscard]] Result<TrustState> decode_trust_state(std::string_view text);

/// When to ask again after no usable answer (RFC 5011 §2.3, with the shortest TTL that counts).
inline constexpr std::chrono::seconds anchor_retry = std::chrono::hours(1);

}  // namespace sealpost::security
