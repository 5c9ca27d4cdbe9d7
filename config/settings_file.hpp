/// \file The configuration files: `sealpost.toml`, then `conf.d/*.toml`, then `domains.d/*.toml` beside it.
///
/// Shape    each folder in order of file name; a later file replaces a key that an earlier one set, lists as
/// a
///          whole. A rule ([domain."..."]) stands in one place only; domains.d holds nothing but rules.
/// Errors   every problem of every file, each one line: "file:line:column: key 'queue.retry_frist': ...".
///          Nothing of a configuration with a problem is used.
/// Bounds   8 MiB a file, 10000 files.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "config/settings.hpp"

namespace sealpost {

/// Where a value was written; `file` is empty for a built-in default.
struct Origin {
    std::string file;
    std::uint32_t line = 0;
    bool operator==(const Origin&) const = default;
};

struct LoadedSettings {
    Settings settings;
    /// For each key that a file set: "queue.retry_first". A rule knows its own place (RuleSettings::file).
    std::map<std::string, Origin> origins;
    std::vector<std::string> files;   ///< in the order read
    std::filesystem::path main_file;  ///< as it was asked for, to load it again
    bool must_exist = false;
};

using ConfigProblems = std::vector<std::string>;

/// A missing main file is a problem only if it `must_exist`; the folders beside it are read in any case.
[[nodiscard]] tl::expected<LoadedSettings, ConfigProblems> load_settings(
    const std::filesystem::path& main_file, bool must_exist);

/// Every key as TOML that loads to the same settings; `with_origin` ends each line with "# default" or
/// "# file:line".
[[nodiscard]] std::string render_settings(const LoadedSettings& loaded, bool with_origin);

/// One rule as TOML, as render_settings() shows it, without its heading.
[[nodiscard]] std::string render_rule(const RuleSettings& rule);
/// {"pattern", the keys that it sets, "origin": "file:line"}.
[[nodiscard]] std::string render_rule_json(const RuleSettings& rule);

/// The same as one JSON object: {"schema": "sealpost.config/1", "files": [...], "settings": {section: {key:
/// {"value": ..., "origin": ...}}}, "rules": [...]}; values are written as in TOML.
[[nodiscard]] std::string render_settings_json(const LoadedSettings& loaded);

/// deploy/sealpost.toml: every key, commented out, with its default, what it is for and what it may hold.
[[nodiscard]] std::string example_settings();

}  // namespace sealpost
