#include "config/settings_file.hpp"

#include <toml++/toml.h>
#include <algorithm>
#include <set>
#include <system_error>
#include <tuple>

#include "config/domain_rules.hpp"
#include "config/settings_checks.hpp"
#include "config/settings_keys.hpp"
#include "config/settings_value.hpp"
#include "config/text_file.hpp"

namespace sealpost {
namespace {

constexpr std::size_t max_file_size = std::size_t{8} << 20;
constexpr std::size_t max_files = 10'000;

enum class Holds { everything, rules_only };

const Key* find_key(std::string_view section, std::string_view name) {
    const auto keys = setting_keys();
    const auto found = std::find_if(keys.begin(), keys.end(),
                                    [&](const Key& k) { return k.section == section && k.name == name; });
    return found == keys.end() ? nullptr : &*found;
}

bool is_section(std::string_view name) {
    const auto keys = setting_keys();
    return std::any_of(keys.begin(), keys.end(), [&](const Key& k) { return k.section == name; });
}

std::vector<std::string_view> section_names() {
    std::vector<std::string_view> names;
    for (const Key& key : setting_keys())
        if (names.empty() || names.back() != key.section) names.push_back(key.section);
    names.emplace_back("domain");
    return names;
}

/// The key of this name in whichever section has one: a key in the wrong place.
std::string elsewhere(std::string_view name) {
    for (const Key& key : setting_keys())
        if (key.name == name) return fmt::format("; did you mean '{}'?", key.full_name());
    return {};
}

std::string meant_key(std::string_view section, std::string_view name) {
    std::vector<std::string_view> names;
    for (const Key& key : setting_keys())
        if (key.section == section) names.push_back(key.name);
    const std::string near = suggestion(name, names);
    return near.empty() ? elsewhere(name) : near;
}

class Loader {
public:
    tl::expected<LoadedSettings, ConfigProblems> load(const std::filesystem::path& main_file,
                                                      bool must_exist) {
        const std::filesystem::path folder = main_file.parent_path();
        read_file(main_file, must_exist, Holds::everything);
        read_folder(folder / "conf.d", Holds::everything);
        read_folder(folder / "domains.d", Holds::rules_only);
        check_settings(loaded_.settings, places_, refused_, problems_);
        if (!problems_.empty()) return tl::unexpected(std::move(problems_));
        loaded_.settings.rules = std::move(rules_.rules);
        for (const auto& [key, place] : places_) loaded_.origins[key] = {place.file, place.line};
        return std::move(loaded_);
    }

private:
    void read_folder(const std::filesystem::path& folder, Holds holds) {
        std::error_code error;
        std::vector<std::filesystem::path> files;
        std::filesystem::directory_iterator entry(folder, error);
        if (error == std::errc::no_such_file_or_directory) return;
        for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
            const std::string name = entry->path().filename().native();
            // Editors leave hidden files behind (".#10-tls.toml").
            if (!name.starts_with('.') && name.ends_with(".toml")) files.push_back(entry->path());
            if (files.size() + loaded_.files.size() > max_files) {
                problems_.push_back(
                    fmt::format("{}: more than {} configuration files", folder.native(), max_files));
                return;
            }
        }
        if (error) {
            problems_.push_back(
                fmt::format("{}: cannot be listed: {}; let the user that runs sealpost read it",
                            folder.native(), error.message()));
            return;
        }
        std::sort(files.begin(), files.end());
        for (const std::filesystem::path& file : files) read_file(file, true, holds);
    }

    void read_file(const std::filesystem::path& path, bool must_exist, Holds holds) {
        const Result<std::string> text = read_text_file(path, max_file_size);
        if (!text) {
            if (must_exist || text.error().code != Errc::not_found) problems_.push_back(text.error().text);
            return;
        }
        loaded_.files.push_back(path.native());
        file_ = path.native();
        found_.clear();
        try {
            read_table(toml::parse(*text), holds);
        } catch (const toml::parse_error& error) {
            found_.push_back({error.source().begin, fmt::format("not TOML: {}", error.description())});
        }
        // toml++ keeps tables by name; people read from top to bottom.
        std::sort(found_.begin(), found_.end(), [](const ValueProblem& a, const ValueProblem& b) {
            return std::tie(a.at.line, a.at.column, a.text) < std::tie(b.at.line, b.at.column, b.text);
        });
        for (const ValueProblem& problem : found_)
            problems_.push_back(
                fmt::format("{}:{}:{}: {}", file_, problem.at.line, problem.at.column, problem.text));
    }

    void read_table(const toml::table& table, Holds holds) {
        for (const auto& [key, node] : table) {
            if (key.str() == "domain")
                read_rules(node, file_, rules_, found_);
            else if (holds == Holds::rules_only)
                found_.push_back(
                    {key.source().begin,
                     fmt::format("key '{}': a file in domains.d holds only rules "
                                 "([domain.\"example.org\"]); move it to sealpost.toml or conf.d",
                                 key.str())});
            else if (is_section(key.str()))
                read_section(key, node);
            else
                found_.push_back({key.source().begin, unknown_at_top(key.str(), node)});
        }
    }

    static std::string unknown_at_top(std::string_view name, const toml::node& node) {
        if (node.is_table())
            return fmt::format("section '{}': unknown section{}", name, suggestion(name, section_names()));
        return fmt::format("key '{}': unknown key{}", name, elsewhere(name));
    }

    void read_section(const toml::key& section, const toml::node& node) {
        const toml::table* const table = node.as_table();
        if (table == nullptr) {
            found_.push_back(
                {node.source().begin, fmt::format("key '{}': expected a section [{}], found {}",
                                                  section.str(), section.str(), describe(node))});
            return;
        }
        for (const auto& [name, value] : *table) {
            const Key* const key = find_key(section.str(), name.str());
            if (key == nullptr) {
                found_.push_back(
                    {name.source().begin, fmt::format("key '{}.{}': unknown key{}", section.str(), name.str(),
                                                      meant_key(section.str(), name.str()))});
                continue;
            }
            const std::vector<ValueProblem> problems = set_value(key->field, value, loaded_.settings);
            for (const ValueProblem& problem : problems)
                found_.push_back({problem.at, fmt::format("key '{}': {}", key->full_name(), problem.text)});
            if (!problems.empty()) refused_.insert(key->full_name());
            const toml::source_position at = value.source().begin;
            places_[key->full_name()] = {file_, at.line, at.column};
        }
    }

    LoadedSettings loaded_{default_settings(), {}, {}, {}, false};
    RuleSet rules_;
    ConfigProblems problems_;
    std::map<std::string, Place> places_;
    std::set<std::string> refused_;

    // Of the file under way.
    std::string file_;
    std::vector<ValueProblem> found_;
};

}  // namespace

tl::expected<LoadedSettings, ConfigProblems> load_settings(const std::filesystem::path& main_file,
                                                           bool must_exist) {
    auto loaded = Loader().load(main_file, must_exist);
    if (loaded) {
        loaded->main_file = main_file;
        loaded->must_exist = must_exist;
    }
    return loaded;
}

}  // namespace sealpost
