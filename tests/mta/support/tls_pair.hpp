/// \file A TLS client and a server in one process, joined by memory, so that a test can look at every octet.
#pragma once
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mta/net/tls_client.hpp"
#include "tests/security/support/certificate_factory.hpp"

namespace sealpost::test {

/// What stood in the last ClientHello.
struct ClientHello {
    std::vector<const SSL_CIPHER*> ciphers;
    bool reneg_scsv = false;  ///< TLS_EMPTY_RENEGOTIATION_INFO_SCSV among them
    std::vector<std::uint8_t> compressions;
    std::vector<int> extensions;
    std::vector<std::uint16_t> groups;
    [[nodiscard]] bool has(int extension) const;
};

/// A server that refuses nothing of its own accord: every version, suite and key size.
class TlsServer {
public:
    explicit TlsServer(const security::test::Certificate& certificate);
    [[nodiscard]] SSL_CTX* context() const { return context_.get(); }
    void versions(int least, int most) const;
    [[nodiscard]] const ClientHello& hello() const { return hello_; }

private:
    static int note_hello(SSL* ssl, int* alert, void* self);
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
    ClientHello hello_;
};

class TlsPair {
public:
    TlsPair(SSL_CTX* client, const TlsServer& server);
    [[nodiscard]] SSL* client() const { return client_.get(); }
    [[nodiscard]] SSL* server() const { return server_.get(); }
    /// Both sides have finished. Otherwise why() has the client's error.
    [[nodiscard]] bool shake_hands();
    /// The server says a word and the client reads it, with the tickets before it.
    [[nodiscard]] bool server_speaks();
    void close_notify() const;
    [[nodiscard]] const std::string& why() const { return why_; }
    /// Called with all octets from the server before the client gets them.
    void (*tamper)(std::string& octets) = nullptr;
    std::string first_flight;  ///< of the client

private:
    void carry();
    using SslPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;
    SslPtr client_;
    SslPtr server_;
    std::string why_;
};

}  // namespace sealpost::test
