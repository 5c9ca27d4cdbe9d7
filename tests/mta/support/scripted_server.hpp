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
};

class ScriptedServer {
public:
    /// Port 0: one that is free.
    ScriptedServer(const std::string& address, std::uint16_t port, Script script);
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;
    ~ScriptedServer();

    [[nodiscard]] std::uint16_t port() const { return port_; }
    /// The command lines of all connections, "TLS" where a handshake was, "CONNECT" where one began.
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
    int listener_ = -1;
    std::uint16_t port_ = 0;
    mutable std::mutex mutex_;
    std::vector<std::string> heard_;
    std::string body_;
    std::thread thread_;
};

}  // namespace sealpost::test
