#include "mta/daemon/settlement.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "mta/daemon/clock.hpp"
#include "queue/retry.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using queue::Outcome;
using queue::test::noon;
using Said = RecipientOutcome::Result;

namespace {

/// One delivery of a message that came in at noon.
struct Scene {
    QueueSettings settings;
    queue::StoredMessage message{
        .id = queue::test::id_of(4711), .envelope = {}, .body = "Subject: hello\r\n\r\nHi\r\n"};
    DeliveryReport report{Domain::parse("example.net").value()};
    queue::MessageIdSource ids{5000};
    queue::Time now = noon + 10s;
    std::optional<queue::Time> lived_until;  ///< where the wall clock has jumped
    std::vector<double> random;
    bool sts_checked = false;
    security::Rule rule;
    std::function<std::optional<queue::NewMessage>(const queue::Dsn&)> build_dsn = queue::build_dsn;

    Scene() {
        settings.retry_jitter = 0.1;
        settings.notify_after = 0ms;
        message.envelope.sender = "sender@example.org";
        message.envelope.received_at = noon;
        message.envelope.expires_at = queue::expiry(settings, false, noon);
    }
    void add(RecipientOutcome outcome, std::string held_reason = {}, std::string remedy = {}) {
        const auto number = static_cast<std::uint32_t>(report.recipients.size());
        queue::DueRecipient due{.id = {message.id, number}, .recipient = {}};
        due.recipient.address = fmt::format("r{}@example.net", number);
        due.recipient.domain = "example.net";
        report.recipients.push_back({.recipient = std::move(due),
                                     .outcome = std::move(outcome),
                                     .host = held_reason.empty() ? "mx.example.net" : "",
                                     .relay = "mx.example.net[192.0.2.1]:25",
                                     .tls = "Verified(dane)",
                                     .held_reason = std::move(held_reason),
                                     .remedy = std::move(remedy)});
        random.push_back(0.5);
    }
    [[nodiscard]] SettlementPlan plan() {
        SettlementInput in;
        in.settings = &settings;
        in.hostname = "mta.example.org";
        in.message = &message;
        in.report = &report;
        in.began = noon + 2s;
        in.now = now;
        in.lived_until = lived_until.value_or(now);
        in.connecting = 300ms;
        in.sending = 40ms;
        in.random = random;
        in.sts_checked = sts_checked;
        in.ids = &ids;
        in.times = queue::destination_times(settings, rule);
        in.contact = rule.contact;
        in.build_dsn = build_dsn;
        return plan_settlement(in);
    }
};

RecipientOutcome delivered() {
    return {.result = Said::delivered,
            .code = 250,
            .enhanced = "2.0.0",
            .text = "queued as 1",
            .command = "DATA"};
}
RecipientOutcome busy() {
    return {.result = Said::deferred, .code = 450, .enhanced = "4.2.0", .text = "busy", .command = "RCPT TO"};
}
RecipientOutcome no_answer() {
    return {.result = Said::deferred, .code = 0, .enhanced = "4.4.1", .text = "no answer", .command = {}};
}
RecipientOutcome held() {
    return {.result = Said::deferred,
            .code = 0,
            .enhanced = "4.7.5",
            .text = "no TLSA record matches mx.example.net",
            .command = {}};
}
RecipientOutcome refused() {
    return {.result = Said::failed,
            .code = 550,
            .enhanced = "5.1.1",
            .text = "no such user",
            .command = "RCPT TO"};
}

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

const queue::NewMessage& the_notice(const SettlementPlan& plan) {
    REQUIRE(plan.settlement.notices.size() == 1);
    return plan.settlement.notices[0].message;
}

/// The paragraphs of a text part in one line each.
std::string unwrapped(std::string text) {
    for (std::size_t at = 0; (at = text.find("\r\n  ", at)) != std::string::npos;) text.replace(at, 4, " ");
    return text;
}

}  // namespace

