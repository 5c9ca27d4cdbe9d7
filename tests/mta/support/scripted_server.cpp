#include "tests/mta/support/scripted_server.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <signal.h>
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
        ::close(fd);
    }
    bool secure(SSL_CTX* context) {
        ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        return SSL_accept(ssl) == 1;
    }
    /// close_notify; whether the client says it too.
    bool end_tls() {
        SSL_shutdown(ssl);
        std::array<char, 64> block{};
        while (SSL_read(ssl, block.data(), static_cast<int>(block.size())) > 0) {
        }
        return (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
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
    SSL* ssl = nullptr;
    std::string input;
};

namespace {

SSL_CTX* make_context(const Script& script) {
    SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
    REQUIRE(context != nullptr);
    REQUIRE(SSL_CTX_use_certificate(context, script.certificate->x509.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context, script.certificate->key.get()) == 1);
    SSL_CTX_set_max_proto_version(context, script.max_tls);
    if (script.max_tls != 0 && script.max_tls < TLS1_2_VERSION) {
        SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
        SSL_CTX_set_security_level(context, 0);
    }
    if (!script.tickets) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    return context;
}

}  // namespace

ScriptedServer::ScriptedServer(const std::string& address, std::uint16_t port, Script script)
    : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (script_.certificate) tls_.reset(make_context(script_));
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
    stop();
    ::close(listener_);
}

void ScriptedServer::stop() {
    ::shutdown(listener_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
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
    sigset_t pipe;  // OpenSSL writes to sockets without MSG_NOSIGNAL
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
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
        if (!verb.empty() && verb == script_.last_verb) return;
        if (verb == "QUIT") {
            if (wire.ssl != nullptr && wire.end_tls()) note("CLOSE_NOTIFY");
            return;
        }
        if (verb == "STARTTLS" && reply.starts_with("220")) {
            if (!tls_ || !wire.secure(tls_.get())) return;
            if (const char* name = SSL_get_servername(wire.ssl, TLSEXT_NAMETYPE_host_name))
                note(std::string("SNI ") + name);
            note(SSL_session_reused(wire.ssl) == 1 ? "TLS resumed" : "TLS");
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
