/// \file NamePattern: a name that a certificate may carry, as an operator writes it.
#pragma once
#include <string>

#include "config/domain.hpp"
#include "config/result.hpp"

namespace sealpost::security {

/// "mx.example.org", or ".example.org" for every name below.
struct NamePattern {
    Domain name;
    bool below = false;

    [[nodiscard]] static Result<NamePattern> parse(std::string_view text) {
        const bool below = text.starts_with('.');
        Result<Domain> name = Domain::parse(below ? text.substr(1) : text);
        if (!name) return fail(Errc::configuration, name.error().text);
        return NamePattern{std::move(*name), below};
    }
    [[nodiscard]] bool matches(const Domain& host) const {
        return below ? host.is_below(name) : host == name;
    }
    [[nodiscard]] std::string str() const { return (below ? "." : "") + name.str(); }
    bool operator==(const NamePattern&) const = default;
};

}  // namespace sealpost::security
