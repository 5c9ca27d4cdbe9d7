#include "mta/smtp/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "config/keyword.hpp"

namespace sealpost {
namespace {

constexpr std::size_t max_path = 256;  // RFC 5321 §4.5.3.1.3

constexpr std::array<std::pair<std::string_view, Verb>, 14> verbs{{{"EHLO", Verb::ehlo},
                                                                   {"HELO", Verb::helo},
                                                                   {"MAIL", Verb::mail},
                                                                   {"RCPT", Verb::rcpt},
                                                                   {"DATA", Verb::data},
                                                                   {"RSET", Verb::rset},
                                                                   {"NOOP", Verb::noop},
                                                                   {"QUIT", Verb::quit},
                                                                   {"VRFY", Verb::vrfy},
                                                                   {"EXPN", Verb::expn},
                                                                   {"HELP", Verb::help},
                                                                   {"STARTTLS", Verb::starttls},
                                                                   {"AUTH", Verb::auth},
                                                                   {"BDAT", Verb::bdat}}};

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

tl::unexpected<CommandRefusal> refuse(Verb verb, int code, std::string_view enhanced, std::string text) {
    return tl::unexpected(CommandRefusal{verb, code, enhanced, std::move(text)});
}

std::pair<std::string_view, std::string_view> split(std::string_view text, char at) {
    const std::size_t pos = std::min(text.find(at), text.size());
    return {text.substr(0, pos), text.substr(std::min(pos + 1, text.size()))};
}

/// The octets of the path with its brackets, or 0; a '>' inside a quoted local part does not end it.
std::size_t path_length(std::string_view text) {
    if (text.empty() || text.front() != '<') return 0;
    bool quoted = false;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (quoted && text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (text[i] == '>' && !quoted)
            return i + 1;
    }
    return 0;
}

/// "@a,@b:" at the start, checked and taken off: RFC 5321 §4.1.1.3 has it accepted and ignored.
bool drop_source_route(std::string_view& path) {
    if (!path.starts_with('@')) return true;
    const std::size_t colon = path.find(':');
    if (colon == std::string_view::npos) return false;
    std::string_view route = path.substr(0, colon);
    while (!route.empty()) {
        const auto [hop, rest] = split(route, ',');
        if (!hop.starts_with('@') || !Domain::parse(hop.substr(1))) return false;
        if (rest.empty() && route.size() != hop.size()) return false;  // a comma and nothing behind it
        route = rest;
    }
    path.remove_prefix(colon + 1);
    return true;
}

using ParameterError = tl::expected<void, CommandRefusal>;

ParameterError parse_size(std::string_view value, Command& command) {
    const bool digits = std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (value.empty() || value.size() > 20 || !digits)
        return refuse(command.verb, 501, "5.5.4", "SIZE= takes 1 to 20 digits");
    if (command.size) return refuse(command.verb, 501, "5.5.4", "SIZE= is given twice");
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), size);
    command.size = error == std::errc{} ? size : std::numeric_limits<std::uint64_t>::max();
    return {};
}

ParameterError parse_body(std::string_view value, Command& command) {
    if (command.body) return refuse(command.verb, 501, "5.5.4", "BODY= is given twice");
    if (same_keyword(value, "7BIT"))
        command.body = BodyType::seven_bit;
    else if (same_keyword(value, "8BITMIME"))
        command.body = BodyType::eight_bit_mime;
    else
        return refuse(command.verb, 555, "5.5.4", "BODY= is 7BIT or 8BITMIME");
    return {};
}

/// REQUIRETLS, SMTPUTF8: no value belongs to it, not even an empty one (RFC 8689 §2, RFC 6531 §3.2).
ParameterError parse_word(std::string_view name, bool has_value, bool& given, Verb verb) {
    if (has_value) return refuse(verb, 501, "5.5.4", fmt::format("{} takes no value", name));
    if (given) return refuse(verb, 501, "5.5.4", fmt::format("{} is given twice", name));
    given = true;
    return {};
}

