#include "queue/filter.hpp"

#include <algorithm>
#include <charconv>

#include "config/address.hpp"
#include "config/keyword.hpp"
#include "config/units.hpp"
#include "queue/rows.hpp"
#include "security/remote_text.hpp"

namespace sealpost::queue {
namespace {

constexpr std::size_t max_pattern = 1024;

bool equal(char a, char b) {
    return ascii_lower(a) == ascii_lower(b);
}

bool contains(std::string_view text, std::string_view part) {
    return std::search(text.begin(), text.end(), part.begin(), part.end(), equal) != text.end();
}

tl::unexpected<FilterError> wrong(std::string_view key, std::string_view value, std::string_view is_not,
                                  std::string remedy) {
    return tl::unexpected<FilterError>(FilterError{
        fmt::format("{}: '{}' is not {}", key, security::printable(value), is_not), std::move(remedy)});
}

/// A word of the grammar, and none twice.
template <class T>
tl::expected<void, FilterError> set_once(std::optional<T>& part, std::string_view key, T value) {
    if (part)
        return tl::unexpected<FilterError>(FilterError{fmt::format("{}: given twice", key), "give it once"});
    part = std::move(value);
    return {};
}

tl::expected<void, FilterError> set_pattern(std::optional<std::string>& part, std::string_view key,
                                            std::string_view value, std::string_view example) {
    const bool clean = std::all_of(value.begin(), value.end(), [](char c) {
        return static_cast<unsigned char>(c) >= ' ' && c != '\x7F';
    });
    if (value.empty() || value.size() > max_pattern || !clean)
        return wrong(key, value, "a pattern of 1 to 1024 characters",
                     fmt::format("write it in full or with '*' for any text, as in {}", example));
    return set_once(part, key, std::string(value));
}

tl::expected<void, FilterError> set_domain(std::optional<std::string>& part, std::string_view value) {
    constexpr std::string_view key = "domain";
    if (value.find('*') == std::string_view::npos) {
        auto destination = parse_destination(value);
        if (!destination)
            return wrong(key, value, "a domain or an address literal",
                         "write it as in example.org, *.example.org or [192.0.2.1]");
        return set_once(part, key, std::move(*destination));
    }
    // A pattern is compared as it is, and what is stored are A-labels.
    if (std::any_of(value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) > 126; }))
        return wrong(key, value, "a pattern in ASCII", "write its labels as the DNS has them (xn--...)");
    return set_pattern(part, key, value, "*.example.org");
}

tl::expected<void, FilterError> set_age(Filter& filter, std::string_view value, Time now) {
    std::string_view text = value;
    if (text.starts_with('>')) text.remove_prefix(1);
    std::string spelled(text);
    if (text.size() > 1 && text.back() == 'm' && text[text.size() - 2] >= '0' && text[text.size() - 2] <= '9')
        spelled += "in";  // as the columns of the shape say it
    const auto age = parse_duration(spelled);
    if (!age || *age > now.time_since_epoch())
        return wrong("age", value, "an age",
                     "write a number with s, min, h or d for what is older, as in '2h' or '>2h'");
    return set_once(filter.before, "age", now - *age);
}

tl::expected<void, FilterError> set_state(Filter& filter, std::string_view value) {
    if (value == "held") {  // to the store one of those that wait; beside --policy it says nothing more
        if (!filter.policy) filter.policy = "*";
        return {};
    }
    const auto state = parse_state(value);
    if (!state)
        return wrong(
            "state", value, "a state of a recipient",
            "write queued, active, parked, frozen, on-hold, or held for mail that a policy holds back");
    return set_once(filter.state, "state", *state);
}

