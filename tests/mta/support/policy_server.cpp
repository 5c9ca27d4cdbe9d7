#include "tests/mta/support/policy_server.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <ctime>

namespace sealpost::test {

namespace certs = security::test;

namespace {

/// The factory counts days from a moment of its own.
long days_until_now() {
    return static_cast<long>((std::time(nullptr) - certs::verification_time) / 86400);
}

}  // namespace

const certs::Certificate& authority() {
    static const certs::Certificate made = [] {
        certs::CertificateOrder order{.common_name = "CA", .ca = true};
        order.begins = days_until_now() - 100;
        order.ends = days_until_now() + 100;
        return certs::issue(order);
    }();
    return made;
}

certs::Certificate certificate_for(const std::vector<std::string>& names, long begins, long ends,
                                   std::string common_name) {
    certs::CertificateOrder order{.common_name = std::move(common_name), .dns = names};
    order.begins = days_until_now() + begins;
    order.ends = days_until_now() + ends;
    return certs::issue(order, &authority());
}

std::string served(const std::string& body, const std::string& headers, const std::string& status) {
    return fmt::format("HTTP/1.1 {}\r\n{}Content-Length: {}\r\n\r\n{}", status, headers, body.size(), body);
}

PolicyServer::PolicyServer(const std::string& address, PolicyScript script, std::uint16_t port)
    : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to a client that has gone
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    REQUIRE(::inet_pton(AF_INET, address.c_str(), &where.sin_addr) == 1);
    socklen_t size = sizeof where;
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&where), size) == 0);
    REQUIRE(::listen(listener_, 20) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size) == 0);
    port_ = ntohs(where.sin_port);
    thread_ = std::thread([this] { serve(); });
}

PolicyServer::~PolicyServer() {
    ending_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
}

void PolicyServer::say(std::string response) {
    const std::lock_guard lock(mutex_);
    script_.response = std::move(response);
}

std::vector<std::string> PolicyServer::server_names() const {
    const std::lock_guard lock(mutex_);
    return server_names_;
}

std::vector<std::string> PolicyServer::requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
}

void PolicyServer::serve() {
    for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        ++connections_;
        const timeval limit{.tv_sec = 5, .tv_usec = 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        talk(fd);
        ::close(fd);
    }
}

void PolicyServer::talk(int fd) {
    if (script_.plain) {
        const std::string text = served("no TLS here");
        static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL));
        return;
    }
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context, script_.certificate.x509.get());
    SSL_CTX_use_PrivateKey(context, script_.certificate.key.get());
    if (script_.max_version != 0) {
        SSL_CTX_set_security_level(context, 0);  // else OpenSSL would not speak the old versions either
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(context, script_.max_version);
    }
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1 && converse(ssl, fd) && script_.close_notify) SSL_shutdown(ssl);
    SSL_free(ssl);
    SSL_CTX_free(context);
}

bool PolicyServer::converse(SSL* ssl, int fd) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    std::string head;
    std::array<char, 4096> block{};
    while (head.find("\r\n\r\n") == std::string::npos) {
        const int got = SSL_read(ssl, block.data(), static_cast<int>(block.size()));
        if (got <= 0) return false;
        head.append(block.data(), static_cast<std::size_t>(got));
    }
    std::string response;
    {
        const std::lock_guard lock(mutex_);
        server_names_.emplace_back(name == nullptr ? "" : name);
        requests_.push_back(head);
        response = script_.response;
    }
    if (response.empty()) {  // until the client gives up
        static_cast<void>(::recv(fd, block.data(), block.size(), 0));
        return false;
    }
    if (script_.between_octets == std::chrono::milliseconds(0))
        return SSL_write(ssl, response.data(), static_cast<int>(response.size())) > 0;
    for (const char octet : response) {
        if (ending_ || SSL_write(ssl, &octet, 1) <= 0) return false;
        std::this_thread::sleep_for(script_.between_octets);
    }
    return true;
}

}  // namespace sealpost::test
