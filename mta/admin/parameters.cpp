#include "mta/admin/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "security/remote_text.hpp"

namespace sealpost::admin {
namespace {

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned octet = 0;
        if (text.size() - i < 3) return std::nullopt;
        const char* const end = text.data() + i + 3;
        const auto [stop, error] = std::from_chars(text.data() + i + 1, end, octet, 16);
        if (error != std::errc{} || stop != end) return std::nullopt;
        out += static_cast<char>(octet);
        i += 2;
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view unreserved =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";  // RFC 3986 §2.3
    std::string out;
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

}  // namespace

tl::unexpected<Refusal> refuse(unsigned status, std::string error, std::string remedy) {
    return tl::unexpected<Refusal>(Refusal{status, std::move(error), std::move(remedy)});
}

tl::unexpected<Refusal> bad_value(std::string_view name, std::string_view value, std::string_view allowed) {
    return refuse(400, fmt::format("{}: not valid: '{}'", name, security::printable(value)),
                  fmt::format("give {}", allowed));
}

Outcome<Parameters> parse_parameters(std::string_view query, std::span<const std::string_view> allowed) {
    Parameters out;
    while (!query.empty()) {
        const std::string_view pair = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), pair.size() + 1));
        const std::string_view name = pair.substr(0, pair.find('='));
        const bool known = std::find(allowed.begin(), allowed.end(), name) != allowed.end();
        if (!known)
            return refuse(400, fmt::format("unknown parameter '{}'", security::printable(name)),
                          allowed.empty() ? std::string("give none")
                                          : fmt::format("known are: {}", fmt::join(allowed, ", ")));
        auto value = name.size() == pair.size() ? std::nullopt : percent_decode(pair.substr(name.size() + 1));
        if (!value) return bad_value(name, pair, "name=value, percent-encoded");
        if (!out.emplace(name, std::move(*value)).second)
            return refuse(400, fmt::format("{}: given twice", name), "give it once");
    }
    return out;
}

Outcome<queue::MessageId> parse_id(std::string_view text) {
    const auto id = queue::MessageId::parse(text);
    if (!id) return bad_value("id", text, "a queue id as `sealpost queue list` shows it");
    return *id;
}

Outcome<std::size_t> read_limit(const Parameters& parameters, std::size_t largest, std::size_t without) {
    const auto found = parameters.find("limit");
    if (found == parameters.end()) return without;
    const auto limit = parse_number<std::size_t>(found->second);
    if (!limit || *limit == 0 || *limit > largest)
        return bad_value("limit", found->second, fmt::format("a number from 1 to {}", largest));
    return *limit;
}

tl::unexpected<Refusal> bad_cursor(std::string_view value) {
    return bad_value("after", value, "the 'next' of an earlier answer");
}

tl::unexpected<Refusal> wrong_method(const Call& call, std::string_view allowed) {
    return tl::unexpected<Refusal>(
        Refusal{405, fmt::format("method {} is not for this path", security::printable(call.method)),
                fmt::format("use {}", allowed), std::string(allowed)});
}

std::optional<std::string_view> below(std::string_view path, std::string_view parent) {
    if (!path.starts_with(parent) || path.size() <= parent.size() + 1 || path[parent.size()] != '/')
        return std::nullopt;
    path.remove_prefix(parent.size() + 1);
    if (path.find('/') != std::string_view::npos) return std::nullopt;
    return path;
}

Target& Target::add(std::string_view name, std::string_view value) {
    text_ += fmt::format("{}{}={}", any_ ? '&' : '?', name, percent_encode(value));
    any_ = true;
    return *this;
}

}  // namespace sealpost::admin
