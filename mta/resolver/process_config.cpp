#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "mta/resolver/process.hpp"

namespace sealpost::resolver {
namespace {

constexpr std::size_t max_anchor_file = 1 << 20;

Result<std::string> read_small_file(const std::string& path, std::string_view key, std::string_view remedy) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return fail(Errc::configuration,
                    fmt::format("{} '{}' cannot be read ({}): {}", key, path, std::strerror(errno), remedy));
    std::string text(max_anchor_file + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > max_anchor_file)
        return fail(Errc::configuration, fmt::format("{} '{}' is larger than 1 MiB", key, path));
    return text;
}

/// The records of a trust anchor file: comments and empty lines dropped.
std::string anchor_records(const std::string& text) {
    std::istringstream in(text);
    std::string out;
    for (std::string line; std::getline(in, line);) {
        line.erase(std::min(line.find(';'), line.size()));
        while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
            line.pop_back();
        if (line.find_first_not_of(" \t") == std::string::npos) continue;
        out += line;
        out += '\n';
    }
    return out;
}

}  // namespace

Result<ProcessConfig> load_process_config(const DnsSettings& dns) {
    const Result<std::string> anchor =
        read_small_file(dns.trust_anchor_file, "dns.trust_anchor_file",
                        "install the package dns-root-data, or name another file of DNSKEY or DS records");
    if (!anchor) return tl::unexpected(anchor.error());
    const Result<std::string> hints =
        read_small_file(dns.root_hints_file, "dns.root_hints_file",
                        "install the package dns-root-data, or name another hints file");
    if (!hints) return tl::unexpected(hints.error());
    ProcessConfig config{.dns = dns, .trust_anchor = anchor_records(*anchor)};
    if (config.trust_anchor.find("DNSKEY") == std::string::npos &&
        config.trust_anchor.find("DS") == std::string::npos)
        return fail(Errc::configuration,
                    fmt::format("dns.trust_anchor_file '{}' holds no DNSKEY or DS record: without "
                                "a trust anchor nothing can be validated; install the package "
                                "dns-root-data",
                                dns.trust_anchor_file));
    return config;
}

std::string encode(const ProcessConfig& config) {
    boost::json::array stubs;
    for (const StubZone& stub : config.dns.stub_zones) {
        boost::json::array servers;
        for (const Endpoint& server : stub.servers) servers.emplace_back(server.str());
        boost::json::object zone;
        zone["zone"] = stub.zone.str();
        zone["servers"] = std::move(servers);
        stubs.emplace_back(std::move(zone));
    }
    boost::json::object out;
    out["trust_anchor"] = config.trust_anchor;
    out["root_hints_file"] = config.dns.root_hints_file;
    out["stub_zones"] = std::move(stubs);
    out["max_pending"] = config.dns.max_pending;
    out["outgoing_range"] = config.dns.outgoing_range;
    out["cache_size"] = config.dns.cache_size;
    out["cache_max_ttl_ms"] = config.dns.cache_max_ttl.count();
    out["nsec3_iterations"] = config.dns.nsec3_iterations;
    out["ipv4"] = config.dns.ipv4;
    out["ipv6"] = config.dns.ipv6;
    return boost::json::serialize(out);
}

Result<ProcessConfig> decode_process_config(std::string_view text) {
    // Our own parent wrote it; still, a mistake ends in an error and not in undefined behaviour.
    try {
        const boost::json::object in = boost::json::parse(boost::json::string_view(text)).as_object();
        ProcessConfig config;
        config.trust_anchor = in.at("trust_anchor").as_string().c_str();
        config.dns.root_hints_file = in.at("root_hints_file").as_string().c_str();
        config.dns.max_pending = in.at("max_pending").to_number<unsigned>();
        config.dns.outgoing_range = in.at("outgoing_range").to_number<unsigned>();
        config.dns.cache_size = in.at("cache_size").to_number<std::uint64_t>();
        config.dns.cache_max_ttl = Millis(in.at("cache_max_ttl_ms").to_number<std::int64_t>());
        config.dns.nsec3_iterations = in.at("nsec3_iterations").to_number<unsigned>();
        config.dns.ipv4 = in.at("ipv4").as_bool();
        config.dns.ipv6 = in.at("ipv6").as_bool();
        for (const boost::json::value& item : in.at("stub_zones").as_array()) {
            Result<Domain> zone = Domain::parse(item.at("zone").as_string().c_str());
            if (!zone) return tl::unexpected(zone.error());
            StubZone stub{.zone = std::move(*zone), .servers = {}};
            for (const boost::json::value& server : item.at("servers").as_array()) {
                const Result<Endpoint> endpoint = Endpoint::parse(server.as_string().c_str());
                if (!endpoint) return tl::unexpected(endpoint.error());
                stub.servers.push_back(*endpoint);
            }
            config.dns.stub_zones.push_back(std::move(stub));
        }
        return config;
    } catch (const std::exception& e) {
        return fail(Errc::protocol, fmt::format("resolver configuration: {}", e.what()));
    }
}

}  // namespace sealpost::resolver
