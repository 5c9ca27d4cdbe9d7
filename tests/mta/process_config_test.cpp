#include <doctest/doctest.h>

#include <fstream>

#include "mta/resolver/process.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost::resolver {
namespace {

constexpr std::string_view root_ds =
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n";

class Files {
public:
    Files() {
        settings.trust_anchor_file = write("root.key", root_ds);
        settings.root_hints_file = write("root.hints", ". 3600000 NS a.root-servers.net.\n");
    }
    std::string write(const std::string& name, std::string_view text) {
        const std::filesystem::path path = directory_.path() / name;
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }
    [[nodiscard]] std::string missing() const { return (directory_.path() / "missing").string(); }
    /// The text of the error; fails the test when there is none.
    [[nodiscard]] std::string error() const {
        const auto loaded = load_process_config(settings);
        REQUIRE_FALSE(loaded);
        CHECK(loaded.error().code == Errc::configuration);
        return loaded.error().text;
    }

    DnsSettings settings;

private:
    queue::test::TempDirectory directory_;
};

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("mta/resolver/process_config") {
    TEST_CASE("what the daemon writes is what the process reads") {
        ProcessConfig config;
        config.trust_anchor = ". DS 1 2 3 ABCD\nexample. DNSKEY 257 3 13 \"x\\\" y\n";
        config.dns.root_hints_file = "/some where/root.hints";
        config.dns.max_pending = 1;
        config.dns.outgoing_range = 4294967295U;
        config.dns.cache_size = 1ULL << 63;
        config.dns.cache_max_ttl = std::chrono::minutes(7);
        config.dns.nsec3_iterations = 17;
        config.dns.ipv4 = false;
        config.dns.ipv6 = true;
        config.dns.stub_zones = {
            {.zone = Domain::parse("example").value(),
             .servers = {Endpoint::parse("127.0.0.1:5353").value(), Endpoint::parse("[::1]:53").value()}},
            {.zone = Domain::parse("xn--bcher-kva.example").value(), .servers = {}}};
        const auto got = decode_process_config(encode(config));
        REQUIRE(got);
        CHECK(got->trust_anchor == config.trust_anchor);
        CHECK(got->dns.root_hints_file == config.dns.root_hints_file);
        CHECK(got->dns.max_pending == config.dns.max_pending);
        CHECK(got->dns.outgoing_range == config.dns.outgoing_range);
        CHECK(got->dns.cache_size == config.dns.cache_size);
        CHECK(got->dns.cache_max_ttl == config.dns.cache_max_ttl);
        CHECK(got->dns.nsec3_iterations == config.dns.nsec3_iterations);
        CHECK(got->dns.ipv4 == config.dns.ipv4);
        CHECK(got->dns.ipv6 == config.dns.ipv6);
        CHECK(got->dns.stub_zones == config.dns.stub_zones);
    }

    TEST_CASE("a text that is no configuration is an error of the protocol") {
        ProcessConfig config;
        config.trust_anchor = root_ds;
        const std::string good = encode(config);
        for (std::size_t n = 0; n < good.size(); ++n) CHECK_FALSE(decode_process_config(good.substr(0, n)));
        for (const std::string_view bad :
             {"[]", "null", "{}", R"({"trust_anchor":1})", R"({"trust_anchor":"x","root_hints_file":null})"})
            CHECK(decode_process_config(bad).error().code == Errc::protocol);
        std::string negative = good;
        negative.replace(negative.find("\"max_pending\":"), 15, "\"max_pending\":-");
        CHECK_FALSE(decode_process_config(negative));
        std::string zone = good;
        zone.replace(zone.find("\"stub_zones\":[]"), 15, R"("stub_zones":[{"zone":"-","servers":[]}])");
        CHECK_FALSE(decode_process_config(zone));
        std::string server = good;
        server.replace(server.find("\"stub_zones\":[]"), 15,
                       R"("stub_zones":[{"zone":"example","servers":["127.0.0.1"]}])");
        CHECK_FALSE(decode_process_config(server));
    }

    TEST_CASE("a trust anchor file is read without comments and blank lines") {
        Files files;
        files.settings.trust_anchor_file =
            files.write("key", "; root\r\n\n \t\n" + std::string(root_ds) +
                                   "example. IN DNSKEY 257 3 13 AbC= ;{id = 1}\r\n");
        const auto loaded = load_process_config(files.settings);
        REQUIRE(loaded);
        CHECK(loaded->trust_anchor == std::string(root_ds) + "example. IN DNSKEY 257 3 13 AbC=\n");
        CHECK(loaded->dns == files.settings);
    }

    TEST_CASE("a last record without a line end counts") {
        Files files;
        files.settings.trust_anchor_file = files.write("key", root_ds.substr(0, root_ds.size() - 1));
        const auto loaded = load_process_config(files.settings);
        REQUIRE(loaded);
        CHECK(loaded->trust_anchor == root_ds);
    }

    TEST_CASE("a trust anchor that cannot be read names the key and the file and the remedy") {
        Files files;
        files.settings.trust_anchor_file = files.missing();
        CHECK(files.error() == fmt::format("dns.trust_anchor_file '{}' cannot be read (No such file or "
                                           "directory): install the package dns-root-data, or name another "
                                           "file of DNSKEY or DS records",
                                           files.missing()));
    }

    TEST_CASE("root hints that cannot be read name the key and the file and the remedy") {
        Files files;
        files.settings.root_hints_file = files.missing();
        CHECK(files.error() == fmt::format("dns.root_hints_file '{}' cannot be read (No such file or "
                                           "directory): install the package dns-root-data, or name another "
                                           "hints file",
                                           files.missing()));
    }

    TEST_CASE("a trust anchor file without an anchor is refused since nothing could be validated") {
        for (const std::string_view text : {"", "; . IN DS 1 8 2 AB\n", "\n\n", "hello\n"}) {
            Files files;
            files.settings.trust_anchor_file = files.write("key", text);
            const std::string error = files.error();
            CHECK(holds(error, "dns.trust_anchor_file '" + files.settings.trust_anchor_file + "'"));
            CHECK(holds(error, "holds no DNSKEY or DS record"));
            CHECK(holds(error, "install the package dns-root-data"));
        }
    }

    TEST_CASE("a trust anchor file is bounded at 1 MiB") {
        Files files;
        std::string text(root_ds);
        text.append((1U << 20) - text.size(), '\n');
        files.settings.trust_anchor_file = files.write("key", text);
        CHECK(load_process_config(files.settings));
        files.settings.trust_anchor_file = files.write("key", text + "\n");
        CHECK(holds(files.error(), "is larger than 1 MiB"));
    }

    TEST_CASE("a folder in the place of a trust anchor file is refused") {
        Files files;
        files.settings.trust_anchor_file = "/";
        CHECK(holds(files.error(), "dns.trust_anchor_file '/'"));
    }
}

}  // namespace sealpost::resolver
