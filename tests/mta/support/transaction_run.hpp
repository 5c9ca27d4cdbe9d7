/// \file run(): a MailTransaction fed replies from a table, and what it wrote.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "mta/smtp/mail_transaction.hpp"

namespace sealpost::test {

inline Address address(std::string_view text) {
    return Address::parse(text, AddressCharset::utf8).value();
}

inline MailEnvelope envelope(std::size_t recipients) {
    MailEnvelope made;
    made.sender = address("s@example.org");
    for (std::size_t i = 0; i < recipients; ++i)
        made.recipients.emplace_back(address(fmt::format("r{}@example.net", i)));
    made.size = 1000;
    return made;
}

inline Extensions offering(bool pipelining) {
    Extensions made;
    made.pipelining = pipelining;
    made.enhanced_status_codes = true;
    return made;
}

struct Run {
    MailTransaction::Step::Act act = MailTransaction::Step::Act::done;  ///< the last one
    std::string sent;                        ///< all octets; "<body>" or "<octets>" where the body went
    std::vector<RecipientOutcome> outcomes;  ///< as they stand at the end
    bool reset_needed = false;
    bool used_all = false;  ///< every reply was asked for
};

inline Run run(MailTransaction transaction, const std::vector<Reply>& replies) {
    using Act = MailTransaction::Step::Act;
    Run result;
    MailTransaction::Step step = transaction.start();
    std::size_t next = 0;
    while (true) {
        result.sent += step.bytes;
        result.act = step.act;
        if (step.act == Act::send_body) result.sent += "<body>";
        if (step.act == Act::send_chunk) {
            result.sent += fmt::format("<{}>", step.octets);
            step = transaction.chunk_sent();
            continue;
        }
        if (step.act == Act::done || step.act == Act::close || next == replies.size()) break;
        step = transaction.next(replies[next++]);
    }
    result.outcomes = transaction.outcomes();
    result.reset_needed = transaction.reset_needed();
    result.used_all = next == replies.size();
    return result;
}

inline const Reply ok{250, {"2.1.0 Ok"}};
inline const Reply go{354, {"go"}};
inline const Reply queued{250, {"2.0.0 Ok: queued as 1"}};
inline const Reply unknown_user{550, {"5.1.1 unknown"}};
inline const Reply closing{421, {"4.3.2 closing"}};

}  // namespace sealpost::test
