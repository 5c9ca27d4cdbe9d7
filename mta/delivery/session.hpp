/// \file Session: one SMTP connection to one address, from connect to the verdict, then a transaction.
///
/// Owns     the loop that carries the steps of SessionOpening and MailTransaction over a Connection. It holds
/// no
///          protocol of its own: both are pure and say what comes next.
/// Never    sends an envelope command before the verdict said `deliver`.
/// Source   RFC 5321 §4.5.3.2 (timeouts); RFC 3207; RFC 7672 §2.2; DANE-78, TLS-23.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "mta/delivery/body_source.hpp"
#include "mta/delivery/connection_budget.hpp"
#include "mta/net/connection.hpp"
#include "mta/net/tls_session_cache.hpp"
#include "mta/smtp/mail_transaction.hpp"
#include "mta/smtp/session_opening.hpp"
#include "mta/smtp/session_use.hpp"
#include "security/hop.hpp"
#include "security/verdict.hpp"

namespace sealpost {

struct SessionContext {
    const DeliverySettings* settings = nullptr;
    TlsClient* tls = nullptr;
    const security::TrustStore* trusted = nullptr;
    ConnectionBudget* budget = nullptr;   ///< none: no limit over all connections
    std::function<void()> relieve;        ///< no place is free: close a connection that only waits
    TlsSessionCache* sessions = nullptr;  ///< none: every handshake is a full one
    Millis session_lifetime{0};           ///< of a TLS session, at most
    std::string helo_name;
};

/// How the opening ended.
struct Opened {
    bool connected = false;
    bool our_side = false;  ///< not connected for want of something here: it says nothing of the server
    bool ready = false;     ///< the opening's own steps ended in `ready`
    std::string error;      ///< what ended it before TLS could be judged; empty: the facts tell
    security::TlsFacts facts;
};

class Session {
public:
    Session(const asio::any_io_executor& executor, const SessionContext& context);

    /// Connect, greeting, EHLO, STARTTLS and handshake, second EHLO. `decision` supplies SNI and what to
    /// judge.
    [[nodiscard]] Async<Opened> open(Endpoint to, const security::HopDecision& decision, Domain host,
                                     StartTls tls);
    /// After a verdict to deliver. `body`: CRLF lines, not dot-stuffed. When it cannot be read to its end the
    /// connection ends before the server sees one, and the recipients are deferred.
    [[nodiscard]] Async<std::vector<RecipientOutcome>> transact(MailEnvelope envelope,
                                                                std::shared_ptr<BodySource> body);
    /// The server's own limits of one connection allow this message, too (RFC 9422).
    [[nodiscard]] bool admits(const MailEnvelope& envelope) const { return !use_ || use_->admits(envelope); }
    [[nodiscard]] bool lost_after_body() const { return lost_after_body_; }
    /// After transact(): another message may follow.
    [[nodiscard]] bool may_go_on() const { return may_quit_ && !connection_.bytes_follow(); }
    /// After a verdict to deliver: the TLS session may be resumed under the same policy for so long, counted
    /// from the beginning of this one. It is kept by quit(), when all tickets have come and the connection
    /// ended well.
    void keep_tls_session(std::chrono::seconds fresh_for);
    /// QUIT when the server may be spoken to, and the end of the connection in any case.
    [[nodiscard]] Async<void> quit();

private:
    [[nodiscard]] Result<void> fit_to_server(MailEnvelope& envelope, BodySource& body) const;
    [[nodiscard]] Async<Result<void>> send_chunk(std::string command, std::uint64_t octets, BodySource& body,
                                                 std::string_view& rest);
    [[nodiscard]] Async<Result<void>> send_body(std::shared_ptr<BodySource> body);
    [[nodiscard]] Millis limit_of(std::string_view command) const;
    [[nodiscard]] KeptTlsSession take_tls_session() const;
    void judge_chain(Opened& opened, const HandshakeFacts& handshake, const security::HopDecision& decision,
                     const Domain& host) const;

    [[nodiscard]] Async<bool> wait_for_place();

    SessionContext context_;
    ConnectionBudget::Place place_;
    Connection connection_;
    SessionOpening opening_;
    bool may_quit_ = false;
    bool lost_after_body_ = false;
    bool reset_needed_ = false;
    std::optional<SessionUse> use_;
    TlsSessionCache::Time began_;
    TlsSessionCache::Time tls_end_ = TlsSessionCache::Time::max();  ///< of the session that was resumed
    std::optional<TlsSessionCache::Time> keep_until_;
    std::string identity_;  ///< of the policy that this connection was made under
};

}  // namespace sealpost
