/// \file Every setting as plain typed structs, one per consumer, with its default.
///
/// Owns     names, types and defaults. A class takes its own struct, never `Settings`.
/// Units    durations in std::chrono::milliseconds, sizes in octets.
/// Never    reads a file: config/settings_file.hpp does. The TOML key of a field is its own name in the table
/// that the
///          struct's comment names; the bounds stand in settings_file.cpp.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "config/ip.hpp"
#include "config/next_hop.hpp"
#include "config/spki_pin.hpp"
#include "config/units.hpp"

namespace sealpost {

using Millis = std::chrono::milliseconds;

/// [daemon]
struct DaemonSettings {
    std::string hostname;  ///< EHLO name and Reporting-MTA; empty: the host's own name
    std::string state_directory = "/var/lib/sealpost";
    std::string admin_socket = "/run/sealpost/admin.sock";
    std::string
        user;  ///< dropped to when started as root; empty: "sealpost", or "nobody" where that is missing
    unsigned workers = 0;  ///< delivery threads; 0: one for each core
    Millis shutdown_timeout = std::chrono::seconds(20);
    bool operator==(const DaemonSettings&) const = default;
};

/// [log]
enum class LogFormat { postfix, json };
struct LogSettings {
    LogFormat format = LogFormat::postfix;
    std::string level = "info";  ///< debug, info, warning, error
    std::string file;            ///< empty: standard error
    bool operator==(const LogSettings&) const = default;
};

/// [listener]
struct ListenerSettings {
    std::vector<Endpoint> listen;           ///< default 127.0.0.1:25 and [::1]:25
    std::vector<IpNetwork> relay_networks;  ///< who may relay; default 127.0.0.0/8 and ::1
    std::string tls_certificate;  ///< PEM, ours first, then those between it and its CA; empty: no STARTTLS
    std::string tls_key;          ///< PEM, not encrypted
    std::uint64_t max_message_size = 50ULL << 20;
    std::uint64_t max_header_size = 256ULL << 10;
    unsigned max_recipients = 1000;
    unsigned max_received = 100;  ///< Received fields before a message counts as looping (RFC 5321 §6.3)
    unsigned max_sessions = 500;
    unsigned max_sessions_per_client = 100;
    unsigned max_errors = 10;           ///< refused commands before the session is closed with 421
    unsigned max_transactions = 10000;  ///< messages a session
    Millis command_timeout = std::chrono::minutes(5);
    Millis data_timeout = std::chrono::minutes(3);  ///< for each block of the body
    Millis session_timeout = std::chrono::hours(1);
    bool operator==(const ListenerSettings&) const = default;
};

/// [queue]
struct QueueSettings {
    Millis retry_first = std::chrono::minutes(30);  ///< RFC 5321 §4.5.4.1: at least 30 minutes
    Millis retry_max = std::chrono::hours(4);
    double retry_factor = 2.0;
    double retry_jitter = 0.15;  ///< +- this part of the delay
    Millis max_age = std::chrono::hours(24 * 5);
    Millis max_age_null_sender = std::chrono::hours(24);
    Millis notify_after = std::chrono::hours(4);  ///< the sender hears of the delay; 0: never
    unsigned active_limit = 20000;                ///< recipients held in memory at once
    std::uint64_t body_cache = 32ULL << 20;       ///< octets of accepted messages kept in memory until sent
    std::uint64_t max_messages = 5'000'000;       ///< beyond it mail is answered 452
    std::uint64_t min_free_space = 64ULL << 20;   ///< of the state directory's file system; below it 452
    std::uint64_t dsn_return_size = 64ULL
                                    << 10;  ///< how much of a message a bounce returns before headers only
    Millis trace_max_age = std::chrono::hours(24 * 30);
    unsigned max_traces = 200000;
    bool operator==(const QueueSettings&) const = default;
};

/// [delivery]
struct DeliverySettings {
    std::uint16_t port = 25;
    unsigned max_connections = 500;
    unsigned max_connections_per_destination = 20;
    unsigned max_connections_per_mx = 50;         ///< to all destinations that share an MX set
    unsigned reuse_messages = 100;                ///< sent over one connection
    Millis reuse_time = std::chrono::minutes(5);  ///< from its beginning
    Millis reuse_idle = std::chrono::seconds(2);  ///< waiting for another message
    std::optional<Rate> rate;                     ///< messages to all destinations together
    std::optional<Rate> rate_per_destination;     ///< messages to one, where its rule says none
    unsigned max_recipients = 100;                ///< in one transaction
    unsigned max_mx_hosts = 100;                  ///< considered of an MX set
    unsigned max_addresses = 5;                   ///< tried of one attempt, over all hosts
    bool ipv4 = true;
    bool ipv6 = true;
    std::optional<IpAddress> source_ipv4;
    std::optional<IpAddress> source_ipv6;
    std::vector<IpNetwork>
        forbidden_networks;  ///< never connected to; default: loopback, private, link-local, ...
    Millis connect_timeout = std::chrono::seconds(30);
    Millis greeting_timeout = std::chrono::minutes(5);
    Millis helo_timeout = std::chrono::minutes(5);
    Millis starttls_timeout = std::chrono::minutes(2);
    Millis handshake_timeout = std::chrono::seconds(60);
    Millis mail_timeout = std::chrono::minutes(5);
    Millis rcpt_timeout = std::chrono::minutes(5);
    Millis data_timeout = std::chrono::minutes(2);
    Millis block_timeout = std::chrono::minutes(3);
    Millis final_timeout = std::chrono::minutes(10);
    Millis quit_timeout = std::chrono::seconds(5);
    Millis session_timeout = std::chrono::hours(1);
    bool operator==(const DeliverySettings&) const = default;
};

/// [dns]
struct StubZone {
    Domain zone;
    std::vector<Endpoint> servers;
    bool operator==(const StubZone&) const = default;
};
struct DnsSettings {
    std::string trust_anchor_file = "/usr/share/dns/root.key";
    std::string root_hints_file = "/usr/share/dns/root.hints";
    std::vector<StubZone> stub_zones;
    Millis timeout = std::chrono::seconds(20);  ///< for one question, whatever the resolver is doing
    unsigned max_pending = 4096;                ///< questions under way
    unsigned outgoing_range = 4096;             ///< libunbound's default of 16 stalls behind dead names
    std::uint64_t cache_size = 64ULL << 20;
    Millis cache_max_ttl = std::chrono::hours(24);  ///< records live no longer, whatever their TTL says
    unsigned nsec3_iterations = 50;                 ///< RFC 9276 §3.2: more make a denial insecure
    bool follow_trust_anchor = true;                ///< RFC 5011, state in daemon.state_directory
    std::string self_test_secure = ".";             ///< must validate; empty: not tested
    std::string self_test_bogus = "dnssec-failed.org rhybar.cz";  ///< must be refused; empty: not tested
    Millis self_test_interval = std::chrono::hours(1);
    bool ipv4 = true;
    bool ipv6 = true;
    bool operator==(const DnsSettings&) const = default;
};

/// [tls]
struct TlsSettings {
    std::string ca_file = "/etc/ssl/certs/ca-certificates.crt";
    std::string min_version = "1.2";       ///< "1.2" or "1.3"
    bool message_overrides_rules = false;  ///< "TLS-Required: No" lowers the operator's rules too
    unsigned session_cache = 2000;         ///< TLS sessions kept for resumption, of each delivery thread
    Millis session_lifetime = std::chrono::hours(1);
    bool operator==(const TlsSettings&) const = default;
};

/// [dane]
struct DaneSettings {
    bool enabled = true;
    bool insecure_mx = true;          ///< DANE for hosts of an insecure MX set (RFC 7672 §2.2.1)
    unsigned max_tlsa_records = 100;  ///< more is an error of the host, never "no DANE"
    bool operator==(const DaneSettings&) const = default;
};

/// [mta_sts]
struct StsSettings {
    bool enabled = true;
    std::uint16_t port = 443;
    std::string ca_file;  ///< empty: tls.ca_file
    Millis fetch_timeout = std::chrono::seconds(60);
    std::uint64_t max_policy_size = 64ULL << 10;
    bool require_content_type = true;  ///< false: a policy without a media type counts too (AMB-14)
    Millis retry_after = std::chrono::minutes(5);  ///< no new fetch for the same (domain, id) before
    Millis refresh_after = std::chrono::hours(24);
    unsigned max_id_changes = 3;  ///< that a delivery waits for within `id_change_window`, of one domain
    Millis id_change_window = std::chrono::hours(1);
    unsigned max_fetches = 50;            ///< at once
    unsigned max_waiting_fetches = 1000;  ///< beyond those; more are not waited for
    unsigned max_cached = 100000;
    std::vector<IpNetwork> forbidden_networks;  ///< default: as in [delivery]
    bool operator==(const StsSettings&) const = default;
};

/// [reports]
struct ReportSettings {
    std::string organization_name;  ///< empty: daemon.hostname
    std::string contact_info;       ///< an address; empty: postmaster@daemon.hostname
    bool operator==(const ReportSettings&) const = default;
};

/// [domain."example.org"], [domain.".example.org"] (every name below), [domain."*"] (all others)
enum class TlsLevel {
    automatic,
    encrypt,
    authenticated,
    dane_only,
    secure,
    fingerprint,
    may,  ///< weaker than what is published; as `none`, only with a reason and an end
    none
};
enum class TlsVersion { tls1_2, tls1_3 };
struct RuleSettings {
    std::string pattern;  ///< "example.org", ".example.org" or "*"; A-labels
    TlsLevel tls = TlsLevel::automatic;
    std::vector<std::string> match;     ///< names a certificate may carry: "mx.example.org" or ".example.org"
    std::vector<SpkiPin> pins;          ///< of `fingerprint`
    std::string ca_file;                ///< PEM; the CAs of this rule instead of tls.ca_file
    std::optional<TlsVersion> min_tls;  ///< no session below it, and none in clear
    std::vector<NextHop> route;         ///< instead of the domain's own MX hosts
    std::optional<bool> insecure_mx;    ///< instead of dane.insecure_mx
    bool both = false;                  ///< where DANE and MTA-STS both apply, both must pass
    std::optional<unsigned> max_connections;     ///< instead of delivery.max_connections_per_destination
    std::optional<Rate> rate;                    ///< instead of delivery.rate_per_destination
    std::optional<Millis> notify_after;          ///< instead of queue.notify_after
    std::optional<Millis> max_age;               ///< instead of queue.max_age, for what a policy holds too
    bool observe = false;                        ///< the rule's own demands are recorded and hold nothing
    std::string reason;                          ///< why it weakens
    std::optional<std::chrono::sys_days> until;  ///< the first day (UTC) on which it does not apply any more
    std::string contact;                         ///< whom to ask at the partner; shown with a held message
    std::string file;                            ///< where it was written ...
    std::uint32_t line = 0;                      ///< ... so that a decision can name its rule
    bool operator==(const RuleSettings&) const = default;
};

struct Settings {
    DaemonSettings daemon;
    LogSettings log;
    ListenerSettings listener;
    QueueSettings queue;
    DeliverySettings delivery;
    DnsSettings dns;
    TlsSettings tls;
    DaneSettings dane;
    StsSettings mta_sts;
    ReportSettings reports;
    std::vector<RuleSettings> rules;
    bool operator==(const Settings&) const = default;
};

/// Defaults that are lists (networks, listen addresses) filled in. `Settings{}` alone has them empty.
[[nodiscard]] Settings default_settings();

/// "auto", "encrypt", "authenticated", "dane-only", "secure", "fingerprint", "may", "none".
[[nodiscard]] std::string_view to_string(TlsLevel level);
[[nodiscard]] std::string_view to_string(TlsVersion version);  ///< "1.2", "1.3"
/// `may` and `none`: they lower what the destination publishes.
[[nodiscard]] bool weakens(TlsLevel level);

}  // namespace sealpost
