#include "config/domain_rules.hpp"

#include <algorithm>
#include <array>

#include "config/domain.hpp"

namespace sealpost {
namespace {

constexpr std::array levels{TlsLevel::automatic, TlsLevel::encrypt, TlsLevel::authenticated,
                            TlsLevel::dane_only};
constexpr std::array<std::string_view, 3> rule_keys{"tls", "match", "contact"};

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
            if (key.str() == "tls")
                read_tls(value);
            else if (key.str() == "match")
                read_match(value);
            else if (key.str() == "contact")
                read_contact(value);
            else
                unknown(key, value);
        }
        const toml::node* match = table.get("match");
        if (match != nullptr && rule_.tls != TlsLevel::authenticated && !bad_tls_)
            add("match", match->source().begin,
                fmt::format("has no effect with tls = \"{}\"; it goes with tls = \"authenticated\"",
                            to_string(rule_.tls)));
    }

private:
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
        add(key.str(), key.source().begin,
            "unknown key" + suggestion(key.str(), {rule_keys.begin(), rule_keys.end()}));
    }

    void read_tls(const toml::node& node) {
        const auto text = node.value_exact<std::string>();
        const auto* const level = std::find_if(levels.begin(), levels.end(),
                                               [&](TlsLevel l) { return text && to_string(l) == *text; });
        if (level != levels.end()) {
            rule_.tls = *level;
            return;
        }
        bad_tls_ = true;
        std::vector<std::string_view> words(levels.size());
        std::transform(levels.begin(), levels.end(), words.begin(), [](TlsLevel l) { return to_string(l); });
        add("tls", node.source().begin,
            fmt::format("expected one of \"{}\", found {}{}", fmt::join(words, "\", \""), describe(node),
                        text ? suggestion(*text, words) : std::string()));
    }

    void read_match(const toml::node& node) {
        std::vector<ValueProblem> bad;
        constexpr std::string_view allowed = "a list of names such as [\"mx.example.org\", \".example.org\"]";
        for (const PlacedText& item : list_of_text(node, allowed, bad)) {
            Result<std::string> name = parse_name_or_suffix(item.text);
            if (name)
                rule_.match.push_back(*std::move(name));
            else
                bad.push_back({item.at, name.error().text});
        }
        if (bad.empty() && rule_.match.empty())
            bad.push_back({node.source().begin, fmt::format("the list is empty; expected {}", allowed)});
        for (const ValueProblem& problem : bad) add("match", problem.at, problem.text);
    }

    void read_contact(const toml::node& node) {
        const auto text = node.value_exact<std::string>();
        if (!text) {
            add("contact", node.source().begin,
                fmt::format("expected a line of text, found {}", describe(node)));
            return;
        }
        Result<std::string> line = one_line(*text);
        if (line)
            rule_.contact = *std::move(line);
        else
            add("contact", node.source().begin, line.error().text);
    }

    std::string name_;
    RuleSettings& rule_;
    std::vector<ValueProblem>& problems_;
    bool bad_tls_ = false;
};

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
        RuleSettings rule{
            .pattern = *pattern, .tls = {}, .match = {}, .contact = {}, .file = file, .line = at.line};
        RuleReader(rule_name(*pattern), rule, problems).read(*body);
        set.rules.push_back(std::move(rule));
    }
}

}  // namespace sealpost
