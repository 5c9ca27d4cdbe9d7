/// \file The one table of all keys: where each is kept, what it may hold, and what it is for.
///
/// Owns     the TOML names and the bounds. Reading, `config show` and the example file all walk this table,
/// so
///          that a key which can be set is also shown and described.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.hpp"

namespace sealpost {

template <class T>
using Access = T& (*)(Settings&);

struct FlagField {
    Access<bool> at;
};
struct CountField {
    Access<unsigned> at;
    unsigned min;
    unsigned max;
};
struct LargeCountField {
    Access<std::uint64_t> at;
    std::uint64_t min;
    std::uint64_t max;
};
struct PortField {
    Access<std::uint16_t> at;
};
struct RatioField {
    Access<double> at;
    double min;
    double max;
};
struct SizeField {
    Access<std::uint64_t> at;
    std::uint64_t min;
    std::uint64_t max;
};
struct DurationField {
    Access<Millis> at;
    Millis min;
    Millis max;
};
enum class TextForm { line, path, optional_path, socket_path, optional_domain, optional_address };
struct TextField {
    Access<std::string> at;
    TextForm form;
};
struct ChoiceField {
    std::span<const std::string_view> words;
    std::string_view (*get)(const Settings&);
    void (*set)(Settings&, std::string_view);
};
struct EndpointsField {
    Access<std::vector<Endpoint>> at;
};
struct NetworksField {
    Access<std::vector<IpNetwork>> at;
};
struct SourceField {
    Access<std::optional<IpAddress>> at;
    bool v4;
};
struct RateField {
    Access<std::optional<Rate>> at;
};
struct StubZonesField {
    Access<std::vector<StubZone>> at;
};

using Field = std::variant<FlagField, CountField, LargeCountField, PortField, RatioField, SizeField,
                           DurationField, TextField, ChoiceField, EndpointsField, NetworksField, SourceField,
                           RateField, StubZonesField>;

struct Key {
    std::string_view section;
    std::string_view name;
    Field field;
    std::string_view doc;

    [[nodiscard]] std::string full_name() const { return fmt::format("{}.{}", section, name); }
};

/// Grouped by section, in the order in which they are shown.
[[nodiscard]] std::span<const Key> setting_keys();

/// What the key may hold, for people: "a duration from 100ms to 1d".
[[nodiscard]] std::string allowed(const Field& field);

}  // namespace sealpost
