#include "mta/smtp/session_opening.hpp"

#include <doctest/doctest.h>

#include <vector>

using sealpost::Extensions;
using sealpost::OpeningFailure;
using sealpost::Reply;
using sealpost::SessionOpening;
using sealpost::StartTls;
using Act = SessionOpening::Step::Act;

namespace {

const Reply greeting{220, {"mx.example ESMTP"}};
const Reply with_tls{250, {"mx.example", "PIPELINING", "STARTTLS"}};
const Reply without_tls{250, {"mx.example", "PIPELINING"}};
const Reply go_ahead{220, {"2.0.0 go ahead"}};

struct Table {
    std::vector<Reply> replies;  ///< fed in order; the handshake succeeds where it is asked for
    StartTls tls;
    Act act;                        ///< of the last step
    std::vector<std::string> sent;  ///< all commands
    std::optional<OpeningFailure> failure;
};

void check(const Table& row) {
    SessionOpening opening("us.example", row.tls);
    std::vector<std::string> sent;
    SessionOpening::Step step{Act::give_up, {}};
    for (const Reply& reply : row.replies) {
        step = opening.next(reply, false);
        if (step.act == Act::start_tls) step = opening.tls_established();
        if (step.act == Act::send) sent.push_back(step.command);
    }
    CHECK(step.act == row.act);
    CHECK(sent == row.sent);
    CHECK(opening.failure() == row.failure);
}

const std::string ehlo = "EHLO us.example\r\n";
const std::string helo = "HELO us.example\r\n";
const std::string starttls = "STARTTLS\r\n";

}  // namespace

