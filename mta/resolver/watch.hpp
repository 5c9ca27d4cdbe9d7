/// \file Watch: looks after the resolver: its self test, and the root's trust anchor.
///
/// Owns     when both are asked, what follows, and the state that status and metrics show. The judgements are
///          security/self_test.hpp and security/trust_anchor.hpp.
/// Effects  While the self test says that the validator does not validate, or no root key is left to trust,
/// the
///          resolver's answers are held: each question is answered with an error, and mail waits.
///          When the set of trusted keys changes, the resolver process is started again with the new one.
/// Threads  the executor of the resolver.
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "mta/net/task_group.hpp"
#include "mta/resolver/resolver.hpp"
#include "mta/resolver/trust_file.hpp"
#include "security/self_test.hpp"
#include "security/trust_anchor.hpp"

namespace sealpost::resolver {

/// The names of a setting: separated by spaces, "." or a domain each. Errc::configuration names `key`.
[[nodiscard]] Result<std::vector<std::string>> test_names(std::string_view key, std::string_view text);

/// What the watch starts with.
struct WatchConfig {
    std::optional<std::string> secure;
    std::vector<std::string> bogus;
    Millis interval{0};
    bool follow = false;
    security::TrustSeed seed;
    security::TrustState trust;
    bool is_stored = false;  ///< `trust` is what the file holds
};

/// Errc::configuration: a name or the trust anchor cannot be read.
[[nodiscard]] Result<WatchConfig> load_watch_config(const DnsSettings& dns, const ProcessConfig& process);
/// Takes up the stored trust: into `watch`, and as the anchors of `process`. A file that cannot be used is
/// told to the log and counts as missing.
void adopt_stored_trust(const TrustFile& file, WatchConfig& watch, ProcessConfig& process);

class Watch {
public:
    Watch(asio::any_io_executor executor, TaskGroup& tasks, Resolver& resolver, WatchConfig config,
          TrustFile file);
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

    void start();

    [[nodiscard]] const security::SelfTest& self_test() const { return self_test_; }
    [[nodiscard]] const security::TrustState& trust() const { return config_.trust; }
    /// Why answers are held; empty: they are not.
    [[nodiscard]] std::string held() const;

private:
    Async<void> keep_testing();
    Async<void> keep_following();
    void tested(security::SelfTest now);
    /// When to ask again.
    std::chrono::seconds followed(const security::DnsAnswer& answer);
    void save();
    void update_hold();
    Async<void> pause(std::chrono::steady_clock::duration time);

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    Resolver& resolver_;
    WatchConfig config_;
    TrustFile file_;
    security::SelfTest self_test_;
    std::string anchors_;
    bool has_root_ = true;
};

}  // namespace sealpost::resolver
