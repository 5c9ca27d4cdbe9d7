/// \file Domain: a host or mail domain name, the key of every policy.
///
/// Shape    A-labels, lower case, no trailing dot, 1..253 octets, each label 1..63 letters, digits, '-' or
/// '_'
///          with no '-' at either end. U-labels are converted (IDNA2008, non-transitional) on parse.
/// Errors   Errc::invalid - names the input and the rule it breaks.
/// Source   RFC 5321 §2.3.5, RFC 5890 §2.3, RFC 5891 §5, RFC 1035 §2.3.4; '_' because DNS owners such as
///          _25._tcp.mx.example use it (RFC 8552).
#pragma once
#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "config/result.hpp"

namespace sealpost {

class Domain {
public:
    [[nodiscard]] static Result<Domain> parse(std::string_view text);

    [[nodiscard]] const std::string& str() const { return name_; }
    /// Number of labels, at least 1.
    [[nodiscard]] std::size_t labels() const;
    /// The name without its left-most label; empty view for a single label.
    [[nodiscard]] std::string_view parent() const;
    /// True for a name below `suffix` (never for `suffix` itself).
    [[nodiscard]] bool is_below(const Domain& suffix) const;

    auto operator<=>(const Domain&) const = default;

private:
    explicit Domain(std::string name) : name_(std::move(name)) {}
    std::string name_;
};

}  // namespace sealpost

template <>
struct std::hash<sealpost::Domain> {
    std::size_t operator()(const sealpost::Domain& d) const noexcept {
        return std::hash<std::string>{}(d.str());
    }
};

template <>
struct fmt::formatter<sealpost::Domain> : fmt::formatter<std::string_view> {
    auto format(const sealpost::Domain& d, format_context& ctx) const {
        return formatter<std::string_view>::format(d.str(), ctx);
    }
};
