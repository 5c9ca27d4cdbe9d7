#include "config/domain_rules.hpp"

#include <algorithm>
#include <array>

#include "config/domain.hpp"
#include "config/units.hpp"

namespace sealpost {
namespace {

constexpr std::array levels{TlsLevel::automatic, TlsLevel::encrypt, TlsLevel::authenticated,
                            TlsLevel::dane_only, TlsLevel::secure,  TlsLevel::fingerprint,
                            TlsLevel::may,       TlsLevel::none};
constexpr std::array versions{TlsVersion::tls1_2, TlsVersion::tls1_3};
constexpr std::size_t max_route = 10;

/// "example.org" or ".example.org", in A-labels.
Result<std::string> parse_name_or_suffix(std::string_view text) {
    const bool suffix = text.starts_with('.');
    return Domain::parse(suffix ? text.substr(1) : text).map([&](const Domain& domain) {
        return (suffix ? "." : "") + domain.str();
    });
}

class RuleReader {
public:
    RuleReader(std::string name, RuleSettings& rule, std::vector<ValueProblem>& problems)
        : name_(std::move(name)), rule_(rule), problems_(problems) {}

    void read(const toml::table& table) {
        for (const auto& [key, value] : table) {
            const auto known = std::find_if(keys.begin(), keys.end(),
                                            [&](const KnownKey& k) { return k.name == key.str(); });
            if (known == keys.end())
                unknown(key, value);
            else
                (this->*known->read)(value);
        }
        if (!bad_tls_) check_together(table);
    }

private:
    struct KnownKey {
        std::string_view name;
        void (RuleReader::*read)(const toml::node&);
    };
    static const std::array<KnownKey, 16> keys;

    void add(std::string_view key, toml::source_position at, std::string_view text) {
        problems_.push_back({at, fmt::format("key '{}.{}': {}", name_, key, text)});
    }

    void unknown(const toml::key& key, const toml::node& value) {
        if (value.is_table()) {
            // [domain.example.org] is a table "org" inside the rule "example".
            add(key.str(), key.source().begin,
                "unknown table; a domain stands in quotes, as in [domain.\"example.org\"]");
            return;
        }
        std::vector<std::string_view> words(keys.size());
        std::transform(keys.begin(), keys.end(), words.begin(), [](const KnownKey& k) { return k.name; });
        add(key.str(), key.source().begin, "unknown key" + suggestion(key.str(), words));
    }

    /// One of the words that to_string() knows for `known`.
    template <class Known>
    auto read_word(std::string_view key, const toml::node& node, const Known& known)
        -> std::optional<typename Known::value_type> {
        const auto text = node.value_exact<std::string>();
        for (const auto value : known)
            if (text && to_string(value) == *text) return value;
        std::vector<std::string_view> words(known.size());
        std::transform(known.begin(), known.end(), words.begin(), [](auto v) { return to_string(v); });
        add(key, node.source().begin,
            fmt::format("expected one of \"{}\", found {}{}", fmt::join(words, "\", \""), describe(node),
                        text ? suggestion(*text, words) : std::string()));
        return std::nullopt;
    }

    /// A list of texts, each understood by `parse`.
    template <class Item>
    std::vector<Item> read_list(std::string_view key, const toml::node& node, std::string_view allowed,
                                Result<Item> (*parse)(std::string_view)) {
        std::vector<Item> out;
        std::vector<ValueProblem> bad;
        for (const PlacedText& text : list_of_text(node, allowed, bad)) {
            Result<Item> item = parse(text.text);
            if (item)
                out.push_back(*std::move(item));
            else
                bad.push_back({text.at, item.error().text});
        }
        if (bad.empty() && out.empty())
            bad.push_back({node.source().begin, fmt::format("the list is empty; expected {}", allowed)});
        for (const ValueProblem& problem : bad) add(key, problem.at, problem.text);
        return out;
    }

    std::optional<std::string> read_line(std::string_view key, const toml::node& node) {
        const auto text = node.value_exact<std::string>();
        if (!text) {
            add(key, node.source().begin, fmt::format("expected a line of text, found {}", describe(node)));
            return std::nullopt;
        }
        Result<std::string> line = one_line(*text);
        if (line) return *std::move(line);
        add(key, node.source().begin, line.error().text);
        return std::nullopt;
    }

    std::optional<bool> read_flag(std::string_view key, const toml::node& node) {
        const auto flag = node.value_exact<bool>();
        if (!flag)
            add(key, node.source().begin, fmt::format("expected true or false, found {}", describe(node)));
        return flag;
    }

