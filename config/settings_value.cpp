#include "config/settings_value.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "config/address.hpp"
#include "config/nearest.hpp"
#include "config/units.hpp"

namespace sealpost {
namespace {

using Problems = std::vector<ValueProblem>;

constexpr std::size_t max_line = 255;
constexpr std::size_t max_path = 4095;
constexpr std::size_t max_socket_path = 107;  // sun_path with its final NUL

Problems problem(const toml::node& node, std::string text) {
    return {{node.source().begin, std::move(text)}};
}

Problems expected(const Field& field, const toml::node& node) {
    return problem(node, fmt::format("expected {}, found {}", allowed(field), describe(node)));
}

Result<std::string> parse_path(const std::string& text, std::size_t max) {
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (!text.starts_with('/'))
        return fail(Errc::invalid, fmt::format("'{}' is not an absolute path", text.substr(0, max_line)));
    if (text.size() > max) return fail(Errc::invalid, fmt::format("the path is longer than {} octets", max));
    if (std::any_of(text.begin(), text.end(), control))
        return fail(Errc::invalid, "the path holds a control character");
    return text;
}

Result<std::string> parse_text(TextForm form, const std::string& text) {
    switch (form) {
        case TextForm::line:
            return one_line(text);
        case TextForm::path:
            return parse_path(text, max_path);
        case TextForm::socket_path:
            return parse_path(text, max_socket_path);
        case TextForm::optional_path:
            return text.empty() ? Result<std::string>(text) : parse_path(text, max_path);
        case TextForm::optional_domain:
            if (text.empty()) return text;
            return Domain::parse(text).map([](const Domain& d) { return d.str(); });
        case TextForm::optional_address:
            if (text.empty()) return text;
            return Address::parse(text)
                .map([](const Address& a) { return a.str(); })
                .map_error([&](const Error& e) {
                    return Error{e.code, fmt::format("'{}' is not a mail address: {}",
                                                     text.substr(0, max_line), e.text)};
                });
    }
    return fail(Errc::invalid, "unknown form");
}

/// Sets `target` from what `parse` makes of the node's text, if it lies within [min, max].
template <class T, class Parse>
Problems set_measure(const Field& field, const toml::node& node, T& target, T min, T max, Parse parse) {
    // A bare number goes to the parser, which says which units there are.
    const auto number = node.value_exact<std::int64_t>();
    const auto text = number ? std::to_string(*number) : node.value_exact<std::string>();
    if (!text) return expected(field, node);
    const Result<T> value = parse(*text);
    if (!value) return problem(node, value.error().text);
    if (*value < min || *value > max)
        return problem(node, fmt::format("'{}' is out of range; allowed is {}", *text, allowed(field)));
    target = *value;
    return {};
}

template <class T>
Problems set_whole(const Field& field, const toml::node& node, T& target, T min, T max) {
    const auto number = node.value_exact<std::int64_t>();
    if (!number) return expected(field, node);
    if (*number < 0 || static_cast<std::uint64_t>(*number) < min || static_cast<std::uint64_t>(*number) > max)
        return problem(node, fmt::format("{} is out of range; allowed is {}", *number, allowed(field)));
    target = static_cast<T>(*number);
    return {};
}

template <class T>
Problems set_list(const Field& field, const toml::node& node, std::vector<T>& target) {
    Problems problems;
    std::vector<T> values;
    for (const PlacedText& item : list_of_text(node, allowed(field), problems)) {
        Result<T> value = T::parse(item.text);
        if (!value)
            problems.push_back({item.at, value.error().text});
        else if (std::find(values.begin(), values.end(), *value) != values.end())
            problems.push_back({item.at, fmt::format("'{}' stands in the list twice", item.text)});
        else
            values.push_back(*std::move(value));
    }
    if (problems.empty()) target = std::move(values);
    return problems;
}

Problems set_stub_zones(const Field& field, const toml::node& node, std::vector<StubZone>& target) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return expected(field, node);
    Problems problems;
    std::vector<StubZone> zones;
    std::set<Domain> seen;
    for (const auto& [name, servers] : *table) {
        const Result<Domain> zone = Domain::parse(name.str());
        if (!zone) {
            problems.push_back({name.source().begin, zone.error().text});
            continue;
        }
        if (!seen.insert(*zone).second)
            problems.push_back({name.source().begin, fmt::format("zone '{}' is defined twice", zone->str())});
        StubZone entry{*zone, {}};
        Problems bad = set_list(field, servers, entry.servers);
        if (bad.empty() && entry.servers.empty())
            bad = problem(servers, fmt::format("zone '{}' has no server", zone->str()));
        problems.insert(problems.end(), bad.begin(), bad.end());
        zones.push_back(std::move(entry));
    }
    if (problems.empty()) target = std::move(zones);
    return problems;
}

Problems set_choice(const ChoiceField& field, const toml::node& node, Settings& settings) {
    const auto text = node.value_exact<std::string>();
    if (!text) return expected(field, node);
    if (std::find(field.words.begin(), field.words.end(), *text) == field.words.end())
        return problem(node, fmt::format("'{}' is not {}{}", text->substr(0, max_line), allowed(field),
                                         suggestion(*text, {field.words.begin(), field.words.end()})));
    field.set(settings, *text);
    return {};
}

Problems set_source(const SourceField& field, const toml::node& node, std::optional<IpAddress>& target) {
    const auto text = node.value_exact<std::string>();
    if (!text) return expected(field, node);
    if (text->empty()) {
        target.reset();
        return {};
    }
    const Result<IpAddress> address = IpAddress::parse(*text);
    if (!address) return problem(node, address.error().text);
    if (address->is_v4() != field.v4)
        return problem(node, fmt::format("expected {}, found '{}'", allowed(field), *text));
    target = *address;
    return {};
}

Problems set_rate(const Field& field, const toml::node& node, std::optional<Rate>& target) {
    const auto text = node.value_exact<std::string>();
    if (!text) return expected(field, node);
    if (text->empty()) {
        target.reset();
        return {};
    }
    const Result<Rate> rate = parse_rate(*text);
    if (!rate) return problem(node, rate.error().text);
    target = *rate;
    return {};
}

struct Setter {
    const Field& field;
    const toml::node& node;
    Settings& settings;

