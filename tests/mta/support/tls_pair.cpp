#include "tests/mta/support/tls_pair.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>

#include <algorithm>

namespace sealpost::test {
namespace {

constexpr int reneg_scsv = 0x00ff;

/// All octets that wait in a memory BIO.
std::string drain(BIO* bio) {
    std::string out(BIO_ctrl_pending(bio), '\0');
    if (!out.empty()) REQUIRE(BIO_read(bio, out.data(), static_cast<int>(out.size())) > 0);
    return out;
}

void give(BIO* bio, const std::string& octets) {
    if (!octets.empty())
        REQUIRE(BIO_write(bio, octets.data(), static_cast<int>(octets.size())) ==
                static_cast<int>(octets.size()));
}

bool waits(SSL* ssl, int rc) {
    const int error = SSL_get_error(ssl, rc);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

}  // namespace

bool ClientHello::has(int extension) const {
    return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

TlsServer::TlsServer(const security::test::Certificate& certificate)
    : context_(SSL_CTX_new(TLS_server_method()), SSL_CTX_free) {
    SSL_CTX* const raw = context_.get();
    SSL_CTX_set_security_level(raw, 0);
    versions(TLS1_VERSION, 0);
    REQUIRE(SSL_CTX_set_cipher_list(raw, "ALL:COMPLEMENTOFALL:@SECLEVEL=0") == 1);
    REQUIRE(SSL_CTX_use_certificate(raw, certificate.x509.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(raw, certificate.key.get()) == 1);
    SSL_CTX_set_dh_auto(raw, 1);
    SSL_CTX_set_client_hello_cb(raw, note_hello, this);
}

void TlsServer::versions(int least, int most) const {
    REQUIRE(SSL_CTX_set_min_proto_version(context(), least) == 1);
    REQUIRE(SSL_CTX_set_max_proto_version(context(), most) == 1);
}

int TlsServer::note_hello(SSL* ssl, int*, void* self) {
    ClientHello& hello = static_cast<TlsServer*>(self)->hello_;
    hello = {};
    const unsigned char* octets = nullptr;
    const std::size_t suites = SSL_client_hello_get0_ciphers(ssl, &octets);
    for (std::size_t i = 0; i + 1 < suites; i += 2) {
        if (octets[i] * 256 + octets[i + 1] == reneg_scsv)
            hello.reneg_scsv = true;
        else
            hello.ciphers.push_back(SSL_CIPHER_find(ssl, octets + i));
    }
    const std::size_t methods = SSL_client_hello_get0_compression_methods(ssl, &octets);
    hello.compressions.assign(octets, octets + methods);
    int* extensions = nullptr;
    std::size_t count = 0;
    if (SSL_client_hello_get1_extensions_present(ssl, &extensions, &count) == 1)
        hello.extensions.assign(extensions, extensions + count);
    OPENSSL_free(extensions);
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_groups, &octets, &size) == 1)
        for (std::size_t i = 2; i + 1 < size; i += 2)
            hello.groups.push_back(static_cast<std::uint16_t>(octets[i] * 256 + octets[i + 1]));
    return SSL_CLIENT_HELLO_SUCCESS;
}

TlsPair::TlsPair(SSL_CTX* client, const TlsServer& server)
    : client_(SSL_new(client), SSL_free), server_(SSL_new(server.context()), SSL_free) {
    for (SSL* ssl : {client_.get(), server_.get()}) {
        REQUIRE(ssl != nullptr);
        SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        BIO_set_mem_eof_return(SSL_get_rbio(ssl), -1);
    }
    SSL_set_connect_state(client_.get());
    SSL_set_accept_state(server_.get());
}

void TlsPair::carry() {
    const std::string sent = drain(SSL_get_wbio(client()));
    if (first_flight.empty()) first_flight = sent;
    give(SSL_get_rbio(server()), sent);
    std::string received = drain(SSL_get_wbio(server()));
    if (tamper != nullptr) tamper(received);
    give(SSL_get_rbio(client()), received);
}

bool TlsPair::shake_hands() {
    for (int round = 0; round < 20; ++round) {
        ERR_clear_error();
        const int at_client = SSL_do_handshake(client());
        if (at_client != 1 && !waits(client(), at_client)) {
            const char* const reason = ERR_reason_error_string(ERR_peek_error());
            why_ = reason != nullptr ? reason : "unknown";
            ERR_clear_error();
            return false;
        }
        carry();
        ERR_clear_error();
        const int at_server = SSL_do_handshake(server());
        const bool failed = at_server != 1 && !waits(server(), at_server);
        ERR_clear_error();
        carry();  // an alert too
        if (at_client == 1 && at_server == 1) return true;
        if (failed && BIO_ctrl_pending(SSL_get_rbio(client())) == 0) {
            why_ = "the server gave up";
            return false;
        }
    }
    why_ = "no end";
    return false;
}

bool TlsPair::server_speaks() {
    ERR_clear_error();
    if (SSL_write(server(), "x", 1) != 1) return false;
    carry();
    char octet = 0;
    const bool read = SSL_read(client(), &octet, 1) == 1 && octet == 'x';
    ERR_clear_error();
    return read;
}

void TlsPair::close_notify() const {
    SSL_shutdown(client());
    ERR_clear_error();
}

}  // namespace sealpost::test
