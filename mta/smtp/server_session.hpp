/// \file ServerSession: the server's side of an SMTP session, as pure steps.
///
/// Owns     the state of the session, the replies, and the limits that concern commands. Holds no protocol
///          knowledge back: the caller writes `reply`, then does what `next` says.
/// Never    touches a socket, a clock or the queue. `250` for a message comes from stored() alone, which the
///          caller calls once the message is durable.
/// Source   RFC 5321 §3, §4.1.4, §4.2, §4.5.3.1, §7.7; RFC 1870 §6; RFC 2034; RFC 2920 §3.2; RFC 3207 §4;
///          RFC 3461 §4; RFC 6152; RFC 6531 §3; RFC 8689 §2.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/address.hpp"
#include "config/domain.hpp"
#include "config/ip.hpp"
#include "config/settings.hpp"
#include "mta/smtp/command.hpp"
#include "mta/smtp/data_reader.hpp"

namespace sealpost {

struct ServerAction {
    enum class Next {
        read_command,  ///< a line of at most max_command_line octets, ended by CR LF
        read_data,     ///< with a new DataReader
        start_tls,     ///< after the reply is written: the handshake, then tls_established() and a command
        close          ///< after the reply is written; read nothing more as commands
    };
    std::string reply;  ///< whole, with CR LF
    Next next;
};

struct ServerRecipient {
    Address address;
    std::string notify;  ///< NOTIFY and ORCPT as they came; empty: none
    std::string orcpt;
};

struct ServerTransaction {
    std::optional<Address> sender;            ///< none: the null reverse-path
    std::vector<ServerRecipient> recipients;  ///< each once, in the order of RCPT
    BodyType body = BodyType::seven_bit;
    std::optional<std::uint64_t> declared_size;
    std::string helo;
    bool esmtp = false;
    bool requiretls = false;  ///< the parameter of MAIL: only ever inside TLS
    bool smtputf8 = false;
    Ret ret = Ret::unset;
    std::string envid;  ///< as it came; empty: none
};

enum class Relay { refused, allowed };

class ServerSession {
public:
    ServerSession(Domain hostname, const ListenerSettings& limits, IpAddress client, Relay relay);

    [[nodiscard]] ServerAction greeting() const;
    /// `line` without CR LF. `bytes_follow`: octets behind this line have already arrived.
    [[nodiscard]] ServerAction command(std::string_view line, bool bytes_follow);
    /// Whether a message would find room now; otherwise MAIL is answered 452, before anything is sent in
    /// vain.
    void set_room(bool room) { room_ = room; }
    /// max_command_line octets came without CR LF.
    [[nodiscard]] ServerAction overlong_line();

    /// The handshake of Next::start_tls is done. If it failed there is nothing left to say: close.
    void tls_established();

    /// The limits for the DataReader of Next::read_data.
    [[nodiscard]] DataLimits data_limits() const;
    [[nodiscard]] ServerAction data_refused(const DataError& error);
    /// What stands in the Received field, while the data comes.
    [[nodiscard]] const ServerTransaction& transaction() const { return transaction_; }
    /// The envelope of the message whose data is complete. One of the next three must follow.
    [[nodiscard]] ServerTransaction take_transaction();
    [[nodiscard]] ServerAction stored(std::string_view queue_id);
    /// The store said no: 451. The reason is for the log, not for the client.
    [[nodiscard]] ServerAction storage_failed();
    /// A limit of the queue or the disk: 452.
    [[nodiscard]] ServerAction queue_full();

    [[nodiscard]] ServerAction timed_out();
    [[nodiscard]] ServerAction shutting_down();
    /// In place of the greeting: too many sessions, over all or of this client.
    [[nodiscard]] ServerAction too_many_sessions();

private:
    enum class State { fresh, ready, mail, rcpt, data, storing, handshake, closed };

    ServerAction on_hello(const Command& command);
    ServerAction on_mail(Command command);
    ServerAction on_rcpt(Command command);
    ServerAction on_data();
    ServerAction on_starttls();
    ServerAction refuse(int code, std::string_view enhanced, std::string_view text);
    ServerAction close(int code, std::string_view enhanced, std::string_view text);
    void reset();

    Domain hostname_;
    IpAddress client_;
    Relay relay_;
    std::uint64_t max_message_size_;
    std::uint64_t max_header_size_;
    unsigned max_recipients_;
    unsigned max_received_;
    unsigned max_errors_;
    unsigned max_transactions_;
    bool starttls_;  ///< there is a certificate
    bool room_ = true;

    State state_ = State::fresh;
    ServerTransaction transaction_;
    std::set<std::string, std::less<>> seen_;  ///< recipients of this transaction
    std::string helo_;
    bool esmtp_ = false;
    bool tls_ = false;
    unsigned errors_ = 0;
    unsigned transactions_ = 0;
};

}  // namespace sealpost
