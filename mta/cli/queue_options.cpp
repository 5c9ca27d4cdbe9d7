#include "mta/cli/queue_options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "security/remote_text.hpp"

namespace sealpost::cli {
namespace {

constexpr std::size_t max_listed = 100'000;
constexpr std::size_t list_limit = 1000;
constexpr std::size_t shape_limit = 50;

Understood<queue::Filter> read_filter(const CLI::App& app, const Words& words) {
    const auto now = std::chrono::floor<std::chrono::milliseconds>(words.now);
    queue::Filter filter;
    Understood<void> good;
    const auto set = [&](std::string_view key, const std::string& value, std::string_view dashes = "--") {
        if (!good) return;
        const auto done = queue::set_filter(filter, key, value, now);
        if (!done)
            good = tl::unexpected<Wrong>(
                Wrong{fmt::format("{}{}; {}", dashes, done.error().error, done.error().remedy)});
    };
    for (const std::string& id : words.ids) set("id", id, "");
    struct Option {
        const char* name;
        const std::string& value;
    };
    for (const Option& option :
         {Option{"--from", words.from}, Option{"--to", words.to}, Option{"--domain", words.domain},
          Option{"--state", words.state}, Option{"--age", words.age}, Option{"--reason", words.reason},
          Option{"--policy", words.policy}})
        if (app.count(option.name) > 0) set(std::string_view(option.name).substr(2), option.value);
    if (words.held) set("state", "held");
    if (!good) return tl::unexpected(good.error());
    return filter;
}

}  // namespace

void add_filter(CLI::App& app, Words& words, bool ids) {
    if (ids)
        app.add_option("ID", words.ids, "Only these messages, by queue id")
            ->type_name("")
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    const auto add = [&app](const char* name, std::string& into, const char* what, const char* type) {
        app.add_option(name, into, what)->type_name(type);
    };
    add("--from", words.from,
        "Only mail of this sender; '*' stands for any text, '<>' is mail without a sender", "PATTERN");
    add("--to", words.to, "Only this recipient; '*' stands for any text", "PATTERN");
    add("--domain", words.domain, "Only recipients of this domain; '*' stands for any text", "PATTERN");
    add("--state", words.state,
        "Only those that are queued, active, parked, frozen, on-hold, or held by a policy", "STATE");
    add("--age", words.age, "Only mail older than this, as in 2h or '>2h' (s, min, h, d)", "AGE");
    add("--reason", words.reason, "Only those whose last status and reply have this text in them", "TEXT");
    add("--policy", words.policy,
        "Only mail that this security policy holds back, as in dane-required or '*'", "PATTERN");
    app.add_flag("--held", words.held, "Only mail that a security policy holds back: --policy '*'");
}

void add_list_options(CLI::App& app, Words& words) {
    app.add_option("--limit", words.limit,
                   fmt::format("At most so many: 1 to {}, default {}", max_listed, list_limit))
        ->type_name("N")
        ->check(CLI::Range(std::size_t{1}, max_listed).description(""));
    app.add_option("--after", words.after, "Go on where an earlier list ended (its 'next')")
        ->type_name("CURSOR");
}

void add_shape_options(CLI::App& app, Words& words) {
    app.add_flag("--sender", words.by_sender, "Count by the domain of the sender");
    app.add_option("--limit", words.limit,
                   fmt::format("At most so many domains: 1 to {}, default {}", admin::max_page, shape_limit))
        ->type_name("N")
        ->check(CLI::Range(std::size_t{1}, admin::max_page).description(""));
}

void add_change_options(CLI::App& app, Words& words, QueueChange change) {
    app.add_flag("--all", words.all, "All mail");
    if (change == QueueChange::bounce)
        app.add_option("--text", words.text, "The reason to tell the sender")->type_name("TEXT");
    app.add_flag("-y,--yes", words.yes, "Do not ask, although more than one message is concerned");
    app.add_flag("-n,--dry-run", words.dry_run, "Tell how much mail is concerned, and change nothing");
}

Understood<Command> queue_list(const CLI::App& app, const Words& words) {
    auto filter = read_filter(app, words);
    if (!filter) return tl::unexpected(filter.error());
    QueueList out{std::move(*filter), std::nullopt, words.limit == 0 ? list_limit : words.limit};
    if (app.count("--after") > 0) {
        out.after = queue::parse_cursor(words.after);
        if (!out.after) return wrong("--after", words.after, "the 'next' of an earlier list");
    }
    return out;
}

Understood<Command> queue_shape(const CLI::App& app, const Words& words) {
    auto filter = read_filter(app, words);
    if (!filter) return tl::unexpected(filter.error());
    return QueueShape{{std::move(*filter),
                       words.by_sender ? admin::ShapeBy::sender : admin::ShapeBy::recipient,
                       words.limit == 0 ? shape_limit : words.limit}};
}

Understood<Command> queue_alter(const CLI::App& app, const Words& words, QueueChange change) {
    auto filter = read_filter(app, words);
    if (!filter) return tl::unexpected(filter.error());
    // So that a forgotten filter is never all mail.
    if (filter->all() != words.all)
        return tl::unexpected<Wrong>(Wrong{
            fmt::format("queue {0}: {1}", to_string(change),
                        words.all ? "--all does not go with ids or filters; leave one of them out"
                                  : "nothing says what mail is meant; give ids, filters such as --domain, or "
                                    "--all")});
    const bool clean = std::none_of(words.text.begin(), words.text.end(), [](char c) {
        return static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) > '~';
    });
    if (words.text.size() > max_bounce_text || !clean)
        return wrong("--text", words.text,
                     fmt::format("up to {} ASCII characters in one line", max_bounce_text));
    return QueueAlter{{change, std::move(*filter), std::nullopt, words.text}, words.yes, words.dry_run};
}

}  // namespace sealpost::cli