TEST_SUITE("mta/smtp/session_opening") {
    TEST_CASE("greeting EHLO STARTTLS handshake EHLO [TLS-01 TLS-05 SMTP-11]") {
        for (const StartTls tls : {StartTls::opportunistic, StartTls::require})
            check({{greeting, with_tls, go_ahead, without_tls}, tls, Act::ready, {ehlo, starttls, ehlo}, {}});
    }

    TEST_CASE("REQUIRETLS counts only when it is offered inside TLS [REQTLS-11]") {
        const Reply both{250, {"mx.example", "REQUIRETLS", "STARTTLS"}};
        const Reply offered{250, {"mx.example", "REQUIRETLS"}};
        const auto requiretls = [](const std::vector<Reply>& replies, StartTls tls) {
            SessionOpening opening("us.example", tls);
            for (const Reply& reply : replies)
                if (opening.next(reply, false).act == Act::start_tls) (void)opening.tls_established();
            return opening.extensions().requiretls;
        };
        CHECK(requiretls({greeting, both, go_ahead, offered}, StartTls::require));
        CHECK_FALSE(requiretls({greeting, both, go_ahead, without_tls}, StartTls::require));
        CHECK_FALSE(requiretls({greeting, offered}, StartTls::opportunistic));
        CHECK_FALSE(requiretls({greeting, both}, StartTls::never));
        CHECK_FALSE(requiretls({greeting, both, {454, {"later"}}}, StartTls::opportunistic));
    }

    TEST_CASE("without STARTTLS the session stays in clear only when TLS is not required [TLS-01]") {
        check({{greeting, without_tls}, StartTls::opportunistic, Act::ready, {ehlo}, {}});
        check({{greeting, without_tls},
               StartTls::require,
               Act::give_up,
               {ehlo},
               OpeningFailure::starttls_not_offered});
        check({{greeting, with_tls}, StartTls::never, Act::ready, {ehlo}, {}});
    }

    TEST_CASE("HELO follows a refused EHLO only when TLS is not required [TLS-02 SMTP-11]") {
        const Reply no{502, {"what"}};
        const Reply later{451, {"later"}};
        check({{greeting, no, {250, {"hi"}}}, StartTls::opportunistic, Act::ready, {ehlo, helo}, {}});
        check({{greeting, no, {250, {"hi"}}}, StartTls::never, Act::ready, {ehlo, helo}, {}});
        check({{greeting, no}, StartTls::require, Act::give_up, {ehlo}, OpeningFailure::ehlo_refused});
        check(
            {{greeting, later}, StartTls::opportunistic, Act::give_up, {ehlo}, OpeningFailure::ehlo_refused});
        check({{greeting, no, no},
               StartTls::opportunistic,
               Act::give_up,
               {ehlo, helo},
               OpeningFailure::ehlo_refused});
        // Not after TLS: who spoke EHLO in clear speaks it there.
        check({{greeting, with_tls, go_ahead, no},
               StartTls::opportunistic,
               Act::give_up,
               {ehlo, starttls, ehlo},
               OpeningFailure::ehlo_refused});
    }

    TEST_CASE("a refused greeting ends the session [SMTP-12]") {
        for (const int code : {554, 521, 421, 450}) {
            CAPTURE(code);
            SessionOpening opening("us.example", StartTls::opportunistic);
            CHECK(opening.next({code, {"no"}}, false).act == Act::give_up);
            CHECK(opening.failure() == OpeningFailure::greeting_refused);
            CHECK(opening.last_reply().code == code);
            CHECK(opening.may_quit() == (code != 421));
        }
    }

    TEST_CASE("a refused STARTTLS goes on in clear on the same connection unless TLS is required [TLS-07]") {
        for (const int code : {454, 501, 502, 554}) {
            CAPTURE(code);
            const Reply no{code, {"TLS not available"}};
            check({{greeting, with_tls, no}, StartTls::opportunistic, Act::ready, {ehlo, starttls}, {}});
            check({{greeting, with_tls, no},
                   StartTls::require,
                   Act::give_up,
                   {ehlo, starttls},
                   OpeningFailure::starttls_refused});
            SessionOpening opening("us.example", StartTls::opportunistic);
            (void)opening.next(greeting, false);
            (void)opening.next(with_tls, false);
            (void)opening.next(no, false);
            CHECK(opening.starttls_refusal()->code == code);
            CHECK(opening.extensions().pipelining);
            CHECK_FALSE(opening.tls());
        }
    }

    TEST_CASE("421 at any step ends the session [SMTP-12]") {
        const std::vector<Reply> good{greeting, with_tls, go_ahead, without_tls};
        for (std::size_t fail_at = 0; fail_at < good.size(); ++fail_at) {
            CAPTURE(fail_at);
            SessionOpening opening("us.example", StartTls::opportunistic);
            for (std::size_t i = 0; i < fail_at; ++i)
                if (opening.next(good[i], false).act == Act::start_tls) (void)opening.tls_established();
            CHECK(opening.next({421, {"closing"}}, false).act == Act::give_up);
            CHECK_FALSE(opening.may_quit());
            CHECK(opening.extensions() == Extensions{});
        }
    }

    TEST_CASE("a reply that a step does not know ends the session [SMTP-13]") {
        const Reply odd{354, {"send it"}};
        const std::vector<Reply> good{greeting, with_tls, go_ahead, without_tls};
        for (std::size_t fail_at = 0; fail_at < good.size(); ++fail_at) {
            CAPTURE(fail_at);
            SessionOpening opening("us.example", StartTls::opportunistic);
            for (std::size_t i = 0; i < fail_at; ++i)
                if (opening.next(good[i], false).act == Act::start_tls) (void)opening.tls_established();
            CHECK(opening.next(odd, false).act == Act::give_up);
            CHECK(opening.failure() == OpeningFailure::protocol);
        }
        // 250 is no "go ahead": nobody knows who speaks next.
        check({{greeting, with_tls, {250, {"ok"}}},
               StartTls::opportunistic,
               Act::give_up,
               {ehlo, starttls},
               OpeningFailure::protocol});
    }

    TEST_CASE("octets behind a reply are an injection at every step [TLS-04]") {
        const std::vector<Reply> good{greeting, with_tls, go_ahead, without_tls};
        for (std::size_t fail_at = 0; fail_at < good.size(); ++fail_at) {
            CAPTURE(fail_at);
            for (const StartTls tls : {StartTls::opportunistic, StartTls::require}) {
                SessionOpening opening("us.example", tls);
                for (std::size_t i = 0; i < fail_at; ++i)
                    if (opening.next(good[i], false).act == Act::start_tls) (void)opening.tls_established();
                CHECK(opening.next(good[fail_at], true).act == Act::give_up);
                CHECK(opening.failure() == OpeningFailure::unsolicited_bytes);
                CHECK_FALSE(opening.may_quit());
            }
        }
    }

    TEST_CASE("what was said before TLS is forgotten [TLS-05 EXT-04]") {
        SessionOpening opening("us.example", StartTls::require);
        (void)opening.next(greeting, false);
        (void)opening.next({250, {"mx", "STARTTLS", "PIPELINING", "SIZE 10", "DSN"}}, false);
        CHECK(opening.starttls_offered());
        CHECK(opening.next(go_ahead, false).act == Act::start_tls);
        CHECK(opening.extensions() == Extensions{});
        (void)opening.tls_established();
        CHECK(opening.next({250, {"mx", "8BITMIME"}}, false).act == Act::ready);
        Extensions expected;
        expected.eight_bit_mime = true;
        CHECK(opening.extensions() == expected);
        CHECK(opening.tls());
    }

    TEST_CASE("STARTTLS inside TLS is ignored [TLS-06]") {
        SessionOpening opening("us.example", StartTls::opportunistic);
        (void)opening.next(greeting, false);
        (void)opening.next(with_tls, false);
        (void)opening.next(go_ahead, false);
        (void)opening.tls_established();
        CHECK(opening.next(with_tls, false).act == Act::ready);
        CHECK_FALSE(opening.extensions().starttls);
    }

    TEST_CASE("a handshake that nobody asked for is a fault [TLS-03]") {
        SessionOpening opening("us.example", StartTls::opportunistic);
        (void)opening.next(greeting, false);
        CHECK(opening.tls_established().act == Act::give_up);
        CHECK_FALSE(opening.tls());
    }

}  // TEST_SUITE("mta/smtp/session_opening")