    void read_tls(const toml::node& node) {
        const auto level = read_word("tls", node, levels);
        bad_tls_ = !level;
        if (level) rule_.tls = *level;
    }
    void read_match(const toml::node& node) {
        rule_.match = read_list<std::string>("match", node,
                                             "a list of names such as [\"mx.example.org\", \".example.org\"]",
                                             &parse_name_or_suffix);
    }
    void read_pins(const toml::node& node) {
        rule_.pins =
            read_list<SpkiPin>("pins", node, "a list of SHA-256 digests of public keys", &SpkiPin::parse);
    }
    void read_ca_file(const toml::node& node) {
        const auto path = read_line("ca_file", node);
        if (path && path->empty())
            add("ca_file", node.source().begin, "the path is empty; leave the key out for tls.ca_file");
        if (path) rule_.ca_file = *path;
    }
    void read_min_tls(const toml::node& node) { rule_.min_tls = read_word("min_tls", node, versions); }
    void read_route(const toml::node& node) {
        rule_.route = read_list<NextHop>("route", node,
                                         "a list such as [\"[relay.example]:587\"] or [\"relay.example\"]",
                                         &NextHop::parse);
        const bool with_mx =
            std::any_of(rule_.route.begin(), rule_.route.end(), [](const NextHop& hop) { return hop.mx; });
        if (with_mx && rule_.route.size() > 1)
            add("route", node.source().begin,
                "a name without brackets stands alone: its MX records say which hosts there are");
        if (rule_.route.size() > max_route)
            add("route", node.source().begin, fmt::format("at most {} next hops", max_route));
    }
    void read_insecure_mx(const toml::node& node) { rule_.insecure_mx = read_flag("insecure_mx", node); }
    void read_both(const toml::node& node) { rule_.both = read_flag("both", node).value_or(false); }
    void read_observe(const toml::node& node) { rule_.observe = read_flag("observe", node).value_or(false); }
    void read_max_connections(const toml::node& node) {
        constexpr std::int64_t most = 1000;
        const auto number = node.value_exact<std::int64_t>();
        if (number && *number >= 1 && *number <= most)
            rule_.max_connections = static_cast<unsigned>(*number);
        else
            add("max_connections", node.source().begin,
                fmt::format("expected a whole number from 1 to {}, found {}", most, describe(node)));
    }
    void read_rate(const toml::node& node) {
        const auto text = read_line("rate", node);
        if (!text) return;
        const Result<Rate> rate = parse_rate(*text);
        if (rate)
            rule_.rate = *rate;
        else
            add("rate", node.source().begin, rate.error().text);
    }
    std::optional<Millis> read_duration(std::string_view key, const toml::node& node, Millis min) {
        constexpr Millis most = std::chrono::hours(24 * 365);
        const auto text = read_line(key, node);
        if (!text) return std::nullopt;
        const Result<Millis> value = parse_duration(*text);
        if (value && *value >= min && *value <= most) return *value;
        add(key, node.source().begin,
            value ? fmt::format("'{}' is out of range; allowed is a duration from \"{}\" to \"{}\"", *text,
                                format_duration(min), format_duration(most))
                  : value.error().text);
        return std::nullopt;
    }
    void read_notify_after(const toml::node& node) {
        rule_.notify_after = read_duration("notify_after", node, Millis(0));
    }
    void read_max_age(const toml::node& node) { rule_.max_age = read_duration("max_age", node, Millis(100)); }
    void read_reason(const toml::node& node) { rule_.reason = read_line("reason", node).value_or(""); }
    void read_contact(const toml::node& node) { rule_.contact = read_line("contact", node).value_or(""); }
    void read_until(const toml::node& node) {
        if (const auto date = node.value_exact<toml::date>()) {
            const std::chrono::year_month_day day{
                std::chrono::year(date->year), std::chrono::month(date->month), std::chrono::day(date->day)};
            if (day.ok()) {
                rule_.until = std::chrono::sys_days(day);
                return;
            }
        }
        add("until", node.source().begin,
            fmt::format("expected a date without quotes such as 2027-01-31, found {}", describe(node)));
    }

    /// `key` is there, and the level is none of those that it goes with.
    void goes_with(const toml::table& table, std::string_view key, std::initializer_list<TlsLevel> with) {
        const toml::node* const node = table.get(key);
        if (node == nullptr || std::find(with.begin(), with.end(), rule_.tls) != with.end()) return;
        std::vector<std::string> words;
        for (const TlsLevel level : with) words.push_back(fmt::format("tls = \"{}\"", to_string(level)));
        add(key, node->source().begin,
            fmt::format("has no effect with tls = \"{}\"; it goes with {}", to_string(rule_.tls),
                        fmt::join(words, " or ")));
    }