ParameterError parse_ret(std::string_view value, Command& command) {
    if (command.ret != Ret::unset) return refuse(command.verb, 501, "5.5.4", "RET= is given twice");
    const Result<Ret> ret = sealpost::parse_ret(value);
    if (!ret) return refuse(command.verb, 501, "5.5.4", ret.error().text);
    command.ret = *ret;
    return {};
}

/// Kept as it came, once `parse` finds nothing wrong with it.
template <class Parse>
ParameterError keep(std::string_view name, std::string_view value, std::string& field, Verb verb,
                    Parse parse) {
    if (!field.empty()) return refuse(verb, 501, "5.5.4", fmt::format("{}= is given twice", name));
    const auto parsed = parse(value);
    if (!parsed) return refuse(verb, 501, "5.5.4", parsed.error().text);
    field = value;
    return {};
}

ParameterError parse_mail_parameter(std::string_view keyword, std::string_view value, bool has_value,
                                    Command& command, bool& known) {
    if (same_keyword(keyword, "SIZE")) return parse_size(value, command);
    if (same_keyword(keyword, "BODY")) return parse_body(value, command);
    if (same_keyword(keyword, "REQUIRETLS"))
        return parse_word("REQUIRETLS", has_value, command.requiretls, command.verb);
    if (same_keyword(keyword, "SMTPUTF8"))
        return parse_word("SMTPUTF8", has_value, command.smtputf8, command.verb);
    if (same_keyword(keyword, "RET")) return parse_ret(value, command);
    if (same_keyword(keyword, "ENVID")) return keep("ENVID", value, command.envid, command.verb, parse_envid);
    known = false;
    return {};
}

ParameterError parse_rcpt_parameter(std::string_view keyword, std::string_view value, Command& command,
                                    bool& known) {
    if (same_keyword(keyword, "NOTIFY"))
        return keep("NOTIFY", value, command.notify, command.verb, parse_notify);
    if (same_keyword(keyword, "ORCPT")) return keep("ORCPT", value, command.orcpt, command.verb, parse_orcpt);
    known = false;
    return {};
}

ParameterError parse_parameters(std::string_view text, Command& command) {
    while (!text.empty()) {
        const auto [parameter, rest] = split(text, ' ');
        const auto [keyword, value] = split(parameter, '=');
        if (keyword.empty())
            return refuse(command.verb, 501, "5.5.4", "parameters are KEYWORD=value, each after one blank");
        bool known = true;
        ParameterError result =
            command.verb == Verb::mail
                ? parse_mail_parameter(keyword, value, keyword.size() < parameter.size(), command, known)
                : parse_rcpt_parameter(keyword, value, command, known);
        if (!known)
            return refuse(command.verb, 555, "5.5.4",
                          is_ascii(keyword)
                              ? fmt::format("parameter {} is not offered here", keyword.substr(0, 40))
                              : "the parameter is not offered here");
        if (!result) return result;
        text = rest;
    }
    return {};
}