TEST_SUITE("mta/daemon/settlement") {
    TEST_CASE("a delivered recipient is settled and logged as sent") {
        Scene scene;
        scene.add(delivered());
        const SettlementPlan plan = scene.plan();
        REQUIRE(plan.settlement.recipients.size() == 1);
        const queue::RecipientOutcome& out = plan.settlement.recipients[0];
        CHECK(out.outcome == Outcome::delivered);
        CHECK(out.status == "2.0.0");
        CHECK(out.reply == "250 queued as 1");
        CHECK(out.host == "mx.example.net");
        CHECK(out.held_reason.empty());
        CHECK(plan.settlement.notices.empty());
        REQUIRE(plan.lines.size() == 1);
        const DeliveryLine& line = plan.lines[0];
        CHECK(line.status == "sent");
        CHECK(line.queue_id == scene.message.id.str());
        CHECK(line.recipient == "r0@example.net");
        CHECK(line.relay == "mx.example.net[192.0.2.1]:25");
        CHECK(line.before == 2s);
        CHECK(line.total == 10s);
        CHECK(line.connecting == 300ms);
        CHECK(line.sending == 40ms);
        CHECK(line.dsn == "2.0.0");
        CHECK(line.text == "250 queued as 1");
        CHECK(line.tls == "Verified(dane)");
    }

    TEST_CASE("message and time and trace and TLS results go with the outcomes") {
        Scene scene;
        scene.add(delivered());
        scene.report.results.emplace_back().policy_domain_of_recipient = "example.net";
        const SettlementPlan plan = scene.plan();
        CHECK(plan.settlement.message == scene.message.id);
        CHECK(plan.settlement.at == scene.now);
        CHECK(holds(plan.settlement.trace, "\"domain\":\"example.net\""));
        CHECK(plan.settlement.tls_results == scene.report.results);
    }

    TEST_CASE(
        "each recipient has its own outcome and the notice names the failed ones alone [DSN-01 DSN-13]") {
        Scene scene;
        scene.add(delivered());
        scene.add(busy());
        scene.add(refused());
        const SettlementPlan plan = scene.plan();
        REQUIRE(plan.settlement.recipients.size() == 3);
        CHECK(plan.settlement.recipients[0].outcome == Outcome::delivered);
        CHECK(plan.settlement.recipients[1].outcome == Outcome::deferred);
        CHECK(plan.settlement.recipients[2].outcome == Outcome::failed);
        for (std::uint32_t i = 0; i < 3; ++i)
            CHECK(plan.settlement.recipients[i].recipient == queue::RecipientId{scene.message.id, i});
        CHECK(plan.lines[0].status == "sent");
        CHECK(plan.lines[1].status == "deferred");
        CHECK(plan.lines[2].status == "bounced");
        const queue::NewMessage& dsn = the_notice(plan);
        CHECK(dsn.envelope.sender.empty());
        REQUIRE(dsn.recipients.size() == 1);
        CHECK(dsn.recipients[0].address == "sender@example.org");
        CHECK(holds(dsn.body, "r2@example.net"));
        CHECK_FALSE(holds(dsn.body, "r0@example.net"));
        CHECK_FALSE(holds(dsn.body, "r1@example.net"));
        CHECK(holds(dsn.body, "Diagnostic-Code: smtp; 550 no such user"));
        CHECK(dsn.id.value() > 5000);
        CHECK(dsn.envelope.expires_at == queue::expiry(scene.settings, true, scene.now));
    }

    TEST_CASE("a code of our own is not quoted as a reply that no server gave [DSN-11]") {
        Scene scene;
        scene.add({.result = Said::deferred,
                   .code = 421,
                   .enhanced = "4.4.2",
                   .text = "connection lost",
                   .command = {}});
        scene.now = scene.message.envelope.expires_at;
        const SettlementPlan plan = scene.plan();
        CHECK(plan.lines[0].text == "connection lost");
        CHECK(holds(the_notice(plan).body, "connection lost"));
        CHECK_FALSE(holds(the_notice(plan).body, "421"));
        CHECK_FALSE(holds(the_notice(plan).body, "Diagnostic-Code:"));
    }

    TEST_CASE("a failed message from the null sender is told to nobody [SMTP-24 SMTP-25 DSN-04]") {
        Scene scene;
        scene.message.envelope.sender.clear();
        scene.add(refused());
        const SettlementPlan plan = scene.plan();
        CHECK(plan.settlement.recipients[0].outcome == Outcome::failed);
        CHECK(plan.lines[0].status == "bounced");
        CHECK(plan.settlement.notices.empty());
    }

    TEST_CASE("the wait grows with the attempts and stays within the longest wait [SMTP-22]") {
        queue::Time before = noon;
        for (unsigned attempts = 0; attempts < 12; ++attempts) {
            Scene scene;
            scene.add(busy());
            scene.report.recipients[0].recipient.attempts = attempts;
            const queue::Time next = scene.plan().settlement.recipients[0].next_attempt;
            CAPTURE(attempts);
            CHECK(next >= before);
            CHECK(next >= scene.now + 30min);
            CHECK(next <= scene.now + 4h);
            if (attempts == 0) CHECK(next == scene.now + 30min);
            before = next;
        }
        CHECK(before == noon + 10s + 4h);
    }

    TEST_CASE("chance moves the next attempt by no more than the jitter and each recipient for itself") {
        Scene scene;
        for (int i = 0; i < 4; ++i) scene.add(busy());
        scene.random = {0.0, 0.25, 0.999999};  // one too few: the middle stands in
        const SettlementPlan plan = scene.plan();
        std::vector<queue::Time> next;
        for (const queue::RecipientOutcome& out : plan.settlement.recipients)
            next.push_back(out.next_attempt);
        CHECK(next[0] == scene.now + 27min);
        CHECK(next[1] == scene.now + 28min + 30s);
        CHECK(next[2] > next[1]);
        CHECK(next[2] <= scene.now + 33min);
        CHECK(next[3] == scene.now + 30min);
    }

    TEST_CASE("no attempt is planned past the deadline; the last one falls on it") {
        Scene scene;
        scene.add(busy());
        scene.now = scene.message.envelope.expires_at - 1min;
        CHECK(scene.plan().settlement.recipients[0].next_attempt == scene.message.envelope.expires_at);
    }

    TEST_CASE(
        "a message that an enforced MTA-STS policy holds has one more attempt with a newer policy before it "
        "bounces [STS-68]") {
        struct Row {
            std::string rule;
            bool enforced, checked, held, late;
            Outcome outcome;
        };
        for (const Row& row :
             {Row{"it ran out while the attempt went on", true, false, true, true, Outcome::deferred},
              Row{"this was that attempt", true, true, true, true, Outcome::failed},
              Row{"the policy is not in force", false, false, true, true, Outcome::failed},
              Row{"no policy holds it", true, false, false, true, Outcome::failed},
              Row{"there is time left", true, false, true, false, Outcome::deferred}}) {
            CAPTURE(row.rule);
            Scene scene;
            scene.add(row.held ? held() : no_answer(), row.held ? "validation-failure" : "");
            scene.report.trace.sts.emplace();
            if (row.enforced) {
                scene.report.trace.sts->origin = security::StsOrigin::cached;
                scene.report.trace.sts->policy =
                    security::parse_sts_policy("version: STSv1\nmode: enforce\nmx: a\nmax_age: 1").value();
            }
            scene.sts_checked = row.checked;
            scene.now = noon + scene.settings.max_age + (row.late ? 1s : -1h);
            const SettlementPlan plan = scene.plan();
            const queue::RecipientOutcome& out = plan.settlement.recipients[0];
            CHECK(out.outcome == row.outcome);
            CHECK(plan.settlement.notices.size() == (row.outcome == Outcome::failed ? 1 : 0));
            if (row.outcome == Outcome::failed) continue;
            CHECK(out.held_reason == "validation-failure");
            if (row.late) CHECK(out.next_attempt == scene.now);  // at once
            CHECK(plan.lines[0].status == "deferred");
        }
    }

    TEST_CASE("time that ran out ends a deferral with a notice that says so [DSN-01 DSN-12]") {
        Scene scene;
        scene.add(busy());
        scene.add(no_answer());
        scene.now = scene.message.envelope.expires_at - 1ms;
        CHECK(scene.plan().settlement.recipients[0].outcome == Outcome::deferred);
        scene.now = scene.message.envelope.expires_at;
        const SettlementPlan plan = scene.plan();
        for (const std::size_t i : {0U, 1U}) {
            CHECK(plan.settlement.recipients[i].outcome == Outcome::failed);
            CHECK(plan.lines[i].status == "expired");
            CHECK(plan.lines[i].dsn[0] == '4');
        }
        CHECK(holds(the_notice(plan).body, "Status: 4.2.0"));
        CHECK(holds(the_notice(plan).body, "Diagnostic-Code: smtp; 450 busy"));
        CHECK(holds(the_notice(plan).body, "no answer"));
    }

    TEST_CASE(
        "a held message says which policy holds it and bounces only at the policy's deadline [STS-67]") {
        Scene scene;
        scene.add(held(), "tlsa-mismatch", "publish the key of mx.example.net");
        // Given a shorter lifetime than policy allows, the policy's is what counts.
        scene.message.envelope.expires_at = noon + 1h;
        const queue::Time deadline = noon + scene.settings.max_age;
        for (const queue::Time now : {noon + 10s, noon + 1h, noon + 24h, deadline - 1ms}) {
            scene.now = now;
            const SettlementPlan plan = scene.plan();
            const queue::RecipientOutcome& out = plan.settlement.recipients[0];
            CHECK(out.outcome == Outcome::deferred);
            CHECK(out.held_reason == "tlsa-mismatch");
            CHECK(out.next_attempt > now);
            CHECK(out.next_attempt <= deadline);
            CHECK(plan.settlement.notices.empty());
            CHECK(plan.lines[0].status == "deferred");
            CHECK(plan.lines[0].text ==
                  "held by policy, tlsa-mismatch: no TLSA record matches mx.example.net");
        }
        scene.now = deadline;
        CHECK(scene.plan().settlement.recipients[0].outcome == Outcome::failed);
    }

    TEST_CASE("the null sender's mail is held for the policy's time too") {
        Scene scene;
        scene.message.envelope.sender.clear();
        scene.message.envelope.expires_at = queue::expiry(scene.settings, true, noon);
        scene.add(held(), "tlsa-mismatch");
        scene.add(busy());
        scene.now = scene.message.envelope.expires_at;
        const SettlementPlan plan = scene.plan();
        CHECK(plan.settlement.recipients[0].outcome == Outcome::deferred);
        CHECK(plan.settlement.recipients[1].outcome == Outcome::failed);
    }

    TEST_CASE("the notice of a held message names policy and host and remedy [DSN-17]") {
        Scene scene;
        scene.add(held(), "tlsa-mismatch", "publish the key of mx.example.net");
        scene.report.trace.rule = "rule 'example.net' (partners.toml:3)";
        scene.report.trace.side = security::Side::theirs;
        scene.rule.contact = "hostmaster@example.net";
        scene.now = noon + scene.settings.max_age;
        const SettlementPlan plan = scene.plan();
        const std::string& body = the_notice(plan).body;
        CHECK(holds(body, "Transport security held this message back"));
        CHECK(holds(body, "tlsa-mismatch"));
        CHECK(holds(body, "mx.example.net"));
        CHECK(holds(body, "publish the key of"));
        CHECK(holds(unwrapped(body), "rule 'example.net' (partners.toml:3)"));
        CHECK(holds(unwrapped(body), "Whom to ask there: hostmaster@example.net."));
        CHECK(holds(body, "Who must act: the recipient's side."));
        CHECK_FALSE(holds(body, "Diagnostic-Code: smtp"));  // no server said a word [DSN-11]
        CHECK(plan.lines[0].status == "expired");
    }

    TEST_CASE("a message whose wish about TLS failed comes back with what helps in plain words [REQTLS-17]") {
        using security::MessageTls;
        struct Row {
            MessageTls tls;
            RecipientOutcome outcome;
            const char* words;  ///< in the notice, as it is wrapped
        };
        const auto ours = [](const char* enhanced, const char* text) {
            return RecipientOutcome{Said::failed, 550, enhanced, text, {}};
        };
        for (const Row& row : {
                 Row{MessageTls::required, ours("5.7.30", "no promise"), "support REQUIRETLS"},
                 Row{MessageTls::required,
                     {Said::failed, 550, "5.7.30", "no further", "MAIL FROM"},
                     "support REQUIRETLS"},
                 Row{MessageTls::required, ours("5.7.10", "no verified TLS"), "mend their TLS"},
                 Row{MessageTls::optional,
                     {Said::failed, 530, "5.7.0", "Must issue a STARTTLS command first", "MAIL FROM"},
                     "takes mail over TLS alone"},
                 Row{MessageTls::optional,
                     {Said::failed, 554, "5.7.10", "needed", "RCPT TO"},
                     "takes mail over TLS alone"},
             }) {
            CAPTURE(row.words);
            Scene scene;
            scene.message.envelope.tls = row.tls;
            scene.add(row.outcome);
            const SettlementPlan plan = scene.plan();
            CHECK(plan.settlement.recipients[0].outcome == Outcome::failed);
            CHECK(the_notice(plan).envelope.tls == row.tls);
            std::string flat = the_notice(plan).body;
            for (std::size_t at = 0; (at = flat.find("\r\n  ", at)) != std::string::npos;)
                flat.replace(at, 4, " ");
            CHECK(holds(flat, "What helps: "));
            CHECK(holds(flat, row.words));
            CHECK(holds(flat, "Status: " + row.outcome.enhanced));
            // The content of what required TLS is not sent back.
            CHECK(holds(flat, "\r\nHi\r\n") == (row.tls != MessageTls::required));
        }
    }

    TEST_CASE("words about TLS are said only of a wish of the message") {
        for (const auto tls : {security::MessageTls::by_policy, security::MessageTls::optional}) {
            Scene scene;
            scene.message.envelope.tls = tls;
            scene.add({Said::failed, 550, "5.7.30", "no further", "MAIL FROM"});
            scene.add({Said::failed, 530, "5.7.0", "Authentication required", "MAIL FROM"});
            const SettlementPlan plan = scene.plan();
            CHECK_FALSE(holds(the_notice(plan).body, "What helps"));
        }
        Scene known;
        known.message.envelope.tls = security::MessageTls::required;
        known.add({Said::failed, 550, "5.7.30", "no further", {}}, {}, "our own remedy");
        CHECK(holds(the_notice(known.plan()).body, "What helps: our own remedy"));
    }

    TEST_CASE("NOTIFY decides which event is told [DSN-01 DSN-02 DSN-06 DSN-07]") {
        struct Row {
            const char* notify;
            const char *failure, *delay, *success;  ///< the Action, or nothing
        };
        for (const Row& row : {
                 Row{"", "failed", "delayed", ""},
                 Row{"NEVER", "", "", ""},
                 Row{"FAILURE", "failed", "", ""},
                 Row{"delay", "", "delayed", ""},
                 Row{"SUCCESS", "", "", "relayed"},
                 Row{"SUCCESS,FAILURE", "failed", "", "relayed"},
                 Row{"SUCCESS,FAILURE,DELAY", "failed", "delayed", "relayed"},
                 Row{"damaged", "failed", "delayed", ""},
             }) {
            CAPTURE(row.notify);
            const auto told = [&row](const RecipientOutcome& outcome) -> std::string {
                Scene scene;
                scene.settings.notify_after = 4h;
                scene.now = noon + 5h;
                scene.add(outcome);
                scene.report.recipients[0].recipient.recipient.notify = row.notify;
                const SettlementPlan plan = scene.plan();
                CHECK(plan.notes.size() == plan.settlement.notices.size());
                if (outcome.result == Said::deferred)
                    CHECK(plan.settlement.recipients[0].notified == holds(row.delay, "delayed"));
                if (plan.settlement.notices.empty()) return {};
                const std::string& body = the_notice(plan).body;
                CHECK(holds(body, "Final-Recipient: rfc822; r0@example.net"));
                const std::size_t action = body.find("Action: ") + 8;
                return body.substr(action, body.find("\r\n", action) - action);
            };
            CHECK(told(refused()) == row.failure);
            CHECK(told(busy()) == row.delay);
            CHECK(told(delivered()) == row.success);
        }
    }

    TEST_CASE("a server that passes NOTIFY on leaves nothing for us to say of a success [DSN-06]") {
        Scene scene;
        scene.add(delivered());
        scene.add(refused());
        for (DeliveredRecipient& r : scene.report.recipients) {
            r.recipient.recipient.notify = "SUCCESS,FAILURE";
            r.dsn_passed_on = true;
        }
        const SettlementPlan plan = scene.plan();
        // What it refused it did not take over: that is ours to tell.
        CHECK_FALSE(holds(the_notice(plan).body, "r0@example.net"));
        CHECK(holds(the_notice(plan).body, "Action: failed"));
    }

    TEST_CASE("the delay is told once and with the first deferral at that age [DSN-07]") {
        struct Row {
            const char* what;
            Millis setting;
            std::optional<Millis> rule;
            Millis age;
            bool notified, told;
        };
        for (const Row& row :
             {Row{"too early", 4h, {}, 4h - 1ms, false, false}, Row{"at the age", 4h, {}, 4h, false, true},
              Row{"long after", 4h, {}, 50h, false, true}, Row{"told before", 4h, {}, 50h, true, false},
              Row{"never", 0ms, {}, 50h, false, false},
              Row{"the rule is sooner", 4h, 1min, 1min, false, true},
              Row{"the rule is later", 4h, 30h, 20h, false, false},
              Row{"the rule says never", 4h, 0ms, 50h, false, false}}) {
            CAPTURE(row.what);
            Scene scene;
            scene.settings.notify_after = row.setting;
            scene.rule.notify_after = row.rule;
            scene.add(busy());
            scene.report.recipients[0].recipient.notified = row.notified;
            scene.now = noon + row.age;
            const SettlementPlan plan = scene.plan();
            const queue::RecipientOutcome& out = plan.settlement.recipients[0];
            CHECK(out.outcome == Outcome::deferred);
            CHECK(out.next_attempt == scene.now + 30min);  // no sooner and no later for it
            CHECK(out.notified == row.told);
            CHECK(plan.settlement.notices.size() == (row.told ? 1 : 0));
        }
    }

    TEST_CASE("a delay names host and reply and until when it is tried [DSN-07 DSN-11]") {
        Scene scene;
        scene.settings.notify_after = 4h;
        scene.now = noon + 4h;
        scene.message.envelope.envid = "QQ+2B3";
        scene.add(busy());
        scene.report.recipients[0].recipient.recipient.orcpt = "rfc822;R0@Example.net";
        const SettlementPlan plan = scene.plan();
        const std::string& body = the_notice(plan).body;
        for (const char* part :
             {"Action: delayed\r\n", "Status: 4.2.0\r\n", "Remote-MTA: dns; mx.example.net\r\n",
              "Diagnostic-Code: smtp; 450 busy\r\n", "Will-Retry-Until: Wed, 20 Jan 2027 08:00:00 +0000\r\n",
              "Original-Envelope-Id: QQ+3\r\n", "Original-Recipient: rfc822; R0@Example.net\r\n",
              "mx.example.net said: 450 busy\r\n", "Content-Type: text/rfc822-headers\r\n"}) {
            CAPTURE(part);
            CHECK(holds(body, part));
        }
        CHECK(plan.settlement.notices[0].about == std::vector{queue::RecipientId{scene.message.id, 0}});
        REQUIRE(plan.notes.size() == 1);
        CHECK(plan.notes[0] ==
              scene.message.id.str() + ": sender delay notification: " + the_notice(plan).id.str());
    }

    TEST_CASE("a delay by policy names rule and remedy and the policy's own deadline [DSN-07 DSN-17]") {
        Scene scene;
        scene.settings.notify_after = 4h;
        scene.now = noon + 4h;
        scene.rule.max_age = 240h;
        scene.report.trace.rule = "rule 'example.net' (partners.toml:3)";
        scene.report.trace.side = security::Side::theirs;
        scene.add(held(), "tlsa-mismatch", "publish the key of mx.example.net");
        const std::string body = unwrapped(the_notice(scene.plan()).body);
        CHECK(holds(body,
                    "Transport security holds this message back (tlsa-mismatch, rule 'example.net' "
                    "(partners.toml:3)): no TLSA record matches mx.example.net"));
        CHECK(holds(body, "What helps: publish the key of mx.example.net"));
        CHECK(holds(body, "Who must act: the recipient's side."));
        CHECK(holds(body, "Will-Retry-Until: Mon, 25 Jan 2027 08:00:00 +0000\r\n"));
        CHECK_FALSE(holds(body, "Remote-MTA"));
    }

    TEST_CASE("the null sender is told of no event [DSN-04]") {
        Scene scene;
        scene.settings.notify_after = 4h;
        scene.now = noon + 5h;
        scene.message.envelope.sender.clear();
        for (const RecipientOutcome& outcome : {delivered(), busy(), refused()}) scene.add(outcome);
        for (DeliveredRecipient& r : scene.report.recipients)
            r.recipient.recipient.notify = "SUCCESS,FAILURE,DELAY";
        const SettlementPlan plan = scene.plan();
        CHECK(plan.settlement.notices.empty());
        CHECK(plan.notes.empty());
        for (const queue::RecipientOutcome& out : plan.settlement.recipients) CHECK_FALSE(out.notified);
    }

    TEST_CASE("each event has a notice of its own that all of its recipients share [DSN-13]") {
        Scene scene;
        scene.settings.notify_after = 4h;
        scene.now = noon + 5h;
        for (const RecipientOutcome& outcome : {refused(), delivered(), busy(), refused(), busy()})
            scene.add(outcome);
        scene.report.recipients[1].recipient.recipient.notify = "SUCCESS";
        const SettlementPlan plan = scene.plan();
        REQUIRE(plan.settlement.notices.size() == 3);
        struct Row {
            const char* action;
            std::vector<std::uint32_t> about;
        };
        const std::vector<Row> rows{{"failed", {0, 3}}, {"relayed", {1}}, {"delayed", {2, 4}}};
        std::vector<queue::MessageId> ids;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const queue::SettlementNotice& notice = plan.settlement.notices[i];
            CAPTURE(rows[i].action);
            CHECK(holds(notice.message.body, fmt::format("Action: {}\r\n", rows[i].action)));
            REQUIRE(notice.about.size() == rows[i].about.size());
            for (std::size_t n = 0; n < notice.about.size(); ++n)
                CHECK(notice.about[n].number == rows[i].about[n]);
            for (std::uint32_t r = 0; r < 5; ++r) {
                const bool about =
                    std::find(rows[i].about.begin(), rows[i].about.end(), r) != rows[i].about.end();
                CHECK(holds(notice.message.body, fmt::format("r{}@example.net", r)) == about);
            }
            ids.push_back(notice.message.id);
        }
        CHECK(std::set(ids.begin(), ids.end()).size() == 3);
    }

    TEST_CASE("a rule's max_age is the life of mail to its domains [STS-67 SMTP-22]") {
        struct Row {
            const char* what;
            Millis max_age;
            bool held;
            Millis age;
            Outcome outcome;
        };
        for (const Row& row : {Row{"longer", 240h, false, 239h, Outcome::deferred},
                               Row{"longer, over", 240h, false, 240h, Outcome::failed},
                               Row{"shorter", 1h, false, 59min, Outcome::deferred},
                               Row{"shorter, over", 1h, false, 1h, Outcome::failed},
                               Row{"held", 240h, true, 239h, Outcome::deferred},
                               Row{"held, over", 240h, true, 240h, Outcome::failed}}) {
            CAPTURE(row.what);
            Scene scene;
            scene.rule.max_age = row.max_age;
            scene.add(row.held ? held() : busy(), row.held ? "tlsa-mismatch" : "");
            scene.now = noon + row.age;
            const SettlementPlan plan = scene.plan();
            CHECK(plan.settlement.recipients[0].outcome == row.outcome);
            if (row.outcome == Outcome::deferred)
                CHECK(plan.settlement.recipients[0].next_attempt <= noon + row.max_age);
        }
    }

    TEST_CASE("the times of a destination come from its rule on that day") {
        RuleSettings exact;
        exact.pattern = "example.net";
        exact.max_age = 1h;
        RuleSettings below;
        below.pattern = ".example.net";
        below.notify_after = 2min;
        const auto table = security::RuleTable::build({exact, below}).value();
        const QueueSettings settings;
        CHECK(times_of(table, settings, "example.net", noon).max_age == 1h);
        CHECK(times_of(table, settings, "example.net", noon).by_rule);
        CHECK(times_of(table, settings, "mx.example.net", noon).notify_after == 2min);
        CHECK_FALSE(times_of(table, settings, "mx.example.net", noon).by_rule);
        CHECK(times_of(table, settings, "[192.0.2.1]", noon).max_age == settings.max_age);
        CHECK(times_of(table, settings, "", noon).notify_after == settings.notify_after);
    }

    TEST_CASE("what may be a second copy is said in log and trace and notice") {
        for (const unsigned interrupted : {0U, 2U}) {
            Scene scene;
            scene.add(delivered());
            scene.add(refused());
            scene.report.recipients[1].recipient.interrupted = interrupted;
            const SettlementPlan plan = scene.plan();
            CHECK_FALSE(plan.lines[0].possibly_duplicate);
            CHECK(plan.lines[1].possibly_duplicate == (interrupted > 0));
            CHECK(holds(plan.settlement.trace, "\"interrupted\":2") == (interrupted > 0));
            CHECK(holds(unwrapped(the_notice(plan).body), "may have arrived") == (interrupted > 0));
        }
    }

    TEST_CASE("a notice that cannot be made or stored keeps nothing else from being settled") {
        using Build = std::function<std::optional<queue::NewMessage>(const queue::Dsn&)>;
        struct Row {
            Build build;
            const char* why;
        };
        const Build broken = [](const queue::Dsn&) -> std::optional<queue::NewMessage> {
            throw std::runtime_error("no\nmemory");
        };
        const Build refused_later = [](const queue::Dsn& dsn) {
            auto notice = queue::build_dsn(dsn);
            notice->recipients[0].address += "\r\n";
            return notice;
        };
        for (const Row& row : {Row{broken, "no\\x0Amemory"}, Row{refused_later, "line end"}}) {
            Scene scene;
            scene.settings.notify_after = 4h;
            scene.now = noon + 5h;
            scene.build_dsn = row.build;
            for (const RecipientOutcome& outcome : {delivered(), refused(), busy()}) scene.add(outcome);
            const SettlementPlan plan = scene.plan();
            REQUIRE(plan.settlement.recipients.size() == 3);
            CHECK(plan.settlement.notices.empty());
            CHECK(plan.notes.empty());
            CHECK(plan.settlement.recipients[0].outcome == Outcome::delivered);
            CHECK(plan.lines[0].status == "sent");
            // Its sender could not be told: it waits.
            CHECK(plan.settlement.recipients[1].outcome == Outcome::deferred);
            CHECK(plan.settlement.recipients[1].next_attempt == scene.now + scene.settings.retry_max);
            CHECK(plan.lines[1].status == "deferred");
            CHECK(plan.settlement.recipients[2].outcome == Outcome::deferred);
            CHECK_FALSE(plan.settlement.recipients[2].notified);
            CHECK(holds(plan.alarm, row.why));
        }

        Scene nobody;
        nobody.build_dsn = [](const queue::Dsn&) { return std::optional<queue::NewMessage>(); };
        nobody.add(refused());
        CHECK(nobody.plan().settlement.recipients[0].outcome == Outcome::failed);
        CHECK(nobody.plan().alarm.empty());
    }

    TEST_CASE("what was settled becomes true in the store") {
        const queue::test::TempDirectory directory;
        queue::Store store = queue::test::open_store(directory);
        queue::test::enqueue(store, queue::test::message(4711, {"a@example.net", "b@example.net"}),
                             queue::Lease::yes);
        Scene scene;
        scene.add(delivered());
        scene.add(refused());
        const SettlementPlan plan = scene.plan();
        const auto settled = queue::test::committed(store, [&] { return store.settle(plan.settlement); });
        REQUIRE(settled);
        CHECK(settled->message_removed);
        CHECK(settled->notices_enqueued == 1);
        CHECK(store.counters().messages == 1);
    }

    TEST_CASE("a wall clock that jumps ahead gives no mail up") {
        Scene scene;
        scene.add({.result = Said::deferred,
                   .code = 451,
                   .enhanced = "4.3.0",
                   .text = "later",
                   .command = "RCPT TO"});
        scene.now = noon + 240h;
        scene.lived_until = noon + 1h;
        const SettlementPlan plan = scene.plan();
        CHECK(plan.settlement.recipients[0].outcome == Outcome::deferred);
        CHECK(plan.settlement.recipients[0].next_attempt > scene.now);
        CHECK(plan.settlement.notices.empty());
        scene.lived_until = scene.now;
        CHECK(scene.plan().settlement.recipients[0].outcome == Outcome::failed);
    }

    TEST_CASE("life goes on as the steady clock does, and never ahead of the wall clock") {
        const queue::Time start = noon;
        CHECK(life_clock(noon + 1h, start, 1h) == noon + 1h);
        CHECK(life_clock(noon + 241h, start, 1h) == noon + 1h + 10min);  // set ahead
        CHECK(life_clock(noon - 72h, start, 1h) == noon - 72h);          // set back
        CHECK(life_clock(noon + 1h + 5min, start, 1h) == noon + 1h + 5min);
    }
}

}  // namespace sealpost