    void check_together(const toml::table& table) {
        using L = TlsLevel;
        goes_with(table, "match", {L::authenticated, L::secure, L::fingerprint});
        goes_with(table, "ca_file", {L::authenticated, L::secure, L::fingerprint});
        goes_with(table, "pins", {L::fingerprint});
        goes_with(table, "reason", {L::may, L::none});
        goes_with(table, "until", {L::may, L::none});
        const toml::node* const tls = table.get("tls");
        if (tls == nullptr) return;
        const toml::source_position at = tls->source().begin;
        if (rule_.tls == L::fingerprint && table.get("pins") == nullptr && table.get("ca_file") == nullptr)
            add("tls", at, "\"fingerprint\" needs `pins`, or a `ca_file` of its own");
        if (rule_.tls == L::fingerprint && table.get("match") != nullptr && table.get("ca_file") == nullptr)
            add("match", at, "has no effect without `ca_file`: a pinned key needs no name");
        if (!weakens(rule_.tls)) return;
        const std::string level =
            fmt::format("\"{}\" lowers what the destination publishes", to_string(rule_.tls));
        if (rule_.pattern == "*")
            add("tls", at, level + "; it is for one domain, or the names below one, and not for all");
        if (rule_.reason.empty() || !rule_.until)
            add("tls", at, level + ": it needs a `reason` and a last day, `until`");
        for (const std::string_view key : {"min_tls", "both", "observe"})
            if (const toml::node* const node = table.get(key))
                add(key, node->source().begin,
                    fmt::format("demands more, and tls = \"{}\" less; leave one out", to_string(rule_.tls)));
    }

    std::string name_;
    RuleSettings& rule_;
    std::vector<ValueProblem>& problems_;
    bool bad_tls_ = false;
};

const std::array<RuleReader::KnownKey, 16> RuleReader::keys{
    {{"tls", &RuleReader::read_tls},
     {"match", &RuleReader::read_match},
     {"pins", &RuleReader::read_pins},
     {"ca_file", &RuleReader::read_ca_file},
     {"min_tls", &RuleReader::read_min_tls},
     {"route", &RuleReader::read_route},
     {"insecure_mx", &RuleReader::read_insecure_mx},
     {"both", &RuleReader::read_both},
     {"observe", &RuleReader::read_observe},
     {"max_connections", &RuleReader::read_max_connections},
     {"rate", &RuleReader::read_rate},
     {"notify_after", &RuleReader::read_notify_after},
     {"max_age", &RuleReader::read_max_age},
     {"reason", &RuleReader::read_reason},
     {"until", &RuleReader::read_until},
     {"contact", &RuleReader::read_contact}}};

}  // namespace

std::string rule_name(const std::string& pattern) {
    return fmt::format("domain.\"{}\"", pattern);
}

void read_rules(const toml::node& domains, const std::string& file, RuleSet& set,
                std::vector<ValueProblem>& problems) {
    const toml::table* const table = domains.as_table();
    if (table == nullptr) {
        problems.push_back({domains.source().begin,
                            fmt::format("key 'domain': expected tables such as [domain.\"example.org\"], "
                                        "found {}",
                                        describe(domains))});
        return;
    }
    for (const auto& [key, value] : *table) {
        const toml::source_position at = key.source().begin;
        const std::string written = rule_name(std::string(key.str().substr(0, 255)));
        const Result<std::string> pattern =
            key.str() == "*" ? Result<std::string>("*") : parse_name_or_suffix(key.str());
        if (!pattern) {
            problems.push_back(
                {at, fmt::format("key '{}': {}; a rule is for \"example.org\", \".example.org\" "
                                 "(all names below) or \"*\" (all others)",
                                 written, pattern.error().text)});
            continue;
        }
        const auto [first, is_new] =
            set.places.try_emplace(*pattern, fmt::format("{}:{}:{}", file, at.line, at.column));
        if (!is_new) {
            problems.push_back(
                {at, fmt::format("key '{}': the rule for '{}' is defined twice; the first is at {}", written,
                                 *pattern, first->second)});
            continue;
        }
        const toml::table* const body = value.as_table();
        if (body == nullptr) {
            problems.push_back({value.source().begin, fmt::format("key '{}': expected a table, found {}",
                                                                  written, describe(value))});
            continue;
        }
        RuleSettings rule;
        rule.pattern = *pattern;
        rule.file = file;
        rule.line = at.line;
        RuleReader(rule_name(*pattern), rule, problems).read(*body);
        set.rules.push_back(std::move(rule));
    }
}

}  // namespace sealpost
