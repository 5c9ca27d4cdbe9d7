#include "mta/smtp/mail_transaction.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sealpost {

//  idle         start()                          -> group: MAIL, RCPT.., DATA, pipelined or one by one
//  group        354, a recipient was accepted    -> final_reply, whose reply settles all who were accepted
//  group        354, none was accepted           -> empty_data: a lone dot, whose reply says nothing
//  group        MAIL, DATA or every RCPT refused -> over, without data
//  final_reply, empty_data   any reply           -> over
//  any          421, a reply of a class that the command does not know, lost() -> over; who has no outcome
//               is deferred

namespace {

constexpr std::string_view mail_word = "MAIL FROM";
constexpr std::string_view rcpt_word = "RCPT TO";
constexpr std::string_view data_word = "DATA";
constexpr std::string_view end_word = "end of DATA";

RecipientOutcome decided_here(int code, std::string_view enhanced, std::string text) {
    return {RecipientOutcome::Result::failed, code, std::string(enhanced), std::move(text), {}};
}

bool is_refusal(const Reply& reply) {
    return reply.severity() == 4 || reply.severity() == 5;
}

}  // namespace

MailTransaction::MailTransaction(MailEnvelope envelope, const Extensions& extensions)
    : envelope_(std::move(envelope)),
      extensions_(extensions),
      outcomes_(envelope_.recipients.size()),
      settled_(envelope_.recipients.size(), false) {}

MailTransaction::Step MailTransaction::start() {
    if (envelope_.recipients.empty()) return finish(Step::Act::done);
    if (const std::optional<RecipientOutcome> refusal = refuse_locally()) {
        settle_all(*refusal);
        return finish(Step::Act::done);
    }
    state_ = State::group;
    return next_group();
}

MailTransaction::Step MailTransaction::next(const Reply& reply) {
    switch (state_) {
        case State::group: {
            const std::size_t index = answered_++;
            if (index == 0) return on_mail(reply);
            return index <= envelope_.recipients.size() ? on_rcpt(reply) : on_data(reply);
        }
        case State::final_reply:
            return on_final(reply);
        case State::empty_data:
            return finish(reply.code == 421 ? Step::Act::close : Step::Act::done);
        case State::idle:
        case State::over:
            break;
    }
    return finish(Step::Act::close);
}

void MailTransaction::lost(std::string_view enhanced, std::string_view text) {
    settle_all({RecipientOutcome::Result::deferred, 421, std::string(enhanced), std::string(text), {}});
    state_ = State::over;
}

std::optional<RecipientOutcome> MailTransaction::refuse_locally() const {
    if (extensions_.size_limit > 0 && envelope_.size > extensions_.size_limit)
        return decided_here(552, "5.3.4",
                            fmt::format("the message has {} octets and the server takes {}", envelope_.size,
                                        extensions_.size_limit));
    if (envelope_.eight_bit && !extensions_.eight_bit_mime)
        return decided_here(554, "5.6.3",
                            "the message holds 8-bit content and the server does not offer 8BITMIME");
    if (envelope_.requiretls && !extensions_.requiretls && envelope_.sender)
        return decided_here(550, "5.7.30",
                            "the message requires TLS on all of its way (REQUIRETLS) and the server does not "
                            "promise that");
    const auto needs_utf8 = [](const Address& address) { return address.needs_utf8(); };
    if ((envelope_.sender && needs_utf8(*envelope_.sender)) ||
        std::any_of(envelope_.recipients.begin(), envelope_.recipients.end(), needs_utf8))
        return decided_here(553, "5.6.7", "an address needs SMTPUTF8, which is not supported here");
    return std::nullopt;
}

std::string MailTransaction::mail_command() const {
    std::string command =
        fmt::format("MAIL FROM:<{}>", envelope_.sender ? envelope_.sender->str() : std::string());
    if (extensions_.size) command += fmt::format(" SIZE={}", envelope_.size);
    if (envelope_.eight_bit) command += " BODY=8BITMIME";
    if (envelope_.requiretls && extensions_.requiretls) command += " REQUIRETLS";
    return command + "\r\n";
}

/// What goes out next, once every reply to what went out before has been read.
MailTransaction::Step MailTransaction::next_group() {
    const std::size_t data_index = envelope_.recipients.size() + 1;
    if (mail_refusal_ || (sent_ == data_index && accepted_ == 0)) {
        reset_needed_ = !mail_refusal_ || accepted_ > 0;
        return finish(Step::Act::done);
    }
    const std::size_t end = std::min(data_index + 1, sent_ + (extensions_.pipelining ? max_group : 1));
    std::string bytes;
    for (; sent_ < end; ++sent_) {
        if (sent_ == 0)
            bytes += mail_command();
        else if (sent_ < data_index)
            bytes += fmt::format("RCPT TO:<{}>\r\n", envelope_.recipients[sent_ - 1].str());
        else
            bytes += "DATA\r\n";
    }
    return {Step::Act::send, std::move(bytes)};
}

MailTransaction::Step MailTransaction::on_mail(const Reply& reply) {
    if (reply.code == 421 || reply.severity() == 3) return break_off(reply, mail_word);
    if (is_refusal(reply)) {
        mail_refusal_ = outcome_of(reply, mail_word);
        settle_all(*mail_refusal_);
    }
    return go_on();
}

MailTransaction::Step MailTransaction::on_rcpt(const Reply& reply) {
    if (reply.code == 421 || reply.severity() == 3) return break_off(reply, rcpt_word);
    if (reply.severity() == 2) {
        ++accepted_;
        return go_on();
    }
    const std::size_t recipient = answered_ - 2;
    if (settled_[recipient]) return go_on();  // MAIL was refused: the rest only follows from that

    RecipientOutcome outcome = outcome_of(reply, rcpt_word);
    // 552 is the old word for "too many recipients" (RFC 5321 §4.5.3.1.10), unless its
    // enhanced code says otherwise.
    const bool says_other = outcome.enhanced != "5.0.0" && outcome.enhanced != "5.5.3";
    if (reply.code == 552 && recipient > 0 && !says_other) {
        outcome.result = RecipientOutcome::Result::deferred;
        outcome.enhanced = "4.5.3";
    }
    outcomes_[recipient] = std::move(outcome);
    settled_[recipient] = true;
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
        return {Step::Act::send, ".\r\n"};
    }
    state_ = State::final_reply;
    return {Step::Act::send_body, {}};
}

MailTransaction::Step MailTransaction::on_final(const Reply& reply) {
    if (reply.code == 421 || reply.severity() == 3) return break_off(reply, end_word);
    settle_all(outcome_of(reply, end_word));
    return finish(Step::Act::done);
}

MailTransaction::Step MailTransaction::go_on() {
    return answered_ < sent_ ? Step{Step::Act::read, {}} : next_group();
}

MailTransaction::Step MailTransaction::finish(Step::Act act) {
    state_ = State::over;
    return {act, {}};
}

/// 421, or a reply that the command cannot have: replies and commands may be out of step from here on.
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

void MailTransaction::settle_all(const RecipientOutcome& outcome) {
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
        if (settled_[i]) continue;
        outcomes_[i] = outcome;
        settled_[i] = true;
    }
}

}  // namespace sealpost
