#include "tests/mta/support/scripted_server.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

namespace sealpost::test {

/// One accepted connection, in clear or under TLS; every read has a limit.
struct ScriptedServer::Wire {
    explicit Wire(int accepted) : fd(accepted) {
        const timeval limit{.tv_sec = 20, .tv_usec = 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;
    ~Wire() {
        if (ssl != nullptr) SSL_free(ssl);
        if (context != nullptr) SSL_CTX_free(context);
        ::close(fd);
    }
    bool secure(const security::test::Certificate& certificate) {
        context = SSL_CTX_new(TLS_server_method());
        SSL_CTX_use_certificate(context, certificate.x509.get());
        SSL_CTX_use_PrivateKey(context, certificate.key.get());
        ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        return SSL_accept(ssl) == 1;
    }
    std::optional<std::string> line() {
        for (;;) {
            if (const std::size_t end = input.find("\r\n"); end != std::string::npos) {
                std::string out = input.substr(0, end);
                input.erase(0, end + 2);
                return out;
            }
            std::array<char, 4096> block{};
            const auto size = static_cast<int>(block.size());
            const auto got = ssl != nullptr ? SSL_read(ssl, block.data(), size)
                                            : static_cast<int>(::recv(fd, block.data(), block.size(), 0));
            if (got <= 0) return std::nullopt;
            input.append(block.data(), static_cast<std::size_t>(got));
        }
    }
    void send(const std::string& text) const {
        if (ssl != nullptr)
            SSL_write(ssl, text.data(), static_cast<int>(text.size()));
        else
            static_cast<void>(::send(fd, text.data(), text.size(), MSG_NOSIGNAL));
    }

    int fd;
    SSL_CTX* context = nullptr;
    SSL* ssl = nullptr;
    std::string input;
};

ScriptedServer::ScriptedServer(const std::string& address, std::uint16_t port, Script script)
    : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    REQUIRE(::inet_pton(AF_INET, address.c_str(), &where.sin_addr) == 1);
    socklen_t size = sizeof where;
    REQUIRE(::bind(listener_, reinterpret_cast<const sockaddr*>(&where), size) == 0);
    REQUIRE(::listen(listener_, 5) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &size) == 0);
    port_ = ntohs(where.sin_port);
    thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
}

std::vector<std::string> ScriptedServer::heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
}

bool ScriptedServer::heard(std::string_view verb) const {
    const std::lock_guard lock(mutex_);
    return std::any_of(heard_.begin(), heard_.end(),
                       [&](const std::string& line) { return line.starts_with(verb); });
}

std::string ScriptedServer::body() const {
    const std::lock_guard lock(mutex_);
    return body_;
}

void ScriptedServer::note(const std::string& line) {
    const std::lock_guard lock(mutex_);
    heard_.push_back(line);
}

void ScriptedServer::serve() {
    for (;;) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        Wire wire(fd);
        note("CONNECT");
        talk(wire);
    }
}

std::string ScriptedServer::reply_to(const std::string& verb) const {
    if (const auto found = script_.replies.find(verb); found != script_.replies.end()) return found->second;
    if (verb.empty()) return "220 server.example ESMTP\r\n";
    if (verb == "EHLO")
        return script_.certificate ? "250-server.example\r\n250 STARTTLS\r\n" : "250 server.example\r\n";
    if (verb == "STARTTLS") return "220 go ahead\r\n";
    if (verb == "DATA") return "354 go ahead\r\n";
    if (verb == "QUIT") return "221 bye\r\n";
    return "250 2.0.0 ok\r\n";
}

void ScriptedServer::talk(Wire& wire) {
    std::string verb;
    for (;;) {
        const std::string reply = reply_to(verb);
        if (reply.empty()) return;
        wire.send(reply);
        if (verb == "QUIT") return;
        if (verb == "STARTTLS" && reply.starts_with("220")) {
            if (!script_.certificate || !wire.secure(*script_.certificate)) return;
            note("TLS");
        }
        if (verb == "DATA" && reply.starts_with("354")) {
            std::string body;
            for (;;) {
                const std::optional<std::string> line = wire.line();
                if (!line) return;
                if (*line == ".") break;
                body += *line + "\r\n";
            }
            const std::lock_guard lock(mutex_);
            body_ = body;
            verb = ".";
            continue;
        }
        const std::optional<std::string> line = wire.line();
        if (!line) return;
        note(*line);
        verb = line->substr(0, line->find(' '));
        std::transform(verb.begin(), verb.end(), verb.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    }
}

}  // namespace sealpost::test
