/// \file An SMTP server on loopback that says what it is told and remembers what it heard.
#pragma once
#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/security/support/certificate_factory.hpp"

namespace sealpost::test {

struct Script {
    /// Replies by verb ("", the greeting; "." the body's end) with CRLF; an empty one closes the connection.
    std::map<std::string, std::string> replies;
    /// Set: STARTTLS is offered and this is shown.
    std::shared_ptr<security::test::Certificate> certificate;
    int max_tls = 0;          ///< the newest version that is spoken; 0: what OpenSSL has
    bool tickets = true;      ///< false: sessions are kept here, and the client gets an identifier
    std::string last_verb{};  ///< behind the reply to it the connection ends, without close_notify
};

class ScriptedServer {
public:
    /// Port 0: one that is free.
    ScriptedServer(const std::string& address, std::uint16_t port, Script script);
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;
    ~ScriptedServer();

    /// Ends when the last connection has: then heard() is final.
    void stop();

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// The command lines of all connections, "CONNECT" where one began, "TLS" or "TLS resumed" where a
    /// handshake was and "SNI name" before it, "CLOSE_NOTIFY" where the client ended TLS.
    [[nodiscard]] std::vector<std::string> heard() const;
    [[nodiscard]] bool heard(std::string_view verb) const;
    [[nodiscard]] std::string body() const;

private:
    struct Wire;
    void serve();
    void talk(Wire& wire);
    [[nodiscard]] std::string reply_to(const std::string& verb) const;
    void note(const std::string& line);

    Script script_;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls_{nullptr, SSL_CTX_free};
    int listener_ = -1;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::vector<std::string> heard_;
    std::string body_;
    std::thread thread_;
};

}  // namespace sealpost::test