tl::expected<void, FilterError> add_ids(Filter& filter, std::string_view list) {
    std::vector<MessageId> ids = filter.ids;
    for (bool more = true; more;) {
        const std::string_view text = list.substr(0, list.find(','));
        more = text.size() < list.size();
        list.remove_prefix(std::min(list.size(), text.size() + 1));
        const auto id = MessageId::parse(text);
        if (!id) return wrong("id", text, "a queue id", "give it as `sealpost queue list` shows it");
        const auto at = std::lower_bound(ids.begin(), ids.end(), *id);
        if (at == ids.end() || *at != *id) ids.insert(at, *id);
        if (ids.size() > max_filter_ids)
            return tl::unexpected<FilterError>(FilterError{fmt::format("id: more than {}", max_filter_ids),
                                                           "give fewer, or say it with the other filters"});
    }
    filter.ids = std::move(ids);
    return {};
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

bool Filter::all() const {
    return ids.empty() && !from && !to && !domain && !state && !before && !reason && !policy;
}

tl::expected<void, FilterError> set_filter(Filter& filter, std::string_view key, std::string_view value,
                                           Time now) {
    if (key == "id") return add_ids(filter, value);
    if (key == "from") {
        if (value == "<>") return set_once(filter.from, key, std::string());
        return set_pattern(filter.from, key, value, "user@example.org, *@example.org, or '<>' for notices");
    }
    if (key == "to") return set_pattern(filter.to, key, value, "user@example.org or *@example.org");
    if (key == "domain") return set_domain(filter.domain, value);
    if (key == "state") return set_state(filter, value);
    if (key == "age") return set_age(filter, value, now);
    if (key == "before") {
        const auto millis = parse_number<std::int64_t>(value);
        const auto time = millis ? time_from_row(*millis) : std::nullopt;
        if (!time) return wrong(key, value, "a time", "write it in milliseconds since 1970");
        return set_once(filter.before, key, *time);
    }
    if (key == "reason") return set_pattern(filter.reason, key, value, "'Connection refused' or 4.7.");
    if (key == "policy") {
        if (filter.policy == "*") filter.policy.reset();
        return set_pattern(filter.policy, key, value, "dane-required or 'starttls-*'");
    }
    if (key == "until") {
        const auto cursor = parse_cursor(value);
        if (!cursor) return wrong(key, value, "a place in the queue", "give the 'last' of an earlier answer");
        return set_once(filter.until, key, *cursor);
    }
    return tl::unexpected<FilterError>(
        FilterError{fmt::format("no filter is called '{}'", security::printable(key)),
                    "give id, from, to, domain, state, age, reason or policy"});
}

std::vector<std::pair<std::string_view, std::string>> filter_parts(const Filter& filter) {
    std::vector<std::pair<std::string_view, std::string>> out;
    std::string ids;
    for (const MessageId& id : filter.ids) ids += (ids.empty() ? "" : ",") + id.str();
    if (!ids.empty()) out.emplace_back("id", std::move(ids));
    if (filter.from) out.emplace_back("from", filter.from->empty() ? "<>" : *filter.from);
    if (filter.to) out.emplace_back("to", *filter.to);
    if (filter.domain) out.emplace_back("domain", *filter.domain);
    if (filter.state) out.emplace_back("state", to_string(*filter.state));
    if (filter.before) out.emplace_back("before", std::to_string(to_row(*filter.before)));
    if (filter.reason) out.emplace_back("reason", *filter.reason);
    if (filter.policy) out.emplace_back("policy", *filter.policy);
    if (filter.until) out.emplace_back("until", to_cursor(*filter.until));
    return out;
}

bool matches(const Filter& filter, const FilterSubject& subject) {
    if (filter.until && *filter.until < subject.id) return false;
    if (!filter.ids.empty() && !std::binary_search(filter.ids.begin(), filter.ids.end(), subject.id.message))
        return false;
    if (filter.state && *filter.state != subject.state) return false;
    if (filter.before && subject.received_at > *filter.before) return false;
    if (filter.from &&
        (filter.from->empty() ? !subject.sender.empty() : !matches_pattern(*filter.from, subject.sender)))
        return false;
    if (filter.to && !matches_pattern(*filter.to, subject.address)) return false;
    if (filter.domain && !matches_pattern(*filter.domain, subject.domain)) return false;
    if (filter.policy) {
        // The word is what a rule is called; words of explanation may follow it.
        const std::string_view word = subject.held.substr(0, subject.held.find(':'));
        if (subject.held.empty() ||
            !(matches_pattern(*filter.policy, word) || matches_pattern(*filter.policy, subject.held)))
            return false;
    }
    if (!filter.reason) return true;
    if (contains(subject.reply, *filter.reason) || contains(subject.status, *filter.reason)) return true;
    // "4.7.5 Server" stands across both, as `queue show` prints them.
    return !subject.status.empty() &&
           contains(fmt::format("{} {}", subject.status, subject.reply), *filter.reason);
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;  // the last one seen, and what it stands for so far
    std::size_t taken = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            taken = t;
        } else if (p < pattern.size() && equal(pattern[p], text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++taken;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string to_cursor(const RecipientId& id) {
    return fmt::format("{}.{}", id.message, id.number);
}

std::optional<RecipientId> parse_cursor(std::string_view text) {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) return std::nullopt;
    const auto id = MessageId::parse(text.substr(0, dot));
    const auto number = parse_number<std::uint32_t>(text.substr(dot + 1));
    if (!id || !number) return std::nullopt;
    return RecipientId{*id, *number};
}

std::optional<std::string> parse_destination(std::string_view text) {
    if (text.starts_with('[')) {
        const auto address = Address::parse(fmt::format("x@{}", text));
        if (!address) return std::nullopt;
        return address->host_str();
    }
    const auto domain = Domain::parse(text);
    if (!domain) return std::nullopt;
    return domain->str();
}

std::string_view to_string(RecipientState state) {
    switch (state) {
        case RecipientState::queued:
            return "queued";
        case RecipientState::active:
            return "active";
        case RecipientState::parked:
            return "parked";
        case RecipientState::on_hold:
            return "on-hold";
        case RecipientState::frozen:
            break;
    }
    return "frozen";
}

std::optional<RecipientState> parse_state(std::string_view text) {
    using enum RecipientState;
    for (const RecipientState state : {queued, active, parked, frozen, on_hold})
        if (to_string(state) == text) return state;
    return std::nullopt;
}

}  // namespace sealpost::queue
