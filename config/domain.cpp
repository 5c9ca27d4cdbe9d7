#include "config/domain.hpp"

#include <idn2.h>

#include <algorithm>
#include <memory>

#include "config/keyword.hpp"

namespace sealpost {
namespace {

bool is_ldh(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

Result<std::string> to_a_labels(std::string_view text) {
    struct Free {
        void operator()(char* p) const { idn2_free(p); }
    };
    char* raw = nullptr;
    const std::string in(text);
    const int rc = idn2_to_ascii_8z(in.c_str(), &raw, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    const std::unique_ptr<char, Free> out(raw);
    if (rc != IDN2_OK)
        return fail(Errc::invalid,
                    fmt::format("'{}' is not a valid internationalized domain: {}", text, idn2_strerror(rc)));
    return std::string(out.get());
}

}  // namespace

Result<Domain> Domain::parse(std::string_view text) {
    // Longer than any U-label form of 253 octets could be; bounds the work in libidn2.
    if (text.size() > 1024) return fail(Errc::invalid, "domain name longer than 1024 octets");
    if (text.find('\0') != std::string_view::npos) return fail(Errc::invalid, "domain name with a NUL octet");
    std::string name(text);
    if (!name.empty() && name.back() == '.') name.pop_back();
    if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
        Result<std::string> ascii = to_a_labels(name);
        if (!ascii) return tl::unexpected(ascii.error());
        name = std::move(*ascii);
    }
    name = ascii_lower(std::move(name));
    if (name.empty()) return fail(Errc::invalid, "empty domain name");
    if (name.size() > 253)
        return fail(Errc::invalid, fmt::format("'{}...' is longer than 253 octets", name.substr(0, 32)));
    for (std::size_t start = 0; start <= name.size();) {
        const std::size_t dot = std::min(name.find('.', start), name.size());
        const std::string_view label = std::string_view(name).substr(start, dot - start);
        if (label.empty()) return fail(Errc::invalid, fmt::format("'{}' has an empty label", name));
        if (label.size() > 63)
            return fail(Errc::invalid, fmt::format("'{}' has a label over 63 octets", name));
        if (label.front() == '-' || label.back() == '-')
            return fail(Errc::invalid, fmt::format("'{}': label '{}' starts or ends with '-'", name, label));
        if (!std::all_of(label.begin(), label.end(), is_ldh))
            return fail(Errc::invalid, fmt::format("'{}' holds a character that no domain name has", name));
        start = dot + 1;
    }
    return Domain(std::move(name));
}

std::size_t Domain::labels() const {
    return static_cast<std::size_t>(std::count(name_.begin(), name_.end(), '.')) + 1;
}

std::string_view Domain::parent() const {
    const std::size_t dot = name_.find('.');
    return dot == std::string::npos ? std::string_view{} : std::string_view(name_).substr(dot + 1);
}

bool Domain::is_below(const Domain& suffix) const {
    return name_.size() > suffix.name_.size() + 1 && name_.ends_with(suffix.name_) &&
           name_[name_.size() - suffix.name_.size() - 1] == '.';
}

}  // namespace sealpost
