#include "mta/smtp/session_use.hpp"

#include <doctest/doctest.h>

#include "tests/mta/support/transaction_run.hpp"

using sealpost::MailEnvelope;
using sealpost::SessionLimits;
using sealpost::SessionUse;
using namespace sealpost::test;

namespace {

MailEnvelope to(std::initializer_list<const char*> recipients) {
    MailEnvelope made = envelope(0);
    for (const char* recipient : recipients) made.recipients.emplace_back(address(recipient));
    return made;
}

}  // namespace

TEST_SUITE("mta/smtp/session_use") {
    TEST_CASE("without LIMITS a session has no end") {
        SessionUse use(SessionLimits{});
        for (int i = 0; i < 1000; ++i) use.count(to({"a@example.net"}));
        CHECK(use.admits(to({"a@other.example"})));
    }

    TEST_CASE("MAILMAX counts the MAIL commands of a session") {
        SessionUse use({.mail_max = 2, .rcpt_max = 0, .rcpt_domain_max = 0});
        const MailEnvelope mail = to({"a@example.net"});
        use.count(mail);
        CHECK(use.admits(mail));
        use.count(mail);
        CHECK_FALSE(use.admits(mail));
    }

    TEST_CASE("RCPTDOMAINMAX counts the domains of a session whatever their case") {
        SessionUse use({.mail_max = 0, .rcpt_max = 0, .rcpt_domain_max = 2});
        CHECK(use.admits(to({"a@one.example", "a@two.example", "a@three.example"})));  // split by itself
        use.count(to({"a@one.example"}));
        CHECK(use.admits(to({"b@ONE.example", "a@two.example"})));
        CHECK_FALSE(use.admits(to({"a@two.example", "a@three.example"})));
        use.count(to({"a@two.example"}));
        CHECK(use.admits(to({"c@one.example", "c@two.example"})));
        CHECK_FALSE(use.admits(to({"a@three.example"})));
    }

}  // TEST_SUITE("mta/smtp/session_use")
