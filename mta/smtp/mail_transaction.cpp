#include "mta/smtp/mail_transaction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "mta/smtp/dsn_parameters.hpp"

namespace sealpost {

//  idle         start()                          -> group: MAIL, RCPT.., DATA, pipelined or one by one;
//  without
//                                                   DATA where the server offers CHUNKING
//  group        354, a recipient was accepted    -> final_reply, whose reply settles all who were accepted
//  group        354, none was accepted           -> empty_data: a lone dot, whose reply says nothing
//  group        all answered, one accepted, CHUNKING -> chunks
//  group        MAIL, DATA or every RCPT refused -> over, without data
//  chunks       a chunk refused                  -> over, when the chunks behind it are answered too
//  chunks       the last one goes out            -> final_reply
//  final_reply, empty_data   any reply           -> over
//  any          421, a reply of a class that the command does not know, octets behind the last reply that was
//               due, lost()                      -> over; who has no outcome is deferred

namespace {

constexpr std::string_view rset_word = "RSET";
constexpr std::string_view mail_word = "MAIL FROM";
constexpr std::string_view rcpt_word = "RCPT TO";
constexpr std::string_view data_word = "DATA";
constexpr std::string_view bdat_word = "BDAT";
constexpr std::string_view end_word = "end of DATA";

RecipientOutcome decided_here(int code, std::string_view enhanced, std::string text) {
    RecipientOutcome outcome;
    outcome.result = code < 500 ? RecipientOutcome::Result::deferred : RecipientOutcome::Result::failed;
    outcome.code = code;
    outcome.enhanced = enhanced;
    outcome.text = std::move(text);
    return outcome;
}

RecipientOutcome one_too_many(RecipientOutcome::Split split, std::string text) {
    RecipientOutcome outcome = decided_here(452, "4.5.3", std::move(text));
    outcome.split = split;
    return outcome;
}

bool is_refusal(const Reply& reply) {
    return reply.severity() == 4 || reply.severity() == 5;
}

/// Of a server that does not know a command, although it offered it.
bool is_unknown_command(const Reply& reply) {
    return reply.code == 500 || reply.code == 502;
}

}  // namespace

MailTransaction::MailTransaction(MailEnvelope envelope, const Extensions& extensions, Rset rset)
    : envelope_(std::move(envelope)),
      extensions_(extensions),
      mail_index_(rset == Rset::first ? 1 : 0),
      outcomes_(envelope_.recipients.size()),
      settled_(envelope_.recipients.size(), false) {}

MailTransaction::Step MailTransaction::start(bool bytes_follow) {
    if (bytes_follow) return confused();
    reset_needed_ = mail_index_ == 1;  // as before, while nothing is sent
    if (const std::optional<RecipientOutcome> refusal = refuse_locally()) settle_all(*refusal);
    name_recipients();
    if (named_.empty()) return finish(Step::Act::done);
    reset_needed_ = false;
    state_ = State::group;
    return next_group();
}

MailTransaction::Step MailTransaction::next(const Reply& reply, bool bytes_follow) {
    // Nothing may stand behind the reply to the last command that was sent: either that reply or one before
    // it belongs to no command of ours. 421 may come at any time and ends the session in any case.
    const bool unsolicited = bytes_follow && sent_ - answered_ <= 1;
    switch (state_) {
        case State::group:
            if (unsolicited && reply.code != 421) return confused();
            return on_group(reply);
        case State::chunks:
            if (unsolicited && reply.code != 421) return confused();
            return on_chunk(reply);
        case State::final_reply: {
            // The message is theirs or it is not; what comes behind that changes the connection alone.
            Step step = on_final(reply);
            if (bytes_follow) step.act = Step::Act::close;
            return step;
        }
        case State::empty_data:
            return finish(reply.code == 421 || bytes_follow ? Step::Act::close : Step::Act::done);
        case State::idle:
        case State::over:
            break;
    }
    return finish(Step::Act::close);
}

MailTransaction::Step MailTransaction::chunk_sent() {
    if (state_ == State::chunks) return next_chunk();
    if (state_ == State::final_reply) return {.act = Step::Act::read};
    return finish(Step::Act::close);
}

void MailTransaction::lost(std::string_view enhanced, std::string_view text) {
    settle_all(decided_here(421, enhanced, std::string(text)));
    state_ = State::over;
}

std::optional<RecipientOutcome> MailTransaction::refuse_locally() const {
    if (extensions_.size_limit > 0 && envelope_.size > extensions_.size_limit)
        return decided_here(552, "5.3.4",
                            fmt::format("the message has {} octets and the server takes {}", envelope_.size,
                                        extensions_.size_limit));
    if (envelope_.smtputf8 && !extensions_.smtputf8)
        return decided_here(550, "5.6.9",
                            "the header of the message holds UTF-8 and the server does not offer SMTPUTF8");
    if (envelope_.sender && envelope_.sender->needs_utf8() && !extensions_.smtputf8)
        return decided_here(553, "5.6.7",
                            "the sender's address holds UTF-8 and the server does not offer SMTPUTF8");
    if (envelope_.eight_bit && !extensions_.eight_bit_mime)
        return decided_here(
            554, "5.6.3",
            fmt::format("the message holds 8-bit content and the server does not offer 8BITMIME{}{}",
                        envelope_.not_convertible.empty() ? "" : "; it cannot be converted: ",
                        envelope_.not_convertible));
    if (envelope_.requiretls && !extensions_.requiretls && envelope_.sender)
        return decided_here(550, "5.7.30",
                            "the message requires TLS on all of its way (REQUIRETLS) and the server does not "
                            "promise that");
    return std::nullopt;
}

/// Who gets a RCPT here; the others get their outcome.
void MailTransaction::name_recipients() {
    const SessionLimits& limits = extensions_.limits;
    std::set<std::string> domains;
    for (std::size_t i = 0; i < envelope_.recipients.size(); ++i) {
        if (settled_[i]) continue;
        const Address& address = envelope_.recipients[i].address;
        if (address.needs_utf8() && !extensions_.smtputf8) {
            settle(i, decided_here(553, "5.6.7",
                                   "the recipient's address holds UTF-8 and the server does not offer "
                                   "SMTPUTF8"));
            continue;
        }
        if (limits.rcpt_max > 0 && named_.size() == limits.rcpt_max) {
            settle(i, one_too_many(RecipientOutcome::Split::next_transaction,
                                   fmt::format("the server takes {} recipients at once", limits.rcpt_max)));
            continue;
        }
        if (limits.rcpt_domain_max > 0) {
            const std::string domain = address.host_str();
            if (domains.size() == limits.rcpt_domain_max && !domains.contains(domain)) {
                settle(i, one_too_many(RecipientOutcome::Split::next_session,
                                       fmt::format("the server takes {} recipient domains in a session",
                                                   limits.rcpt_domain_max)));
                continue;
            }
            domains.insert(domain);
        }
        named_.push_back(i);
    }
}

/// RFC 6531 §3.4: said for what needs it, and for nothing else.
bool MailTransaction::needs_smtputf8() const {
    if (envelope_.smtputf8 || (envelope_.sender && envelope_.sender->needs_utf8())) return true;
    return std::any_of(named_.begin(), named_.end(),
                       [&](std::size_t i) { return envelope_.recipients[i].address.needs_utf8(); });
}

std::string MailTransaction::command(std::size_t index) const {
    if (index < mail_index_) return "RSET\r\n";
    if (index == mail_index_) return mail_command();
    const std::size_t place = index - mail_index_ - 1;
    return place < named_.size() ? rcpt_command(envelope_.recipients[named_[place]]) : "DATA\r\n";
}

std::string MailTransaction::mail_command() const {
    std::string command =
        fmt::format("MAIL FROM:<{}>", envelope_.sender ? envelope_.sender->str() : std::string());
    if (extensions_.size) command += fmt::format(" SIZE={}", envelope_.size);
    if (envelope_.eight_bit) command += " BODY=8BITMIME";
    if (needs_smtputf8()) command += " SMTPUTF8";
    if (envelope_.requiretls && extensions_.requiretls) command += " REQUIRETLS";
    if (extensions_.dsn) {
        if (envelope_.ret != Ret::unset) command += fmt::format(" RET={}", to_string(envelope_.ret));
        if (is_envid(envelope_.envid)) command += fmt::format(" ENVID={}", envelope_.envid);
    }
    return command + "\r\n";
}

std::string MailTransaction::rcpt_command(const MailRecipient& recipient) const {
    std::string command = fmt::format("RCPT TO:<{}>", recipient.address.str());
    if (extensions_.dsn) {
        if (is_notify(recipient.notify)) command += fmt::format(" NOTIFY={}", recipient.notify);
        if (is_orcpt(recipient.orcpt)) command += fmt::format(" ORCPT={}", recipient.orcpt);
    }
    return command + "\r\n";
}

/// What goes out next, once every reply to what went out before has been read.
MailTransaction::Step MailTransaction::next_group() {
    const std::size_t data_index = mail_index_ + 1 + named_.size();
    if (mail_refusal_ || (sent_ == data_index && accepted_ == 0)) {
        reset_needed_ = !mail_refusal_ || accepted_ > 0;
        return finish(Step::Act::done);
    }
    // Chunks wait for the replies to all RCPT (RFC 3030 §2): their octets cannot be taken back.
    if (extensions_.chunking && sent_ == data_index) {
        state_ = State::chunks;
        return next_chunk();
    }
    const std::size_t group_end = data_index + (extensions_.chunking ? 0 : 1);
    const std::size_t end = std::min(group_end, sent_ + (extensions_.pipelining ? max_group : 1));
    Step step{.act = Step::Act::send};
    for (; sent_ < end; ++sent_) step.bytes += command(sent_);
    return step;
}

/// The last chunk waits until all before it were accepted, so that its reply is the verdict on the whole.
MailTransaction::Step MailTransaction::next_chunk() {
    const std::uint64_t octets = std::min(envelope_.size - chunked_, max_chunk);
    const bool last = chunked_ + octets == envelope_.size;
    const std::size_t room = extensions_.pipelining && !last ? max_chunks_unanswered : 1;
    if (sent_ - answered_ >= room) return {.act = Step::Act::read};
    chunked_ += octets;
    ++sent_;
    if (last) state_ = State::final_reply;
    return {.act = Step::Act::send_chunk,
            .bytes = fmt::format("BDAT {}{}\r\n", octets, last ? " LAST" : ""),
            .octets = octets};
}

MailTransaction::Step MailTransaction::on_group(const Reply& reply) {
    const std::size_t index = answered_++;
    if (index < mail_index_) return on_rset(reply);
    if (index == mail_index_) return on_mail(reply);
    const std::size_t place = index - mail_index_ - 1;
    return place < named_.size() ? on_rcpt(reply, named_[place]) : on_data(reply);
}

MailTransaction::Step MailTransaction::on_rset(const Reply& reply) {
    // It cannot be refused (RFC 5321 §4.1.1.5): whoever does so has another idea of where we are.
    return reply.severity() == 2 ? go_on() : break_off(reply, rset_word);
}

MailTransaction::Step MailTransaction::on_mail(const Reply& reply) {
    if (reply.code == 421 || reply.severity() == 3) return break_off(reply, mail_word);
    if (is_refusal(reply)) {
        mail_refusal_ = outcome_of(reply, mail_word);
        settle_all(*mail_refusal_);
    }
    return go_on();
}

MailTransaction::Step MailTransaction::on_rcpt(const Reply& reply, std::size_t recipient) {
    if (reply.code == 421 || reply.severity() == 3) return break_off(reply, rcpt_word);
    if (reply.severity() == 2) {
        ++accepted_;
        return go_on();
    }
    if (settled_[recipient]) return go_on();  // MAIL was refused: the rest only follows from that

    RecipientOutcome outcome = outcome_of(reply, rcpt_word);
    // 552 is the old word for "too many recipients" (RFC 5321 §4.5.3.1.10), and both codes mean a lack of
    // room too: the enhanced code tells, where there is one.
    const bool says_other = outcome.enhanced != "4.0.0" && outcome.enhanced != "4.5.3" &&
                            outcome.enhanced != "5.0.0" && outcome.enhanced != "5.5.3";
    if ((reply.code == 452 || reply.code == 552) && recipient != named_.front() && !says_other) {
        outcome.result = RecipientOutcome::Result::deferred;
        outcome.enhanced = "4.5.3";
        // With nobody accepted there is no transaction whose end could make room.
        if (accepted_ > 0) outcome.split = RecipientOutcome::Split::next_transaction;
    }
    settle(recipient, std::move(outcome));
    return go_on();
}

MailTransaction::Step MailTransaction::on_data(const Reply& reply) {
    if (reply.code == 421 || reply.severity() == 2) return break_off(reply, data_word);
    if (is_refusal(reply)) {
        settle_all(outcome_of(reply, data_word));
        reset_needed_ = true;
        return finish(Step::Act::done);
    }
    if (mail_refusal_ && accepted_ > 0) {
        // It refused the sender, took a recipient and wants data: a dot could deliver an empty message.
        return finish(Step::Act::close);
    }
    if (accepted_ == 0) {
        state_ = State::empty_data;  // RFC 2920 §3.1
        return {.act = Step::Act::send, .bytes = ".\r\n"};
    }
    state_ = State::final_reply;
    return {.act = Step::Act::send_body};
}

MailTransaction::Step MailTransaction::on_chunk(const Reply& reply) {
    ++answered_;
    if (reply.code == 421 || reply.severity() == 3 || is_unknown_command(reply))
        return break_off(reply, bdat_word);
    if (is_refusal(reply) && !chunk_refusal_) chunk_refusal_ = outcome_of(reply, bdat_word);
    if (!chunk_refusal_) return next_chunk();
    if (answered_ < sent_) return {.act = Step::Act::read};
    settle_all(*chunk_refusal_);
    reset_needed_ = true;  // RFC 3030 §2: what a failed BDAT leaves behind is indeterminate
    return finish(Step::Act::done);
}

MailTransaction::Step MailTransaction::on_final(const Reply& reply) {
    const std::string_view word = extensions_.chunking ? bdat_word : end_word;
    if (reply.code == 421 || reply.severity() == 3) return break_off(reply, word);
    if (extensions_.chunking) {
        if (is_unknown_command(reply)) return break_off(reply, word);
        reset_needed_ = is_refusal(reply);
    }
    settle_all(outcome_of(reply, word));
    return finish(Step::Act::done);
}

MailTransaction::Step MailTransaction::go_on() {
    return answered_ < sent_ ? Step{.act = Step::Act::read} : next_group();
}

MailTransaction::Step MailTransaction::finish(Step::Act act) {
    state_ = State::over;
    return {.act = act};
}

/// 421, or a reply that the command cannot have: replies and commands may be out of step from here on. A
/// server that offered BDAT and does not know it reads the body as commands.
MailTransaction::Step MailTransaction::break_off(const Reply& reply, std::string_view command) {
    RecipientOutcome outcome = outcome_of(reply, command);
    outcome.result = RecipientOutcome::Result::deferred;
    if (reply.code != 421) {
        outcome.enhanced = "4.5.0";
        outcome.text = fmt::format("unexpected reply: {}", outcome.text);
    }
    settle_all(outcome);
    return finish(Step::Act::close);
}

/// Replies and commands are out of step, nobody knows since when: what earlier replies seemed to say about a
/// recipient is forgotten.
MailTransaction::Step MailTransaction::confused() {
    settled_.assign(settled_.size(), false);
    settle_all(decided_here(421, "4.5.0", "the server sent octets that no command asked for"));
    return finish(Step::Act::close);
}

RecipientOutcome MailTransaction::outcome_of(const Reply& reply, std::string_view command) const {
    RecipientOutcome outcome;
    outcome.code = reply.code;
    if (reply.severity() == 2) outcome.result = RecipientOutcome::Result::delivered;
    if (reply.severity() == 5) outcome.result = RecipientOutcome::Result::failed;
    std::optional<std::string> enhanced;
    if (extensions_.enhanced_status_codes) enhanced = reply.enhanced_status();
    outcome.enhanced = enhanced ? std::move(*enhanced) : fmt::format("{}.0.0", reply.severity());
    outcome.text = reply.text();
    outcome.command = command;
    return outcome;
}

bool MailTransaction::gets_dsn_parameters(const MailRecipient& recipient) const {
    const bool whole = (recipient.notify.empty() || is_notify(recipient.notify)) &&
                       (recipient.orcpt.empty() || is_orcpt(recipient.orcpt)) &&
                       (envelope_.envid.empty() || is_envid(envelope_.envid));
    return extensions_.dsn && whole;
}

void MailTransaction::settle(std::size_t recipient, RecipientOutcome outcome) {
    outcome.dsn_passed_on = outcome.result == RecipientOutcome::Result::delivered &&
                            gets_dsn_parameters(envelope_.recipients[recipient]);
    outcomes_[recipient] = std::move(outcome);
    settled_[recipient] = true;
}

void MailTransaction::settle_all(const RecipientOutcome& outcome) {
    for (std::size_t i = 0; i < outcomes_.size(); ++i)
        if (!settled_[i]) settle(i, outcome);
}

}  // namespace sealpost
