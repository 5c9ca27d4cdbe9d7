#include <algorithm>
#include <boost/json.hpp>

#include "config/domain_rules.hpp"
#include "config/settings_file.hpp"
#include "config/settings_keys.hpp"
#include "config/settings_value.hpp"
#include "config/units.hpp"

namespace sealpost {
namespace {

namespace json = boost::json;

/// A TOML basic string.
std::string toml_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            out += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out + '"';
}

std::string toml_list(const List& list) {
    constexpr std::size_t wide = 100;
    std::string line;
    std::string column;
    for (const std::string& text : list) {
        line += (line.empty() ? "" : ", ") + toml_string(text);
        column += "\n  " + toml_string(text) + ",";
    }
    return line.size() <= wide ? "[" + line + "]" : "[" + column + "\n]";
}

struct TomlText {
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(std::uint64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const {
        const std::string text = fmt::format("{}", value);
        return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
    }
    std::string operator()(const std::string& value) const { return toml_string(value); }
    std::string operator()(const List& value) const { return toml_list(value); }
    std::string operator()(const std::map<std::string, List>& value) const {
        std::string out;
        // An inline table may not span lines, except inside its lists.
        for (const auto& [name, list] : value)
            out += fmt::format("{}{} = {}", out.empty() ? "" : ", ", toml_string(name), toml_list(list));
        return out.empty() ? "{}" : "{ " + out + " }";
    }
};

struct JsonValue {
    json::value operator()(bool value) const { return value; }
    json::value operator()(std::uint64_t value) const { return value; }
    json::value operator()(double value) const { return value; }
    json::value operator()(const std::string& value) const { return json::value(value); }
    json::value operator()(const List& value) const { return json::array(value.begin(), value.end()); }
    json::value operator()(const std::map<std::string, List>& value) const {
        json::object out;
        for (const auto& [name, list] : value) out[name] = (*this)(list);
        return out;
    }
};

/// What a rule says, key by key; a date as it stands in TOML.
std::vector<std::pair<std::string_view, Value>> rule_values(const RuleSettings& rule) {
    std::vector<std::pair<std::string_view, Value>> out{{"tls", std::string(to_string(rule.tls))}};
    if (!rule.match.empty()) out.emplace_back("match", rule.match);
    List pins;
    for (const SpkiPin& pin : rule.pins) pins.push_back(pin.str());
    if (!pins.empty()) out.emplace_back("pins", std::move(pins));
    if (!rule.ca_file.empty()) out.emplace_back("ca_file", rule.ca_file);
    if (rule.min_tls) out.emplace_back("min_tls", std::string(to_string(*rule.min_tls)));
    List route;
    for (const NextHop& hop : rule.route) route.push_back(hop.str());
    if (!route.empty()) out.emplace_back("route", std::move(route));
    if (rule.insecure_mx) out.emplace_back("insecure_mx", *rule.insecure_mx);
    if (rule.both) out.emplace_back("both", true);
    if (rule.observe) out.emplace_back("observe", true);
    if (rule.max_connections) out.emplace_back("max_connections", std::uint64_t{*rule.max_connections});
    if (rule.rate) out.emplace_back("rate", format_rate(*rule.rate));
    if (rule.notify_after) out.emplace_back("notify_after", format_duration(*rule.notify_after));
    if (rule.max_age) out.emplace_back("max_age", format_duration(*rule.max_age));
    if (!rule.reason.empty()) out.emplace_back("reason", rule.reason);
    if (rule.until) out.emplace_back("until", format_day(*rule.until));
    if (!rule.contact.empty()) out.emplace_back("contact", rule.contact);
    return out;
}

json::object rule_object(const RuleSettings& rule) {
    json::object out;
    out["pattern"] = rule.pattern;
    for (const auto& [key, value] : rule_values(rule)) out[key] = std::visit(JsonValue{}, value);
    out["origin"] = fmt::format("{}:{}", rule.file, rule.line);
    return out;
}

std::string origin_of(const LoadedSettings& loaded, const Key& key) {
    const auto origin = loaded.origins.find(key.full_name());
    return origin == loaded.origins.end() ? "default"
                                          : fmt::format("{}:{}", origin->second.file, origin->second.line);
}

/// A path may hold anything; a comment may not hold control characters.
std::string comment(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
        '?');
    return "  # " + text;
}

std::string sentence(std::string text) {
    if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
    return text;
}

}  // namespace

std::string render_rule(const RuleSettings& rule) {
    std::string out;
    for (const auto& [key, value] : rule_values(rule))  // a date stands without quotes
        out += fmt::format("{} = {}\n", key,
                           key == "until" ? std::get<std::string>(value) : std::visit(TomlText{}, value));
    return out;
}

std::string render_rule_json(const RuleSettings& rule) {
    return json::serialize(rule_object(rule));
}

