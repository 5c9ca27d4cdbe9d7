// Property: cutting the input changes nothing; a reply keeps its limits and its text is printable; what it
// prints parses again to the same; and a transaction fed any replies ends with one outcome for each
// recipient.
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mta/smtp/extensions.hpp"
#include "mta/smtp/mail_transaction.hpp"
#include "mta/smtp/reply.hpp"
#include "mta/smtp/session_opening.hpp"
#include "require.hpp"

using sealpost::Extensions;
using sealpost::MailTransaction;
using sealpost::RecipientOutcome;
using sealpost::Reply;
using sealpost::ReplyLimits;
using sealpost::ReplyParser;
using sealpost::SessionOpening;
using State = ReplyParser::State;

namespace {

constexpr ReplyLimits limits{.line = 80, .lines = 6, .total = 300};

std::string print(const Reply& reply) {
    std::string text;
    for (std::size_t i = 0; i < reply.lines.size(); ++i)
        text += fmt::format("{}{}{}\r\n", reply.code, i + 1 < reply.lines.size() ? '-' : ' ', reply.lines[i]);
    return text;
}

std::vector<Reply> read_all(std::string_view text, std::size_t cut) {
    std::vector<Reply> replies;
    ReplyParser parser(limits);
    while (!text.empty()) {
        const ReplyParser::Progress progress = parser.feed(text.substr(0, cut));
        text.remove_prefix(progress.consumed);
        if (progress.state == State::done) replies.push_back(parser.take());
        if (progress.state != State::failed) continue;
        require(!parser.why().empty());
        break;
    }
    return replies;
}

void check_reply(const Reply& reply) {
    require(reply.code >= 200 && reply.code <= 599);
    require(!reply.lines.empty() && reply.lines.size() <= limits.lines);
    for (const std::string& line : reply.lines) {
        require(line.size() + 6 <= limits.line + 1);  // a bare code prints with a blank
        for (const char c : line) require(c >= 0x20 && c <= 0x7e);
    }
    const ReplyLimits wider{.line = limits.line + 1, .lines = limits.lines, .total = 2 * limits.total};
    ReplyParser parser(wider);
    const std::string printed = print(reply);
    require(parser.feed(printed).state == State::done);
    require(parser.take() == reply);
    if (const auto status = reply.enhanced_status()) {
        require(reply.lines.front().starts_with(*status));
        require((*status)[0] - '0' == reply.severity() && status->size() >= 5 && status->size() <= 9);
    }
    (void)Extensions::parse(reply);
}

void check_opening(const std::vector<Reply>& replies, sealpost::StartTls tls) {
    SessionOpening opening("us.example", tls);
    for (const Reply& reply : replies) {
        SessionOpening::Step step = opening.next(reply, false);
        if (step.act == SessionOpening::Step::Act::start_tls) step = opening.tls_established();
        require((step.act == SessionOpening::Step::Act::give_up) == opening.failure().has_value());
        if (step.act == SessionOpening::Step::Act::send) {
            require(step.command.ends_with("\r\n"));
            continue;
        }
        if (step.act == SessionOpening::Step::Act::ready) {
            require(opening.tls() || tls != sealpost::StartTls::require);
            require(!opening.tls() || !opening.extensions().starttls);
            require(opening.tls() || !opening.extensions().requiretls);
        }
        return;
    }
}

struct Manner {
    bool pipelining;
    bool chunking;
    sealpost::Rset rset;
};

void check_transaction(const std::vector<Reply>& replies, Manner manner, std::size_t follow_at) {
    using Act = MailTransaction::Step::Act;
    sealpost::MailEnvelope envelope;
    for (const char* to : {"a@example.net", "b@example.net", "c@example.net"})
        envelope.recipients.emplace_back(sealpost::Address::parse(to).value());
    envelope.size = 2 * MailTransaction::max_chunk + 1;
    Extensions extensions;
    extensions.pipelining = manner.pipelining;
    extensions.chunking = manner.chunking;
    extensions.enhanced_status_codes = true;
    MailTransaction transaction(envelope, extensions, manner.rset);
    bool body_sent = false;
    std::uint64_t chunked = 0;
    MailTransaction::Step step = transaction.start();
    const auto over = [&] { return step.act == Act::done || step.act == Act::close; };
    for (std::size_t i = 0; i < replies.size() && !over(); ++i) {
        step = transaction.next(replies[i], i == follow_at);
        while (step.act == Act::send_chunk) {
            chunked += step.octets;
            require(chunked <= envelope.size);
            require(step.bytes.ends_with(" LAST\r\n") == (chunked == envelope.size));
            require(transaction.awaiting_final() == (chunked == envelope.size));
            step = transaction.chunk_sent();
        }
        body_sent = body_sent || step.act == Act::send_body || chunked == envelope.size;
        require(step.act != Act::send_body || (!manner.chunking && i != follow_at));
    }
    if (!over()) transaction.lost("4.4.2", "lost");
    require(transaction.outcomes().size() == envelope.recipients.size());
    for (const RecipientOutcome& outcome : transaction.outcomes()) {
        require(outcome.code != 0 && outcome.enhanced.size() >= 5);
        // Nothing is delivered without a body, and no result contradicts its enhanced code.
        if (outcome.result == RecipientOutcome::Result::delivered)
            require(body_sent && outcome.enhanced[0] == '2');
        if (outcome.result == RecipientOutcome::Result::failed) require(outcome.enhanced[0] == '5');
        require(outcome.split == RecipientOutcome::Split::no ||
                outcome.result == RecipientOutcome::Result::deferred);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    const std::vector<Reply> replies = read_all(text, text.size());
    require(read_all(text, 1 + data[0] % 32U) == replies);
    for (const Reply& reply : replies) check_reply(reply);
    for (const auto tls :
         {sealpost::StartTls::never, sealpost::StartTls::opportunistic, sealpost::StartTls::require})
        check_opening(replies, tls);
    for (const bool pipelining : {true, false})
        for (const bool chunking : {true, false})
            for (const auto rset : {sealpost::Rset::no, sealpost::Rset::first})
                check_transaction(replies, {pipelining, chunking, rset}, data[0] / 32U);
    return 0;
}