    Problems operator()(const FlagField& f) const {
        const auto flag = node.value_exact<bool>();
        if (!flag) return expected(field, node);
        f.at(settings) = *flag;
        return {};
    }
    Problems operator()(const CountField& f) const {
        return set_whole(field, node, f.at(settings), f.min, f.max);
    }
    Problems operator()(const LargeCountField& f) const {
        return set_whole(field, node, f.at(settings), f.min, f.max);
    }
    Problems operator()(const PortField& f) const {
        return set_whole<std::uint16_t>(field, node, f.at(settings), 1, 65535);
    }
    Problems operator()(const RatioField& f) const {
        if (!node.is_number()) return expected(field, node);
        const double number = node.value<double>().value_or(NAN);
        if (!(number >= f.min && number <= f.max))  // NaN too
            return problem(node, fmt::format("{} is out of range; allowed is {}", number, allowed(field)));
        f.at(settings) = number;
        return {};
    }
    Problems operator()(const SizeField& f) const {
        return set_measure(field, node, f.at(settings), f.min, f.max, parse_size);
    }
    Problems operator()(const DurationField& f) const {
        return set_measure(field, node, f.at(settings), f.min, f.max, parse_duration);
    }
    Problems operator()(const TextField& f) const {
        const auto text = node.value_exact<std::string>();
        if (!text) return expected(field, node);
        Result<std::string> value = parse_text(f.form, *text);
        if (!value) return problem(node, value.error().text);
        f.at(settings) = *std::move(value);
        return {};
    }
    Problems operator()(const ChoiceField& f) const { return set_choice(f, node, settings); }
    Problems operator()(const EndpointsField& f) const { return set_list(field, node, f.at(settings)); }
    Problems operator()(const NetworksField& f) const { return set_list(field, node, f.at(settings)); }
    Problems operator()(const SourceField& f) const { return set_source(f, node, f.at(settings)); }
    Problems operator()(const RateField& f) const { return set_rate(field, node, f.at(settings)); }
    Problems operator()(const StubZonesField& f) const { return set_stub_zones(field, node, f.at(settings)); }
};

template <class T>
List texts(const std::vector<T>& values) {
    List list;
    list.reserve(values.size());
    for (const T& value : values) list.push_back(value.str());
    return list;
}

struct Getter {
    Settings& settings;

