#include "config/settings_checks.hpp"

#include <algorithm>

#include "config/units.hpp"

namespace sealpost {
namespace {

std::string shown(Millis value) {
    return format_duration(value);
}
std::string shown(std::uint64_t value) {
    return format_size(value);
}
std::string shown(unsigned value) {
    return std::to_string(value);
}
std::string shown(bool value) {
    return value ? "true" : "false";
}

class Checks {
public:
    Checks(const std::map<std::string, Place>& places, const std::set<std::string>& refused,
           std::vector<std::string>& problems)
        : places_(places), refused_(refused), problems_(problems) {}

    template <class T>
    void at_most(const std::string& small, T value, const std::string& large, T limit) {
        if (value <= limit || refused_.contains(small) || refused_.contains(large)) return;
        add(small, large,
            fmt::format("{} is more than '{}' ({}{})", shown(value), large, shown(limit),
                        places_.contains(large) ? "" : ", the default"));
    }

    void not_both_off(const std::string& first, bool a, const std::string& second, bool b) {
        if (a || b || refused_.contains(first) || refused_.contains(second)) return;
        add(first, second,
            fmt::format("{}, and '{}' is {} too: nothing could be reached", shown(a), second, shown(b)));
    }

    void both_or_none(const std::string& first, bool a, const std::string& second, bool b) {
        if (a == b || refused_.contains(first) || refused_.contains(second)) return;
        add(a ? second : first, a ? first : second,
            fmt::format("\"\", but '{}' is set: set both, or none of them", a ? first : second));
    }

    void not_the_world(const std::string& key, const std::vector<IpNetwork>& networks) {
        for (const IpNetwork& network : networks)
            if (network.str().ends_with("/0"))
                add(key, key,
                    fmt::format("{} would relay for the whole internet; name your own networks",
                                network.str()));
    }

private:
    /// At the place of `key`, or where that is a default, of the other key of the rule.
    void add(const std::string& key, const std::string& other, std::string_view text) {
        const auto own = places_.find(key);
        const auto place = own != places_.end() ? own : places_.find(other);
        const Place at = place == places_.end() ? Place{"built-in defaults", 0, 0} : place->second;
        problems_.push_back(fmt::format("{}:{}:{}: key '{}': {}{}", at.file, at.line, at.column, key,
                                        own == places_.end() ? "the default " : "", text));
    }

    const std::map<std::string, Place>& places_;
    const std::set<std::string>& refused_;
    std::vector<std::string>& problems_;
};

}  // namespace

void check_settings(const Settings& settings, const std::map<std::string, Place>& places,
                    const std::set<std::string>& refused, std::vector<std::string>& problems) {
    Checks checks(places, refused, problems);
    const ListenerSettings& listener = settings.listener;
    checks.at_most("listener.max_header_size", listener.max_header_size, "listener.max_message_size",
                   listener.max_message_size);
    checks.at_most("listener.max_sessions_per_client", listener.max_sessions_per_client,
                   "listener.max_sessions", listener.max_sessions);
    checks.both_or_none("listener.tls_certificate", !listener.tls_certificate.empty(), "listener.tls_key",
                        !listener.tls_key.empty());
    checks.not_the_world("listener.relay_networks", listener.relay_networks);

    const QueueSettings& queue = settings.queue;
    checks.at_most("queue.retry_first", queue.retry_first, "queue.retry_max", queue.retry_max);
    checks.at_most("queue.retry_first", queue.retry_first, "queue.max_age", queue.max_age);

    const DeliverySettings& delivery = settings.delivery;
    checks.at_most("delivery.max_connections_per_destination", delivery.max_connections_per_destination,
                   "delivery.max_connections", delivery.max_connections);
    checks.not_both_off("delivery.ipv4", delivery.ipv4, "delivery.ipv6", delivery.ipv6);
    checks.not_both_off("dns.ipv4", settings.dns.ipv4, "dns.ipv6", settings.dns.ipv6);
}

}  // namespace sealpost
