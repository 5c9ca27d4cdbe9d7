// Property: an accepted path prints and parses again to the same command; a refusal is a short 5yz line of
// printable ASCII; and whatever a client says, a session answers with whole lines, keeps its limits, and
// stays closed once closed.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "mta/smtp/command.hpp"
#include "mta/smtp/server_session.hpp"
#include "require.hpp"

using sealpost::BodyType;
using sealpost::Command;
using sealpost::Domain;
using sealpost::ServerAction;
using sealpost::ServerSession;
using sealpost::Verb;

namespace {

const Domain our_name = Domain::parse("mail.example").value();

std::string print(const Command& command) {
    std::string line = fmt::format("{}:<{}>", command.verb == Verb::mail ? "MAIL FROM" : "RCPT TO",
                                   command.path ? command.path->str() : std::string());
    if (command.size) line += fmt::format(" SIZE={}", *command.size);
    if (command.body) line += *command.body == BodyType::seven_bit ? " BODY=7BIT" : " BODY=8BITMIME";
    if (command.requiretls) line += " REQUIRETLS";
    if (command.smtputf8) line += " SMTPUTF8";
    if (command.ret != sealpost::Ret::unset) line += fmt::format(" RET={}", to_string(command.ret));
    if (!command.envid.empty()) line += fmt::format(" ENVID={}", command.envid);
    if (!command.notify.empty()) line += fmt::format(" NOTIFY={}", command.notify);
    if (!command.orcpt.empty()) line += fmt::format(" ORCPT={}", command.orcpt);
    return line;
}

void check_command(std::string_view line) {
    const auto command = sealpost::parse_command(line, our_name);
    if (!command) {
        require(command.error().code >= 500 && command.error().code <= 599);
        require(command.error().enhanced.starts_with("5."));
        return;
    }
    require(command->verb == sealpost::verb_of(line) && command->verb != Verb::unknown);
    require(line.size() + 2 <= sealpost::max_command_line);
    const bool utf8 = command->utf8 || command->smtputf8;
    for (const char c : line) require((c >= 0x20 && c <= 0x7e) || (utf8 && c < 0));
    if (command->verb != Verb::mail && command->verb != Verb::rcpt) return;
    require(command->path.has_value() || command->verb == Verb::mail);
    const auto again = sealpost::parse_command(print(*command), our_name);
    require(again.has_value() && again->verb == command->verb && again->path == command->path);
    require(again->size == command->size && again->body == command->body &&
            again->requiretls == command->requiretls);
    require(again->smtputf8 == command->smtputf8 && again->ret == command->ret &&
            again->envid == command->envid && again->notify == command->notify &&
            again->orcpt == command->orcpt);
}

void check_reply(const std::string& reply) {
    require(reply.ends_with("\r\n"));
    std::string_view rest = reply;
    while (!rest.empty()) {
        const std::size_t end = rest.find("\r\n");
        require(end >= 4 && end <= 510);
        for (const char c : rest.substr(0, end)) require(c >= 0x20 && c <= 0x7e);
        require(rest[0] >= '2' && rest[0] <= '5');
        rest.remove_prefix(end + 2);
    }
}

void check_session(std::string_view lines) {
    sealpost::ListenerSettings limits;
    limits.max_recipients = 3;
    limits.max_errors = 5;
    limits.max_transactions = 2;
    limits.tls_certificate = "/any";
    ServerSession session(our_name, limits, sealpost::IpAddress::parse("192.0.2.1").value(),
                          sealpost::Relay::allowed);
    check_reply(session.greeting().reply);
    unsigned stored = 0;
    bool tls = false;
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 1, lines.size()));
        const ServerAction action = session.command(line, false);
        check_reply(action.reply);
        if (action.next == ServerAction::Next::close) {
            require(session.command("NOOP", false).next == ServerAction::Next::close);
            return;
        }
        if (action.next == ServerAction::Next::start_tls) {
            require(!tls && action.reply.starts_with("220 "));
            session.tls_established();
            tls = true;
        }
        if (action.next != ServerAction::Next::read_data) continue;
        require(action.reply.starts_with("354 "));
        const sealpost::ServerTransaction transaction = session.take_transaction();
        require(tls || !transaction.requiretls);
        require(!transaction.recipients.empty() && transaction.recipients.size() <= 3);
        for (std::size_t i = 0; i < transaction.recipients.size(); ++i)
            for (std::size_t j = 0; j < i; ++j)
                require(transaction.recipients[i].address != transaction.recipients[j].address);
        require(++stored <= 2);
        check_reply(session.stored("1").reply);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_command(text);
    check_session(text);
    return 0;
}
