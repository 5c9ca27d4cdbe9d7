#include "config/settings_keys.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <set>

#include "config/units.hpp"
#include "tests/config/config_folder.hpp"

namespace sealpost {
namespace {

/// Two valid values of the field as `config show` writes them; at least one is not the default.
struct TwoValues {
    using Pair = std::array<std::string, 2>;

    static std::string quoted(std::string_view text) { return fmt::format("\"{}\"", text); }

    Pair operator()(const FlagField&) const { return {"true", "false"}; }
    template <class F>
    Pair whole(const F& f) const {
        return {std::to_string(f.min), std::to_string(f.max)};
    }
    Pair operator()(const CountField& f) const { return whole(f); }
    Pair operator()(const LargeCountField& f) const { return whole(f); }
    Pair operator()(const PortField&) const { return {"1", "65535"}; }
    Pair operator()(const RatioField& f) const {
        return {fmt::format("{:.1f}", f.min), fmt::format("{:.1f}", f.max)};
    }
    Pair operator()(const SizeField& f) const {
        return {quoted(format_size(f.min)), quoted(format_size(f.max))};
    }
    Pair operator()(const DurationField& f) const {
        return {quoted(format_duration(f.min)), quoted(format_duration(f.max))};
    }
    Pair operator()(const TextField& f) const {
        switch (f.form) {
            case TextForm::line:
                return {R"("a \"b\" \\c #d")", quoted("Bücher & Söhne")};
            case TextForm::path:
            case TextForm::optional_path:
            case TextForm::socket_path:
                return {quoted("/a b/c"), quoted("/run/x")};
            case TextForm::optional_domain:
                return {quoted("mail.example.org"), quoted("xn--bcher-kva.example")};
            case TextForm::optional_address:
                return {quoted("a@example.org"), R"("\"a b\"@example.org")"};
        }
        return {};
    }
    Pair operator()(const ChoiceField& f) const { return {quoted(f.words.front()), quoted(f.words.back())}; }
    Pair operator()(const EndpointsField&) const {
        return {"[]", R"(["192.0.2.1:2525", "[2001:db8::1]:25"])"};
    }
    Pair operator()(const NetworksField&) const { return {"[]", R"(["192.0.2.0/24", "2001:db8::/32"])"}; }
    Pair operator()(const SourceField& f) const {
        return f.v4 ? Pair{R"("")", quoted("192.0.2.1")} : Pair{R"("")", quoted("2001:db8::1")};
    }
    Pair operator()(const RateField&) const { return {R"("")", quoted("20/min")}; }
    Pair operator()(const StubZonesField&) const {
        return {"{}",
                R"({ "a.example" = ["192.0.2.1:53", "[2001:db8::1]:53"], "b.example" = ["192.0.2.2:53"] })"};
    }
};

std::string default_text(const Key& key) {
    const std::string all = render_settings({default_settings(), {}, {}, {}, false}, false);
    const std::size_t section = all.find(fmt::format("[{}]\n", key.section));
    const std::size_t start = all.find(fmt::format("\n{} = ", key.name), section);
    REQUIRE(start != std::string::npos);
    const std::size_t value = start + key.name.size() + 4;
    return all.substr(value, all.find('\n', value) - value);
}

/// What else must be set for the smallest or largest value to be sensible.
std::string companions(const Key& key) {
    if (key.name == "max_message_size") return "max_header_size = \"1KiB\"\n";
    if (key.name == "max_header_size") return "max_message_size = \"1GiB\"\n";
    if (key.name == "tls_certificate") return "tls_key = \"/x\"\n";
    if (key.name == "tls_key") return "tls_certificate = \"/x\"\n";
    if (key.name == "max_sessions") return "max_sessions_per_client = 1\n";
    if (key.name == "max_sessions_per_client") return "max_sessions = 10000\n";
    if (key.name == "max_connections") return "max_connections_per_destination = 1\n";
    if (key.name == "max_connections_per_destination") return "max_connections = 10000\n";
    if (key.name == "retry_first") return "retry_max = \"1d\"\n";
    if (key.name == "retry_max") return "retry_first = \"100ms\"\n";
    if (key.name == "max_age") return "retry_first = \"100ms\"\n";
    return {};
}

std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_SUITE("config/settings_keys") {
    TEST_CASE("every key can be set to its bounds and is shown so that it loads again") {
        for (const Key& key : setting_keys()) {
            CAPTURE(key.full_name());
            const TwoValues::Pair values = std::visit(TwoValues{}, key.field);
            CHECK(values[0] != values[1]);
            bool changed = false;
            for (const std::string& value : values) {
                CAPTURE(value);
                const ConfigFolder folder(
                    fmt::format("[{}]\n{} = {}\n{}", key.section, key.name, value, companions(key)));
                CHECK(folder.problems() == "");
                const auto loaded = folder.load();
                REQUIRE(loaded.has_value());
                changed = changed || value != default_text(key);
                CHECK(loaded->origins.at(key.full_name()) == Origin{folder.path("sealpost.toml"), 2});

                for (const bool with_origin : {false, true}) {
                    const std::string shown = render_settings(*loaded, with_origin);
                    CHECK(shown.find(fmt::format("\n{} = {}{}", key.name, value,
                                                 with_origin ? "  # " : "\n")) != std::string::npos);
                    const ConfigFolder again(shown);
                    const auto reloaded = again.load();
                    REQUIRE(reloaded.has_value());
                    CHECK(reloaded->settings == loaded->settings);
                }
            }
            CHECK(changed);
        }
    }

    TEST_CASE("a value beyond its bounds or of another type is refused for every key") {
        for (const Key& key : setting_keys()) {
            CAPTURE(key.full_name());
            for (const char* bad :
                 {"1979-05-27", "[[1]]", "{ a = 1 }", "-1", "99999999999", "\"\\n\"", "nan"}) {
                CAPTURE(bad);
                const std::string problems =
                    problems_of(fmt::format("[{}]\n{} = {}\n", key.section, key.name, bad));
                CHECK(problems.find(fmt::format("key '{}': ", key.full_name())) != std::string::npos);
            }
        }
    }

    TEST_CASE("every setting has one name and a text that ends in a full stop") {
        std::set<std::string> names;
        std::set<std::string_view> sections;
        std::string_view section;
        for (const Key& key : setting_keys()) {
            CAPTURE(key.full_name());
            CHECK(names.insert(key.full_name()).second);
            if (key.section != section) CHECK(sections.insert(key.section).second);
            section = key.section;
            CHECK(key.doc.ends_with('.'));
            CHECK_FALSE(allowed(key.field).empty());
        }
    }

    TEST_CASE("the example file tells every key with its default") {
        const std::string example = read(SEALPOST_SOURCE_DIR "/deploy/sealpost.toml");
        CHECK(example == example_settings());
        for (const Key& key : setting_keys()) {
            CAPTURE(key.full_name());
            const std::size_t section = example.find(fmt::format("\n[{}]\n", key.section));
            REQUIRE(section != std::string::npos);
            CHECK(example.find(fmt::format("\n#{} = ", key.name), section) != std::string::npos);
        }
    }

    TEST_CASE("the example loads to the defaults as it stands and with every line uncommented") {
        const std::string example = example_settings();
        const ConfigFolder as_it_stands(example);
        CHECK(as_it_stands.problems() == "");
        CHECK(as_it_stands.load()->settings == default_settings());

        std::string bare;
        for (std::size_t at = 0; at < example.size();) {
            const std::size_t end = example.find('\n', at) + 1;
            std::string line = example.substr(at, end - at);
            if (line.size() > 2 && line[0] == '#' && (line[1] != ' ' || line[2] == ' ')) line.erase(0, 1);
            if (!line.starts_with("   ")) bare += line;
            at = end;
        }
        const ConfigFolder uncommented(bare);
        CHECK(uncommented.problems() == "");
        auto loaded = uncommented.load();
        REQUIRE(loaded.has_value());
        CHECK(loaded->origins.size() == setting_keys().size());
        CHECK(loaded->settings.rules.size() == 4);
        loaded->settings.rules.clear();
        CHECK(loaded->settings == default_settings());
    }

}  // TEST_SUITE("config/settings_keys")
}  // namespace sealpost
