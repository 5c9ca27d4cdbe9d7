#include "mta/resolver/watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <sstream>

#include "mta/daemon/clock.hpp"

namespace sealpost::resolver {
namespace {

using security::DnsAnswer;
using security::DnsStatus;
using security::SelfTestState;

constexpr std::size_t max_names = 16;
constexpr Millis retest_failed = std::chrono::minutes(1);
constexpr Millis retest_unknown = std::chrono::seconds(10);
constexpr std::chrono::seconds no_network{30};

}  // namespace

Result<std::vector<std::string>> test_names(std::string_view key, std::string_view text) {
    std::vector<std::string> out;
    std::istringstream in{std::string(text)};
    for (std::string word; in >> word;) {
        if (word != ".") {
            const Result<Domain> domain = Domain::parse(word);
            if (!domain)
                return fail(Errc::configuration,
                            fmt::format("{}: {}; give names such as \"example.org\", or \"\" for no test",
                                        key, domain.error().text));
            word = domain->str();
        }
        out.push_back(word);
    }
    if (out.size() > max_names)
        return fail(Errc::configuration, fmt::format("{}: more than {} names", key, max_names));
    return out;
}

Result<WatchConfig> load_watch_config(const DnsSettings& dns, const ProcessConfig& process) {
    WatchConfig out;
    const auto secure = test_names("dns.self_test_secure", dns.self_test_secure);
    if (!secure) return tl::unexpected(secure.error());
    if (secure->size() > 1) return fail(Errc::configuration, "dns.self_test_secure: give one name");
    if (!secure->empty()) out.secure = secure->front();
    auto bogus = test_names("dns.self_test_bogus", dns.self_test_bogus);
    if (!bogus) return tl::unexpected(bogus.error());
    out.bogus = std::move(*bogus);
    out.interval = dns.self_test_interval;
    if (!dns.follow_trust_anchor) return out;
    auto seed = security::parse_trust_seed(process.trust_anchor);
    if (!seed)
        return fail(Errc::configuration,
                    fmt::format("dns.trust_anchor_file '{}': {}", dns.trust_anchor_file, seed.error().text));
    out.follow = seed->follows_root();
    out.seed = std::move(*seed);
    out.trust.seed = out.seed.digest;
    return out;
}

void adopt_stored_trust(const TrustFile& file, WatchConfig& watch, ProcessConfig& process) {
    if (!watch.follow) return;
    Result<security::TrustState> stored = file.load();
    if (stored) {
        watch.is_stored = stored->seed == watch.seed.digest;
        if (!watch.is_stored)
            spdlog::warn(
                "resolver: dns.trust_anchor_file has changed: what was learned under the old one is "
                "forgotten, except which keys were revoked");
        watch.trust = security::adopt(watch.seed, std::move(*stored));
    } else if (stored.error().code != Errc::not_found) {
        spdlog::error(
            "resolver: the trust anchor's state is not usable ({}); going on with dns.trust_anchor_file",
            stored.error().text);
    }
    process.trust_anchor = security::anchors(watch.seed, watch.trust).lines;
}

Watch::Watch(asio::any_io_executor executor, TaskGroup& tasks, Resolver& resolver, WatchConfig config,
             TrustFile file)
    : executor_(std::move(executor)),
      tasks_(tasks),
      resolver_(resolver),
      config_(std::move(config)),
      file_(std::move(file)) {}

void Watch::start() {
    if (config_.follow) {
        const security::Anchors anchors = security::anchors(config_.seed, config_.trust);
        anchors_ = anchors.lines;
        has_root_ = anchors.root;
        update_hold();
        tasks_.spawn(keep_following());
    }
    if (config_.secure || !config_.bogus.empty()) tasks_.spawn(keep_testing());
}

Async<void> Watch::pause(std::chrono::steady_clock::duration time) {
    asio::steady_timer timer(executor_, time);
    co_await timer.async_wait(asio::use_awaitable);
}

Async<void> Watch::keep_testing() {
    while (!tasks_.stopping()) {
        std::optional<DnsAnswer> secure;
        std::vector<DnsAnswer> bogus;
        if (config_.secure) {
            Question question{.name = *config_.secure, .type = security::RrType::a};
            secure = co_await resolver_.probe(std::move(question));
        }
        for (const std::string& name : config_.bogus) {
            Question question{.name = name, .type = security::RrType::a};
            bogus.push_back(co_await resolver_.probe(std::move(question)));
        }
        tested(security::judge_self_test(self_test_, secure, bogus));
        Millis wait = config_.interval;
        if (self_test_.state == SelfTestState::failed) wait = std::min(wait, retest_failed);
        if (self_test_.state == SelfTestState::unknown) wait = std::min(wait, retest_unknown);
        co_await pause(wait);
    }
}

void Watch::tested(security::SelfTest now) {
    const bool changed = now.state != self_test_.state || now.believed() != self_test_.believed();
    self_test_ = std::move(now);
    update_hold();
    if (!changed) return;
    switch (self_test_.state) {
        case SelfTestState::failed:
            return spdlog::error("resolver: self test failed: {}{}", self_test_.text,
                                 self_test_.believed() ? "" : "; no answer is believed and mail waits");
        case SelfTestState::unknown:
            return spdlog::warn("resolver: self test: {}", self_test_.text);
        case SelfTestState::passed:
            return spdlog::info("resolver: self test passed");
        case SelfTestState::off:
            return;
    }
}

Async<void> Watch::keep_following() {
    while (!tasks_.stopping()) {
        Question question{.name = ".", .type = security::dnskey_type};
        const DnsAnswer answer = co_await resolver_.probe(std::move(question));
        const std::chrono::seconds wait = followed(answer);
        co_await pause(wait);
    }
}

std::chrono::seconds Watch::followed(const DnsAnswer& answer) {
    // A resolver that could not ask says nothing about the keys. A bogus set may hold a revocation, but its
    // records are not handed over, and a set that no trusted key signs is not validated here either.
    if (!answer.has_data()) return answer.status == DnsStatus::error ? no_network : security::anchor_retry;
    const security::RootKeys keys{.dnskey = answer.rdata, .rrsig = answer.rrsig};
    const auto now = std::chrono::floor<std::chrono::seconds>(wall_clock());
    security::Followed result = security::follow(config_.seed, config_.trust, keys, now);
    for (const std::string& event : result.events) {
        if (result.validated)
            spdlog::warn("resolver: trust anchor: {}", event);
        else
            spdlog::error("resolver: trust anchor: {}", event);
    }
    if (result.state != config_.trust) config_.is_stored = false;
    config_.trust = std::move(result.state);
    if (!config_.is_stored) save();
    security::Anchors anchors = security::anchors(config_.seed, config_.trust);
    has_root_ = anchors.root;
    update_hold();
    if (anchors.lines != anchors_ && anchors.root) {
        anchors_ = anchors.lines;
        spdlog::warn("resolver: the trusted root keys have changed; starting the resolver process with them");
        resolver_.set_trust_anchor(anchors_);
    }
    return result.next;
}

void Watch::save() {
    const Result<void> saved = file_.save(config_.trust);
    config_.is_stored = saved.has_value();
    if (!saved) spdlog::error("resolver: the trust anchor's state cannot be kept: {}", saved.error().text);
}

std::string Watch::held() const {
    if (!has_root_) return "every configured root key is revoked: renew dns.trust_anchor_file";
    return self_test_.believed() ? std::string() : fmt::format("self test failed: {}", self_test_.text);
}

void Watch::update_hold() {
    resolver_.hold(held());
}

}  // namespace sealpost::resolver
