/// \file Deliverer: one message to one destination, over the hosts in order, to an outcome for each
/// recipient.
///
/// Owns     the walk over hosts and addresses and its limits. What each host must offer and whether it did is
/// decided in
///          security/; what the server answers means is decided in smtp/.
/// Errors   none: every recipient ends delivered, deferred or failed. Any doubt is deferred.
/// Source   RFC 5321 §5.1, §4.5.4.1; RFC 7672 §2.1.2, §2.2.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "mta/delivery/kept_session.hpp"
#include "mta/delivery/route.hpp"
#include "mta/delivery/session.hpp"
#include "queue/manager.hpp"

namespace sealpost {

/// What became of one recipient, with what the log and a DSN say about it.
struct DeliveredRecipient {
    queue::DueRecipient recipient;
    RecipientOutcome outcome;
    std::string host;         ///< the last host spoken to; empty: none
    std::string relay;        ///< "mx.example.org[192.0.2.1]:25", or "none"
    std::string tls;          ///< "Verified(dane)", "Untrusted", "none"; with protocol and cipher behind
    std::string held_reason;  ///< the policy that holds it; empty: not held by policy
    std::string remedy;
    /// The server took NOTIFY, RET, ENVID and ORCPT over: whatever notice is due comes from further on.
    bool dsn_passed_on = false;
};

/// What the addresses of one host said to a message that requires TLS.
struct HostLack {
    security::Lack lack = security::Lack::none;
    bool other = false;  ///< something else went wrong too: it may go another way the next time
};

struct DeliveryReport {
    std::vector<DeliveredRecipient> recipients;
    security::AttemptTrace trace;
    std::vector<security::TlsResult> results;
    std::optional<Error> body_error;  ///< the message could not be read to its end
    std::string would_hold;           ///< what a rule that only observes would have held the mail for
    bool destination_dead = false;    ///< no host could be reached at all: let the destination rest
    bool tried = false;               ///< at least one address was
    std::chrono::steady_clock::time_point connected{};  ///< when the transaction began; zero: never
    /// Sent over a connection that an earlier message had opened: what is its own, and where the rest stands.
    std::optional<security::ReusedTrace> reused;
    std::optional<std::int64_t> shared_trace;
    std::unique_ptr<KeptSession> kept;  ///< ready for another message

    explicit DeliveryReport(Domain domain) : trace(std::move(domain)) {}
};

struct DelivererContext {
    resolver::Resolver* resolver = nullptr;
    StsService* sts = nullptr;
    const RouteSettings* route = nullptr;
    std::shared_ptr<const security::RuleTable> rules;
    SessionContext session;
    std::shared_ptr<BodySource> body;  ///< of a message with a stored body
    /// `final` for an attempt after which the message may be given up [STS-68].
    security::StsUrgency urgency = security::StsUrgency::normal;
    ReuseLimits reuse;
};

class Deliverer {
public:
    Deliverer(DelivererContext context, const queue::Delivery& delivery,
              std::shared_ptr<const queue::StoredMessage> message);
    /// Over `kept` where that fits, otherwise or when it turns out to be broken over a connection of its own.
    [[nodiscard]] Async<DeliveryReport> run(std::mt19937& random, std::unique_ptr<KeptSession> kept);

private:
    /// Why recipients without an answer of a server have to wait: the most telling failure so far.
    struct Waiting {
        int weight = 0;  ///< policy outweighs protocol, protocol outweighs the network
        std::string enhanced = "4.4.1";
        std::string text = "no host could be tried";
        std::string held_reason;
        std::string remedy;
        security::Side side = security::Side::nobody;
        std::string relay = "none";
    };

    [[nodiscard]] Async<void> walk_hosts(std::mt19937& random);
    [[nodiscard]] Async<void> send_over(std::unique_ptr<KeptSession> kept);
    [[nodiscard]] Async<std::vector<RecipientOutcome>> transact(Session& smtp, MailEnvelope mail);
    [[nodiscard]] bool settle_for_refusals(std::size_t hosts);
    void settle_by(const std::vector<RecipientOutcome>& outcomes, const KeptSession& session);
    [[nodiscard]] SessionTerms terms() const;
    [[nodiscard]] Async<void> try_host(security::MxHost host);
    [[nodiscard]] Async<bool> try_address(IpAddress address, StartTls tls);
    [[nodiscard]] bool settle_without_hosts();
    void note(Waiting waiting);
    void note_verdict(const security::Verdict& verdict, const std::string& relay);
    [[nodiscard]] bool settle_for_lack(std::size_t hosts);
    void settle_all(RecipientOutcome::Result result, const std::string& enhanced, const std::string& text);
    void finish();
    void describe_end(security::AttemptTrace& trace);
    [[nodiscard]] MailEnvelope envelope() const;

    DelivererContext context_;
    std::shared_ptr<const queue::StoredMessage> message_;
    std::shared_ptr<BodySource> body_;
    std::vector<queue::DueRecipient> due_;
    std::vector<Address> addresses_;  ///< of due_, in the same order
    Route route_;
    DeliveryReport report_;
    Waiting waiting_;
    unsigned addresses_tried_ = 0;
    bool any_connection_ = false;
    bool our_side_ = false;
    std::chrono::sys_days day_ = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
    std::chrono::steady_clock::time_point looked_up_ =
        std::chrono::steady_clock::now();  ///< not later than any answer
    bool settled_ = false;
    std::size_t hosts_without_address_ = 0;
    std::size_t hosts_refused_ = 0;          ///< by ourselves, because of what they do not offer
    std::optional<std::size_t> refused_at_;  ///< the last of these hops
    std::vector<RecipientOutcome> refusal_;
    KeptSession refused_by_;       ///< names of the last of them
    std::vector<HostLack> lacks_;  ///< of the hosts that were tried, in their order
};

}  // namespace sealpost
