#include "config/settings_keys.hpp"

#include <array>
#include <chrono>

#include "config/units.hpp"

namespace sealpost {
namespace {

using std::chrono::hours;
using S = Settings;

template <auto Section, auto Member>
auto& at(Settings& settings) {
    return (settings.*Section).*Member;
}

template <auto Section, auto Member>
constexpr DurationField duration(Millis min, Millis max) {
    return {&at<Section, Member>, min, max};
}

/// What waits for the network: 100 ms (a lab) to a day.
template <auto Section, auto Member>
constexpr DurationField timeout() {
    return duration<Section, Member>(Millis(100), hours(24));
}

template <auto Section, auto Member>
constexpr CountField count(unsigned min, unsigned max) {
    return {&at<Section, Member>, min, max};
}

template <auto Section, auto Member>
constexpr SizeField size(std::uint64_t min, std::uint64_t max) {
    return {&at<Section, Member>, min, max};
}

template <auto Section, auto Member>
constexpr TextField text(TextForm form) {
    return {&at<Section, Member>, form};
}

constexpr std::uint64_t kib = 1ULL << 10;
constexpr std::uint64_t mib = 1ULL << 20;
constexpr std::uint64_t gib = 1ULL << 30;
constexpr hours year{24 * 365};
constexpr unsigned million = 1'000'000;

constexpr std::array<std::string_view, 2> log_formats{"postfix", "json"};
constexpr std::array<std::string_view, 4> log_levels{"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 2> tls_versions{"1.2", "1.3"};

constexpr ChoiceField log_format{
    log_formats, [](const S& s) { return s.log.format == LogFormat::json ? log_formats[1] : log_formats[0]; },
    [](S& s, std::string_view word) {
        s.log.format = word == log_formats[1] ? LogFormat::json : LogFormat::postfix;
    }};
constexpr ChoiceField log_level{log_levels, [](const S& s) { return std::string_view(s.log.level); },
                                [](S& s, std::string_view word) { s.log.level = word; }};
constexpr ChoiceField min_version{tls_versions,
                                  [](const S& s) { return std::string_view(s.tls.min_version); },
                                  [](S& s, std::string_view word) { s.tls.min_version = word; }};

using Daemon = DaemonSettings;
using Listener = ListenerSettings;
using Queue = QueueSettings;
using Delivery = DeliverySettings;
using Dns = DnsSettings;
using Sts = StsSettings;

// clang-format off
constexpr std::array keys = {
    Key{"daemon", "hostname", text<&S::daemon, &Daemon::hostname>(TextForm::optional_domain),
        "The name in EHLO and in reports of failure. Empty: the host's own name."},
    Key{"daemon", "state_directory", text<&S::daemon, &Daemon::state_directory>(TextForm::path),
        "Where mail and what was learned about destinations is kept."},
    Key{"daemon", "admin_socket", text<&S::daemon, &Daemon::admin_socket>(TextForm::socket_path),
        "Where the command line reaches the daemon."},
    Key{"daemon", "user", text<&S::daemon, &Daemon::user>(TextForm::line),
        "Whom to become when started as root. Empty: sealpost, or nobody where there is no such user."},
    Key{"daemon", "workers", count<&S::daemon, &Daemon::workers>(0, 256),
        "Delivery threads. 0: one for each core."},
    Key{"daemon", "shutdown_timeout", duration<&S::daemon, &Daemon::shutdown_timeout>(Millis(100), hours(1)),
        "How long transfers under way may take to end when the daemon stops."},

    Key{"log", "format", log_format, "Lines that Postfix tools read, or one JSON object a line."},
    Key{"log", "level", log_level, "Nothing below this level is written."},
    Key{"log", "file", text<&S::log, &LogSettings::file>(TextForm::optional_path),
        "Empty: standard error."},

    Key{"listener", "listen", EndpointsField{&at<&S::listener, &Listener::listen>},
        "Where mail is taken in."},
    Key{"listener", "relay_networks", NetworksField{&at<&S::listener, &Listener::relay_networks>},
        "Whose mail is relayed. Everybody else is refused."},
    Key{"listener", "tls_certificate", text<&S::listener, &Listener::tls_certificate>(TextForm::optional_path),
        "PEM file of this host's certificate and those between it and its CA. Empty: STARTTLS is not offered."},
    Key{"listener", "tls_key", text<&S::listener, &Listener::tls_key>(TextForm::optional_path),
        "PEM file of the key of that certificate; read before root's rights are given up."},
    Key{"listener", "max_message_size", size<&S::listener, &Listener::max_message_size>(kib, gib),
        "Larger messages are refused (SIZE, 552)."},
    Key{"listener", "max_header_size", size<&S::listener, &Listener::max_header_size>(kib, 16 * mib),
        "Messages with a larger header are refused."},
    Key{"listener", "max_recipients", count<&S::listener, &Listener::max_recipients>(100, 100'000),
        "Of one transaction; further ones are answered 452. RFC 5321 wants at least 100."},
    Key{"listener", "max_received", count<&S::listener, &Listener::max_received>(100, 1000),
        "Received fields from which on a message counts as looping."},
    Key{"listener", "max_sessions", count<&S::listener, &Listener::max_sessions>(1, 10'000),
        "Sessions at once."},
    Key{"listener", "max_sessions_per_client", count<&S::listener, &Listener::max_sessions_per_client>(1, 10'000),
        "Sessions at once from one address."},
    Key{"listener", "max_errors", count<&S::listener, &Listener::max_errors>(1, 1000),
        "Refused commands from which on a session is closed with 421."},
    Key{"listener", "max_transactions", count<&S::listener, &Listener::max_transactions>(1, million),
        "Messages in one session."},
    Key{"listener", "command_timeout", timeout<&S::listener, &Listener::command_timeout>(),
        "How long a client may be silent between commands."},
    Key{"listener", "data_timeout", timeout<&S::listener, &Listener::data_timeout>(),
        "How long a client may be silent inside a message."},
    Key{"listener", "session_timeout", timeout<&S::listener, &Listener::session_timeout>(),
        "How long a session may last."},

    Key{"queue", "retry_first", duration<&S::queue, &Queue::retry_first>(Millis(100), hours(24)),
        "From a failed attempt to the second. RFC 5321 wants at least 30min."},
    Key{"queue", "retry_max", duration<&S::queue, &Queue::retry_max>(Millis(100), hours(24 * 5)),
        "The longest wait between two attempts."},
    Key{"queue", "retry_factor", RatioField{&at<&S::queue, &Queue::retry_factor>, 1.0, 10.0},
        "By how much each wait is longer than the one before."},
    Key{"queue", "retry_jitter", RatioField{&at<&S::queue, &Queue::retry_jitter>, 0.0, 0.5},
        "Each wait is up to this part shorter or longer, so that retries spread out."},
    Key{"queue", "max_age", duration<&S::queue, &Queue::max_age>(Millis(100), year),
        "Mail older than this goes back to its sender. RFC 5321 wants at least 4d."},
    Key{"queue", "max_age_null_sender", duration<&S::queue, &Queue::max_age_null_sender>(Millis(100), year),
        "The same for mail without a sender, which is dropped."},
    Key{"queue", "notify_after", duration<&S::queue, &Queue::notify_after>(Millis(0), year),
        "The sender is told of mail that has waited so long, with the reason. 0ms: never."},
    Key{"queue", "active_limit", count<&S::queue, &Queue::active_limit>(1, million),
        "Recipients held in memory at once; the others wait on disk."},
    Key{"queue", "body_cache", size<&S::queue, &Queue::body_cache>(0, 64 * gib),
        "Memory for accepted messages until they are sent, which saves reading them again."},
    Key{"queue", "max_messages", LargeCountField{&at<&S::queue, &Queue::max_messages>, 1, 1'000'000'000},
        "With more in the queue new mail is answered 452."},
    Key{"queue", "min_free_space", size<&S::queue, &Queue::min_free_space>(0, 1024 * gib),
        "With less free on the disk of the state directory new mail is answered 452."},
    Key{"queue", "dsn_return_size", size<&S::queue, &Queue::dsn_return_size>(0, 50 * mib),
        "A report of failure returns a larger message without its body."},
    Key{"queue", "trace_max_age", duration<&S::queue, &Queue::trace_max_age>(Millis(100), year),
        "How long the trace of each attempt is kept."},
    Key{"queue", "max_traces", count<&S::queue, &Queue::max_traces>(0, 100 * million),
        "How many are kept."},

    Key{"delivery", "port", PortField{&at<&S::delivery, &Delivery::port>},
        "The port of mail exchangers. Anything but 25 is for a lab."},
    Key{"delivery", "max_connections", count<&S::delivery, &Delivery::max_connections>(1, 10'000),
        "Connections at once."},
    Key{"delivery", "max_connections_per_destination",
        count<&S::delivery, &Delivery::max_connections_per_destination>(1, 1000),
        "Connections at once to one destination."},
    Key{"delivery", "max_connections_per_mx", count<&S::delivery, &Delivery::max_connections_per_mx>(1, 10'000),
        "Connections at once to all destinations that share an MX set."},
    Key{"delivery", "reuse_messages", count<&S::delivery, &Delivery::reuse_messages>(1, 100'000),
        "Messages over one connection, under one and the same policy. 1: each gets its own."},
    Key{"delivery", "reuse_time", duration<&S::delivery, &Delivery::reuse_time>(Millis(0), hours(24)),
        "No further message over a connection that is so old."},
    Key{"delivery", "reuse_idle", duration<&S::delivery, &Delivery::reuse_idle>(Millis(0), std::chrono::minutes(5)),
        "How long a connection waits for another message."},
    Key{"delivery", "rate", RateField{&at<&S::delivery, &Delivery::rate>},
        "Messages to all destinations together. Empty: no limit."},
    Key{"delivery", "rate_per_destination", RateField{&at<&S::delivery, &Delivery::rate_per_destination>},
        "Messages to one destination whose rule has no rate of its own. Empty: no limit."},
    Key{"delivery", "max_recipients", count<&S::delivery, &Delivery::max_recipients>(1, 10'000),
        "Of one transaction. RFC 5321 lets a server refuse more than 100."},
    Key{"delivery", "max_mx_hosts", count<&S::delivery, &Delivery::max_mx_hosts>(1, 1000),
        "Hosts of an MX set that are considered."},
    Key{"delivery", "max_addresses", count<&S::delivery, &Delivery::max_addresses>(1, 100),
        "Addresses tried in one attempt, over all hosts. RFC 5321 wants at least 2."},
    Key{"delivery", "ipv4", FlagField{&at<&S::delivery, &Delivery::ipv4>}, "Connect over IPv4."},
    Key{"delivery", "ipv6", FlagField{&at<&S::delivery, &Delivery::ipv6>}, "Connect over IPv6."},
    Key{"delivery", "source_ipv4", SourceField{&at<&S::delivery, &Delivery::source_ipv4>, true},
        "The address to connect from. Empty: the system chooses."},
    Key{"delivery", "source_ipv6", SourceField{&at<&S::delivery, &Delivery::source_ipv6>, false},
        "The same over IPv6."},
    Key{"delivery", "forbidden_networks", NetworksField{&at<&S::delivery, &Delivery::forbidden_networks>},
        "Never connected to, whatever an MX record says: where no public mail exchanger can be."},
    Key{"delivery", "connect_timeout", timeout<&S::delivery, &Delivery::connect_timeout>(),
        "For the TCP connection to one address."},
    Key{"delivery", "greeting_timeout", timeout<&S::delivery, &Delivery::greeting_timeout>(),
        "For the greeting. The times of RFC 5321 section 4.5.3.2 are the defaults here and below."},
    Key{"delivery", "helo_timeout", timeout<&S::delivery, &Delivery::helo_timeout>(),
        "For the reply to EHLO or HELO."},
    Key{"delivery", "starttls_timeout", timeout<&S::delivery, &Delivery::starttls_timeout>(),
        "For the reply to STARTTLS."},
    Key{"delivery", "handshake_timeout", timeout<&S::delivery, &Delivery::handshake_timeout>(),
        "For the TLS handshake."},
    Key{"delivery", "mail_timeout", timeout<&S::delivery, &Delivery::mail_timeout>(),
        "For the reply to MAIL."},
    Key{"delivery", "rcpt_timeout", timeout<&S::delivery, &Delivery::rcpt_timeout>(),
        "For the reply to each RCPT."},
    Key{"delivery", "data_timeout", timeout<&S::delivery, &Delivery::data_timeout>(),
        "For the reply to DATA."},
    Key{"delivery", "block_timeout", timeout<&S::delivery, &Delivery::block_timeout>(),
        "For each block of the message to be taken."},
    Key{"delivery", "final_timeout", timeout<&S::delivery, &Delivery::final_timeout>(),
        "For the reply to the end of the message. Too short a time delivers mail twice."},
    Key{"delivery", "quit_timeout", timeout<&S::delivery, &Delivery::quit_timeout>(),
        "For the reply to QUIT."},
    Key{"delivery", "session_timeout", timeout<&S::delivery, &Delivery::session_timeout>(),
        "For everything on one connection."},

    Key{"dns", "trust_anchor_file", text<&S::dns, &Dns::trust_anchor_file>(TextForm::path),
        "The root key that DNSSEC is validated against."},
    Key{"dns", "root_hints_file", text<&S::dns, &Dns::root_hints_file>(TextForm::path),
        "The addresses of the root servers."},
    Key{"dns", "stub_zones", StubZonesField{&at<&S::dns, &Dns::stub_zones>},
        "Zones that are asked of these servers and no others. They are validated like any other."},
    Key{"dns", "timeout", timeout<&S::dns, &Dns::timeout>(),
        "For one question, whatever the resolver is doing."},
    Key{"dns", "max_pending", count<&S::dns, &Dns::max_pending>(1, 65'536),
        "Questions under way at once."},
    Key{"dns", "outgoing_range", count<&S::dns, &Dns::outgoing_range>(16, 16'384),
        "Sockets for questions to name servers."},
    Key{"dns", "cache_size", size<&S::dns, &Dns::cache_size>(mib, 64 * gib),
        "Memory for answers."},
    Key{"dns", "cache_max_ttl", duration<&S::dns, &Dns::cache_max_ttl>(std::chrono::seconds(1), hours(24 * 7)),
        "No answer is kept for longer, whatever its TTL says."},
    Key{"dns", "nsec3_iterations", count<&S::dns, &Dns::nsec3_iterations>(0, 2500),
        "A denial with more NSEC3 iterations counts as insecure (RFC 9276 section 3.2)."},
    Key{"dns", "follow_trust_anchor", FlagField{&at<&S::dns, &Dns::follow_trust_anchor>},
        "Follow rollovers of the root key (RFC 5011). Off: only trust_anchor_file counts."},
    Key{"dns", "self_test_secure", text<&S::dns, &Dns::self_test_secure>(TextForm::line),
        "A name that must validate, asked at the start and then regularly. Empty: not tested."},
    Key{"dns", "self_test_bogus", text<&S::dns, &Dns::self_test_bogus>(TextForm::line),
        "Names, separated by spaces, that must not. Accepted: mail waits until they are refused. Empty: not tested."},
    Key{"dns", "self_test_interval", duration<&S::dns, &Dns::self_test_interval>(Millis(100), hours(24)),
        "How often the names of the self test are asked."},
    Key{"dns", "ipv4", FlagField{&at<&S::dns, &Dns::ipv4>}, "Ask name servers over IPv4."},
    Key{"dns", "ipv6", FlagField{&at<&S::dns, &Dns::ipv6>}, "Ask name servers over IPv6."},

    Key{"tls", "ca_file", text<&S::tls, &TlsSettings::ca_file>(TextForm::path),
        "The certification authorities that WebPKI names are checked against (PEM)."},
    Key{"tls", "min_version", min_version, "The oldest TLS version that is spoken."},
    Key{"tls", "message_overrides_rules", FlagField{&at<&S::tls, &TlsSettings::message_overrides_rules>},
        "Whether \"TLS-Required: No\" in a message (RFC 8689) lowers your rules too, not only what is published."},

    Key{"tls", "session_cache", count<&S::tls, &TlsSettings::session_cache>(0, 100'000),
        "TLS sessions that each delivery thread keeps for resumption. 0: every handshake is a full one."},
    Key{"tls", "session_lifetime", duration<&S::tls, &TlsSettings::session_lifetime>(Millis(100), hours(24)),
        "A TLS session is not resumed after this time, nor after the DNS records or the policy it rests on end."},

    Key{"dane", "enabled", FlagField{&at<&S::dane, &DaneSettings::enabled>},
        "Off: no TLSA record is looked up, and what the destination published is ignored."},
    Key{"dane", "insecure_mx", FlagField{&at<&S::dane, &DaneSettings::insecure_mx>},
        "Apply DANE also to hosts that an unsigned MX record names (RFC 7672 section 2.2.1)."},
    Key{"dane", "max_tlsa_records", count<&S::dane, &DaneSettings::max_tlsa_records>(1, 1000),
        "More are an error of the host, never \"no DANE\"."},

    Key{"mta_sts", "enabled", FlagField{&at<&S::mta_sts, &Sts::enabled>},
        "Off: no policy is fetched, and what the destination published is ignored."},
    Key{"mta_sts", "port", PortField{&at<&S::mta_sts, &Sts::port>},
        "The port of policy hosts. Anything but 443 is for a lab."},
    Key{"mta_sts", "ca_file", text<&S::mta_sts, &Sts::ca_file>(TextForm::optional_path),
        "Certification authorities for policy hosts. Empty: those of tls.ca_file."},
    Key{"mta_sts", "fetch_timeout", timeout<&S::mta_sts, &Sts::fetch_timeout>(),
        "For one whole fetch."},
    Key{"mta_sts", "max_policy_size", size<&S::mta_sts, &Sts::max_policy_size>(kib, 16 * mib),
        "A larger policy is no policy."},
    Key{"mta_sts", "require_content_type", FlagField{&at<&S::mta_sts, &Sts::require_content_type>},
        "Off: a policy without a media type counts. Another one than text/plain never does."},
    Key{"mta_sts", "retry_after", duration<&S::mta_sts, &Sts::retry_after>(Millis(100), hours(24)),
        "After a failed fetch none is made for the same domain and id before this."},
    Key{"mta_sts", "refresh_after", duration<&S::mta_sts, &Sts::refresh_after>(Millis(100), year),
        "The age from which on a policy is fetched again although its id is the same."},
    Key{"mta_sts", "max_id_changes", count<&S::mta_sts, &Sts::max_id_changes>(1, 100),
        "So often a delivery waits for the policy of a new id; then the cached policy serves."},
    Key{"mta_sts", "id_change_window",
        duration<&S::mta_sts, &Sts::id_change_window>(Millis(100), hours(24)),
        "Within this time."},
    Key{"mta_sts", "max_fetches", count<&S::mta_sts, &Sts::max_fetches>(1, 1000),
        "Fetches at once. The refresh of cached policies uses a quarter of them."},
    Key{"mta_sts", "max_waiting_fetches", count<&S::mta_sts, &Sts::max_waiting_fetches>(0, 100'000),
        "Fetches that wait for their turn. Mail that needs one more waits where nothing is cached."},
    Key{"mta_sts", "max_cached", count<&S::mta_sts, &Sts::max_cached>(1, 10 * million),
        "Policies that are kept."},
    Key{"mta_sts", "forbidden_networks", NetworksField{&at<&S::mta_sts, &Sts::forbidden_networks>},
        "No policy is fetched from here."},

    Key{"reports", "organization_name", text<&S::reports, &ReportSettings::organization_name>(TextForm::line),
        "Who sends the TLS reports. Empty: daemon.hostname."},
    Key{"reports", "contact_info", text<&S::reports, &ReportSettings::contact_info>(TextForm::optional_address),
        "Whom to ask about a TLS report. Empty: postmaster at daemon.hostname."},
};
// clang-format on

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};

std::string allowed_text(TextForm form) {
    switch (form) {
        case TextForm::line:
            return "a line of text";
        case TextForm::path:
            return "an absolute path";
        case TextForm::optional_path:
            return "an absolute path or \"\"";
        case TextForm::socket_path:
            return "an absolute path of at most 107 octets";
        case TextForm::optional_domain:
            return "a host name such as \"mail.example.org\" or \"\"";
        case TextForm::optional_address:
            return "a mail address such as \"postmaster@example.org\" or \"\"";
    }
    return {};
}

std::string allowed_words(std::span<const std::string_view> words) {
    std::string text = "one of";
    for (const std::string_view word : words)
        text += fmt::format("{} \"{}\"", word == words.front() ? "" : ",", word);
    return text;
}

}  // namespace

std::span<const Key> setting_keys() {
    return keys;
}

std::string allowed(const Field& field) {
    const auto whole_number = [](const auto& f) {
        return fmt::format("a whole number from {} to {}", f.min, f.max);
    };
    return std::visit(
        Overloaded{
            [](const FlagField&) -> std::string { return "true or false"; },
            [&](const CountField& f) { return whole_number(f); },
            [&](const LargeCountField& f) { return whole_number(f); },
            [](const PortField&) -> std::string { return "a port from 1 to 65535"; },
            [](const RatioField& f) { return fmt::format("a number from {} to {}", f.min, f.max); },
            [](const SizeField& f) {
                return fmt::format("a size from \"{}\" to \"{}\"", format_size(f.min), format_size(f.max));
            },
            [](const DurationField& f) {
                return fmt::format("a duration from \"{}\" to \"{}\"", format_duration(f.min),
                                   format_duration(f.max));
            },
            [](const TextField& f) { return allowed_text(f.form); },
            [](const ChoiceField& f) { return allowed_words(f.words); },
            [](const EndpointsField&) -> std::string {
                return "a list of addresses with ports such as [\"192.0.2.1:25\", \"[2001:db8::1]:25\"]";
            },
            [](const NetworksField&) -> std::string {
                return "a list of networks such as [\"192.0.2.0/24\", \"2001:db8::/32\"]";
            },
            [](const SourceField& f) { return fmt::format("an IPv{} address or \"\"", f.v4 ? 4 : 6); },
            [](const RateField&) -> std::string { return "a rate such as \"20/min\" or \"\""; },
            [](const StubZonesField&) -> std::string {
                return "a table such as { \"example.org\" = [\"192.0.2.53:53\"] }";
            }},
        field);
}

}  // namespace sealpost
