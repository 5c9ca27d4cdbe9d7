/// \file An HTTPS server on loopback that answers every request with the octets it is given.
#pragma once
#include <openssl/ssl.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/security/support/certificate_factory.hpp"

namespace sealpost::test {

struct PolicyScript {
    security::test::Certificate certificate;
    std::string response;  ///< empty: accepts and never answers
    std::chrono::milliseconds between_octets{0};
    int max_version = 0;       ///< TLS1_2_VERSION, ...; 0: the newest
    bool close_notify = true;  ///< false: cuts the connection after the response
    bool plain = false;        ///< no TLS at all
};

/// The CA that signs what the servers show, good today.
[[nodiscard]] const security::test::Certificate& authority();
/// A certificate by the authority for these DNS-IDs; `begins` and `ends` in days from now.
[[nodiscard]] security::test::Certificate certificate_for(const std::vector<std::string>& names,
                                                          long begins = -10, long ends = 10,
                                                          std::string common_name = "leaf");
/// A policy as it should be served.
[[nodiscard]] std::string served(const std::string& body,
                                 const std::string& headers = "Content-Type: text/plain\r\n",
                                 const std::string& status = "200 OK");

class PolicyServer {
public:
    PolicyServer(const std::string& address, PolicyScript script, std::uint16_t port = 0);
    PolicyServer(const PolicyServer&) = delete;
    PolicyServer& operator=(const PolicyServer&) = delete;
    ~PolicyServer();

    [[nodiscard]] std::uint16_t port() const { return port_; }
    void say(std::string response);
    /// Connections that arrived, also those that came no further.
    [[nodiscard]] std::size_t connections() const { return connections_; }
    [[nodiscard]] std::vector<std::string> server_names() const;  ///< SNI of each handshake
    [[nodiscard]] std::vector<std::string> requests() const;      ///< heads, up to the empty line

private:
    void serve();
    void talk(int fd);
    bool converse(SSL* ssl, int fd);

    PolicyScript script_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<std::size_t> connections_{0};
    std::atomic<bool> ending_{false};
    mutable std::mutex mutex_;
    std::vector<std::string> server_names_;
    std::vector<std::string> requests_;
    std::thread thread_;
};

}  // namespace sealpost::test
