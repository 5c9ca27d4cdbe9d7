/// \file The parameters of a request to the admin API, as they stand in HTTP.
///
/// Owns     percent-encoding (RFC 3986 §2.1) and the refusals that all routes share.
/// Errors   a Refusal; unknown, repeated or malformed parameters are never passed over.
#pragma once
#include <charconv>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mta/admin/request.hpp"

namespace sealpost::admin {

using Parameters = std::map<std::string, std::string, std::less<>>;
template <class T>
using Outcome = tl::expected<T, Refusal>;

[[nodiscard]] tl::unexpected<Refusal> refuse(unsigned status, std::string error, std::string remedy);
[[nodiscard]] tl::unexpected<Refusal> bad_value(std::string_view name, std::string_view value,
                                                std::string_view allowed);
[[nodiscard]] tl::unexpected<Refusal> bad_cursor(std::string_view value);
[[nodiscard]] tl::unexpected<Refusal> wrong_method(const Call& call, std::string_view allowed);

/// "a=1&b=2" behind the question mark.
[[nodiscard]] Outcome<Parameters> parse_parameters(std::string_view query,
                                                   std::span<const std::string_view> allowed);
[[nodiscard]] inline Outcome<Parameters> parse_parameters(std::string_view query,
                                                          std::initializer_list<std::string_view> allowed) {
    return parse_parameters(query, std::span(allowed.begin(), allowed.size()));
}
/// `limit`, from 1 to `largest`.
[[nodiscard]] Outcome<std::size_t> read_limit(const Parameters& parameters, std::size_t largest = max_page,
                                              std::size_t without = default_page);
[[nodiscard]] Outcome<queue::MessageId> parse_id(std::string_view text);

/// Digits alone.
template <class Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.front() == '-') return std::nullopt;
    return value;
}

/// The last segment, when `path` is one below `parent`.
[[nodiscard]] std::optional<std::string_view> below(std::string_view path, std::string_view parent);

template <class ById>
[[nodiscard]] Outcome<Request> parse_by_id(std::string_view id_text, std::string_view query) {
    if (const auto none = parse_parameters(query, {}); !none) return tl::unexpected(none.error());
    const auto id = parse_id(id_text);
    if (!id) return tl::unexpected(id.error());
    return ById{*id};
}

/// Builds the target of a GET.
class Target {
public:
    explicit Target(std::string_view path) : text_(path) {}
    Target& add(std::string_view name, std::string_view value);
    [[nodiscard]] Call get() const { return {"GET", text_, {}}; }

private:
    std::string text_;
    bool any_ = false;
};

}  // namespace sealpost::admin
