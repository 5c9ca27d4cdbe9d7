#include "mta/net/tls_server.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace sealpost {
namespace {

// Our own hosts speak modern TLS: forward secrecy and AEAD alone. Level 2: no RSA key under 2048 bits.
constexpr const char* tls12_ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL:!PSK:@SECLEVEL=2";

/// Never asks at the terminal: a daemon has none.
int no_password(char*, int, int, void*) {
    return 0;
}

std::string openssl_reason() {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason != nullptr ? reason : "no reason given";
}

tl::unexpected<Error> refused(std::string_view key, const std::string& path, std::string_view what,
                              std::string_view remedy) {
    return fail(Errc::configuration, fmt::format("{} '{}' {}: {}", key, path, what, remedy));
}

Result<void> check_readable(std::string_view key, const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (in && in.peek() != std::ifstream::traits_type::eof()) return {};
    const std::string why = in.is_open() ? "it is empty or no file" : std::strerror(errno);
    return refused(
        key, path, fmt::format("cannot be read ({})", why),
        "correct the path or its permissions, or set listener.tls_certificate and listener.tls_key "
        "to \"\" to offer no STARTTLS");
}

Result<void> use_files(SSL_CTX* context, const ListenerSettings& listener) {
    const std::string& certificate = listener.tls_certificate;
    const std::string& key = listener.tls_key;
    if (Result<void> readable = check_readable("listener.tls_certificate", certificate); !readable)
        return readable;
    if (Result<void> readable = check_readable("listener.tls_key", key); !readable) return readable;
    if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
        return refused(
            "listener.tls_certificate", certificate,
            fmt::format("holds no certificate that can be used ({})", openssl_reason()),
            "it must be PEM, this host's certificate first, with an RSA key of 2048 bits or more or "
            "an EC key");
    const bool loaded = SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) == 1;
    if (loaded && SSL_CTX_check_private_key(context) == 1) return {};
    // A key of another kind than the certificate's is taken first and found to have none then.
    const unsigned long error = ERR_peek_last_error();
    if (loaded || (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH))
        return refused("listener.tls_key", key,
                       fmt::format("is not the key of the first certificate in '{}'", certificate),
                       "name the key that this certificate was made for");
    return refused("listener.tls_key", key,
                   fmt::format("holds no private key that can be used ({})", openssl_reason()),
                   "it must be PEM and not encrypted");
}

}  // namespace

Result<std::shared_ptr<TlsServer>> TlsServer::create(const ListenerSettings& listener,
                                                     const TlsSettings& tls) {
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_server);
    SSL_CTX* raw = context.native_handle();
    const int lowest = tls.min_version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_default_passwd_cb(raw, no_password);
    if (SSL_CTX_set_min_proto_version(raw, lowest) != 1 || SSL_CTX_set_num_tickets(raw, 0) != 1 ||
        SSL_CTX_set_cipher_list(raw, tls12_ciphers) != 1)
        return fail(Errc::configuration, "OpenSSL refuses the TLS profile");
    ERR_clear_error();
    const Result<void> used = use_files(raw, listener);
    ERR_clear_error();
    if (!used) return tl::unexpected(used.error());
    return std::shared_ptr<TlsServer>(new TlsServer(std::move(context)));
}

}  // namespace sealpost