tl::expected<Command, CommandRefusal> parse_path_command(Verb verb, std::string_view rest,
                                                         const Domain& hostname) {
    const bool is_mail = verb == Verb::mail;
    const std::string_view usage = is_mail ? "MAIL FROM:<address>" : "RCPT TO:<address>";
    const std::string_view bad_address = is_mail ? "5.1.7" : "5.1.3";
    const std::string_view word = is_mail ? "FROM:" : "TO:";
    if (!same_keyword(rest.substr(0, word.size()), word))
        return refuse(verb, 501, "5.5.4", fmt::format("it is {}, with no blank around the colon", usage));
    rest.remove_prefix(word.size());
    const std::size_t length = path_length(rest);
    if (length == 0)
        return refuse(verb, 501, "5.5.4", fmt::format("it is {}, with no blank around the colon", usage));
    if (length > max_path)
        return refuse(verb, 501, bad_address, fmt::format("a path has at most {} octets", max_path));

    Command command;
    command.verb = verb;
    std::string_view path = rest.substr(1, length - 2);
    rest.remove_prefix(length);
    command.utf8 = !is_ascii(path);
    if (!drop_source_route(path)) return refuse(verb, 501, bad_address, "the source route is not valid");
    if (path.empty() && length > 2) return refuse(verb, 501, bad_address, "a source route to nobody");
    if (path.empty() && !is_mail) return refuse(verb, 501, bad_address, "<> is no recipient");
    if (!path.empty()) {
        // RFC 5321 §4.1.1.3: <Postmaster> without a domain is this host's.
        const bool postmaster = !is_mail && same_keyword(path, "postmaster");
        Result<Address> address =
            Address::parse(postmaster ? fmt::format("{}@{}", path, hostname) : std::string(path),
                           is_ascii(path) ? AddressCharset::ascii : AddressCharset::utf8);
        // The error may quote the domain as it came, and replies are ASCII.
        if (!address)
            return refuse(verb, 501, bad_address,
                          is_ascii(address.error().text) ? address.error().text
                                                         : "the domain is not a valid internationalized one");
        command.path = *std::move(address);
    }
    if (!rest.empty() && rest.front() != ' ')
        return refuse(verb, 501, "5.5.4", "a blank must follow the path");
    if (!rest.empty()) rest.remove_prefix(1);
    if (ParameterError parameters = parse_parameters(rest, command); !parameters)
        return tl::unexpected(std::move(parameters).error());
    command.utf8 = command.utf8 || !is_ascii(command.orcpt);
    // RFC 6531 §3.5. A RCPT has no word of its own: the session knows what MAIL said.
    if (is_mail && command.utf8 && !command.smtputf8)
        return refuse(verb, 553, "5.6.7", "an address in UTF-8 is taken with SMTPUTF8 alone");
    return command;
}

bool is_client_name(std::string_view text) {
    if (text.starts_with('[')) return Address::parse(fmt::format("x@{}", text)).has_value();
    return Domain::parse(text).has_value();
}

}  // namespace

bool must_be_last(Verb verb) {
    switch (verb) {
        case Verb::ehlo:
        case Verb::helo:
        case Verb::data:
        case Verb::starttls:
        case Verb::auth:
        case Verb::bdat:
            return true;  // BDAT is not offered, so that octets behind it are a message, not commands
        default:
            return false;
    }
}

Verb verb_of(std::string_view line) {
    const std::string_view word = split(line, ' ').first;
    for (const auto& [name, verb] : verbs)
        if (same_keyword(word, name)) return verb;
    return Verb::unknown;
}

tl::expected<Command, CommandRefusal> parse_command(std::string_view line, const Domain& hostname) {
    const Verb verb = verb_of(line);
    if (line.size() + 2 > max_command_line)
        return refuse(verb, 500, "5.5.2", fmt::format("a line has at most {} octets", max_command_line));
    const auto is_control = [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; };
    if (std::any_of(line.begin(), line.end(), is_control))
        return refuse(verb, 500, "5.5.2", "control characters have no place in a command");
    if (!is_ascii(line) && verb != Verb::mail && verb != Verb::rcpt)
        return refuse(verb, 500, "5.5.2", "only ASCII has a place in this command");
    while (line.ends_with(' ')) line.remove_suffix(1);  // RFC 5321 §4.1.1

    const std::string_view rest = split(line, ' ').second;
    switch (verb) {
        case Verb::unknown:
            return refuse(verb, 500, "5.5.1", "no such command");
        case Verb::mail:
        case Verb::rcpt:
            return parse_path_command(verb, rest, hostname);
        case Verb::ehlo:
        case Verb::helo:
            if (!is_client_name(rest))
                return refuse(verb, 501, "5.5.4", "your host name or [address] must follow");
            break;
        case Verb::data:
        case Verb::rset:
        case Verb::quit:
        case Verb::starttls:  // RFC 3207 §4
            if (!rest.empty()) return refuse(verb, 501, "5.5.4", "nothing may follow this command");
            break;
        case Verb::vrfy:
        case Verb::expn:
            if (rest.empty()) return refuse(verb, 501, "5.5.4", "a name must follow");
            break;
        default:
            break;
    }
    Command command;
    command.verb = verb;
    command.argument = rest;
    return command;
}

}  // namespace sealpost