std::string render_settings(const LoadedSettings& loaded, bool with_origin) {
    Settings settings = loaded.settings;
    std::string out;
    std::string_view section;
    for (const Key& key : setting_keys()) {
        if (key.section != section) out += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", key.section);
        section = key.section;
        out += fmt::format("{} = {}", key.name, std::visit(TomlText{}, get_value(key.field, settings)));
        if (with_origin) out += comment(origin_of(loaded, key));
        out += '\n';
    }
    for (const RuleSettings& rule : settings.rules) {
        out += fmt::format("\n[{}]", rule_name(rule.pattern));
        if (with_origin) out += comment(fmt::format("{}:{}", rule.file, rule.line));
        out += '\n' + render_rule(rule);
    }
    return out;
}

std::string render_settings_json(const LoadedSettings& loaded) {
    Settings settings = loaded.settings;
    json::object sections;
    for (const Key& key : setting_keys()) {
        json::value& section = sections[key.section];
        if (!section.is_object()) section.emplace_object();
        section.as_object()[key.name] = {{"value", std::visit(JsonValue{}, get_value(key.field, settings))},
                                         {"origin", origin_of(loaded, key)}};
    }
    json::array rules;
    for (const RuleSettings& rule : settings.rules) rules.push_back(rule_object(rule));
    const json::object out{{"schema", "sealpost.config/1"},
                           {"files", JsonValue{}(loaded.files)},
                           {"settings", std::move(sections)},
                           {"rules", std::move(rules)}};
    return json::serialize(out);
}

std::string example_settings() {
    Settings settings = default_settings();
    std::string out = R"(# Sealpost: example configuration.
#
# Every setting stands here with its default. Uncomment what you want to change; nothing needs to be changed
# for a first try. `sealpost config check` tells every mistake with its line, `sealpost config show --origin`
# what is in force and where it was written.
#
# Files are read in this order; a later one replaces a key that an earlier one set:
#   sealpost.toml, conf.d/*.toml, domains.d/*.toml (rules only), the folders beside sealpost.toml, by name.
# Durations carry a unit (ms, s, min, h, d), sizes too (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB).
)";
    std::string_view section;
    for (const Key& key : setting_keys()) {
        out += key.section != section ? fmt::format("\n[{}]\n", key.section) : "\n";
        section = key.section;
        std::string value = std::visit(TomlText{}, get_value(key.field, settings));
        for (std::size_t at = 0; (at = value.find('\n', at)) != std::string::npos; at += 2)
            value.replace(at, 1, "\n#");
        out += fmt::format("# {}\n# {}.\n#{} = {}\n", key.doc, sentence(allowed(key.field)), key.name, value);
    }
    return out + R"(
# Rules: what the way to a destination must offer at least, whatever it publishes itself. The most exact rule
# alone applies: the domain, then the longest suffix (".example.org": every name below), then "*".
#   tls = "auto"           DANE where it applies, else MTA-STS, else STARTTLS if offered (the default)
#         "encrypt"        the same, and never plaintext
#         "authenticated"  the peer proves its name: DANE, else WebPKI for the names of MTA-STS or of `match`
#         "dane-only"      nothing but DANE
#         "secure"         WebPKI, and a certificate for a name of `match` (the domain itself and all names below)
#         "fingerprint"    a key of `pins`, or a certificate that the rule's own `ca_file` vouches for
#         "may", "none"    weaker than what is published: only with a `reason` and `until`, the day that ends it
# Mail that cannot be sent so is held. What the destination publishes is never lowered, but by the last two.
#   match = ["mx.example.net", ".mail.example.net"]   names that a certificate may carry
#   pins = ["SHA-256 of the public key, hex or base64"]; ca_file = "PEM, instead of tls.ca_file"
#   min_tls = "1.3"        no older TLS and no cleartext, whatever the level
#   both = true            where DANE and MTA-STS both apply, both must pass
#   insecure_mx = false    DANE only where the MX records are signed too; by default as dane.insecure_mx says
#   observe = true         nothing is held for this rule; what it would have held is recorded
#   route = ["[relay.example]:587"]   instead of the MX hosts; without brackets the MX hosts of that name
#   max_connections = 2; rate = "20/min"   connections at once and messages, to each domain of the rule
#   notify_after = "1h"; max_age = "2d"    when the sender hears of a delay, and when mail is given up
#   contact = "..."        whom to ask at the other side; shown with held mail
#
#[domain."example.org"]
#tls = "dane-only"
#contact = "postmaster@example.org, +49 30 000000"
#
#[domain.".example.net"]
#tls = "authenticated"
#match = ["mx.example.net", ".mail.example.net"]
#
#[domain."old.example"]
#tls = "may"
#reason = "their new gateway has no certificate yet, ticket 4711"
#until = 2027-01-31
#
#[domain."*"]
#tls = "encrypt"
)";
}

}  // namespace sealpost
