/// \file One value of the configuration, between its TOML node and its field.
///
/// Never    knows files: problems carry the place inside the file, the caller names the file.
#pragma once
#include <toml++/toml.h>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings_keys.hpp"

namespace sealpost {

/// A problem with what stands at `at` in the file under way.
struct ValueProblem {
    toml::source_position at;
    std::string text;
};

/// Sets the field from the node. On any problem the field keeps what it had.
[[nodiscard]] std::vector<ValueProblem> set_value(const Field& field, const toml::node& node,
                                                  Settings& settings);

/// What was found instead of what is allowed: "the integer 30", "a list".
[[nodiscard]] std::string describe(const toml::node& node);

/// "; did you mean 'word'?", or nothing.
[[nodiscard]] std::string suggestion(std::string_view word, const std::vector<std::string_view>& known);

/// The texts of a list, each with the place where it stands; other elements become problems.
struct PlacedText {
    toml::source_position at;
    std::string text;
};
[[nodiscard]] std::vector<PlacedText> list_of_text(const toml::node& node, std::string_view allowed,
                                                   std::vector<ValueProblem>& problems);

/// Text that would break the line it is shown in (control characters, over 255 octets) is a problem.
[[nodiscard]] Result<std::string> one_line(std::string_view text);

using List = std::vector<std::string>;
using Value = std::variant<bool, std::uint64_t, double, std::string, List, std::map<std::string, List>>;

/// The field's value as it is written in TOML. Changes nothing; not const because a key's access serves both
/// ways.
[[nodiscard]] Value get_value(const Field& field, Settings& settings);

}  // namespace sealpost