    Value operator()(const FlagField& f) const { return f.at(settings); }
    Value operator()(const CountField& f) const { return std::uint64_t{f.at(settings)}; }
    Value operator()(const LargeCountField& f) const { return f.at(settings); }
    Value operator()(const PortField& f) const { return std::uint64_t{f.at(settings)}; }
    Value operator()(const RatioField& f) const { return f.at(settings); }
    Value operator()(const SizeField& f) const { return format_size(f.at(settings)); }
    Value operator()(const DurationField& f) const { return format_duration(f.at(settings)); }
    Value operator()(const TextField& f) const { return f.at(settings); }
    Value operator()(const ChoiceField& f) const { return std::string(f.get(settings)); }
    Value operator()(const EndpointsField& f) const { return texts(f.at(settings)); }
    Value operator()(const NetworksField& f) const { return texts(f.at(settings)); }
    Value operator()(const SourceField& f) const {
        const std::optional<IpAddress>& address = f.at(settings);
        return address ? address->str() : std::string();
    }
    Value operator()(const RateField& f) const {
        const std::optional<Rate>& rate = f.at(settings);
        return rate ? format_rate(*rate) : std::string();
    }
    Value operator()(const StubZonesField& f) const {
        std::map<std::string, List> zones;
        for (const StubZone& zone : f.at(settings)) zones[zone.zone.str()] = texts(zone.servers);
        return zones;
    }
};

}  // namespace

std::vector<ValueProblem> set_value(const Field& field, const toml::node& node, Settings& settings) {
    return std::visit(Setter{field, node, settings}, field);
}

std::string describe(const toml::node& node) {
    if (const auto text = node.value_exact<std::string>())
        return fmt::format("the text '{}'{}", text->substr(0, 40), text->size() > 40 ? "..." : "");
    if (const auto number = node.value_exact<std::int64_t>()) return fmt::format("the integer {}", *number);
    if (const auto number = node.value_exact<double>()) return fmt::format("the number {}", *number);
    if (const auto flag = node.value_exact<bool>()) return fmt::format("{}", *flag);
    if (node.is_array()) return "a list";
    if (node.is_table()) return "a table";
    return "a date or time";
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known) {
    const std::optional<std::string_view> meant = nearest(word, known);
    return meant ? fmt::format("; did you mean '{}'?", *meant) : std::string();
}

std::vector<PlacedText> list_of_text(const toml::node& node, std::string_view allowed,
                                     std::vector<ValueProblem>& problems) {
    std::vector<PlacedText> list;
    const toml::array* array = node.as_array();
    if (array == nullptr) {
        problems.push_back(
            {node.source().begin, fmt::format("expected {}, found {}", allowed, describe(node))});
        return list;
    }
    for (const toml::node& element : *array) {
        if (auto text = element.value_exact<std::string>())
            list.push_back({element.source().begin, *std::move(text)});
        else
            problems.push_back({element.source().begin, fmt::format("expected {}, found {} in the list",
                                                                    allowed, describe(element))});
    }
    return list;
}

Result<std::string> one_line(std::string_view text) {
    if (text.size() > max_line)
        return fail(Errc::invalid, fmt::format("the text is longer than {} octets", max_line));
    if (std::any_of(text.begin(), text.end(),
                    [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        return fail(Errc::invalid, "the text holds a control character");
    return std::string(text);
}

Value get_value(const Field& field, Settings& settings) {
    return std::visit(Getter{settings}, field);
}

}  // namespace sealpost
