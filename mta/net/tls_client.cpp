#include "mta/net/tls_client.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace sealpost {
namespace {

// Forward secrecy and AEAD first; CBC with SHA-2 or SHA-1 MACs last, for servers that would otherwise get
// cleartext. Level 2: no RSA or DH under 2048 bits, no SHA-1 signatures.
constexpr const char* tls12_ciphers =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!eNULL:!PSK:!SRP:!DSS:!"
    "AESCCM:@"
    "SECLEVEL=2";
// The hybrid group first where the library has it: what is recorded today must not be read tomorrow.
constexpr const char* groups_with_pq = "X25519MLKEM768:X25519:P-256:P-384:P-521";
constexpr const char* groups = "X25519:P-256:P-384:P-521";
constexpr std::streamsize max_ca_file = 16 << 20;
// Of a session that is kept, its ticket and certificates: the server chooses both, and we keep thousands.
constexpr int max_session = 32 << 10;

int accept_any_chain(X509_STORE_CTX*, void*) {
    return 1;
}

int sink_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

bool is_small(SSL* ssl, SSL_SESSION* session) {
    int size = i2d_SSL_SESSION(session, nullptr);
    if (size <= 0) return false;
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; i < sk_X509_num(chain) && size <= max_session; ++i) {
        const int certificate = i2d_X509(sk_X509_value(chain, i), nullptr);
        if (certificate <= 0) return false;
        size += certificate;
    }
    return size <= max_session;
}

/// OpenSSL has a session that may be resumed; 1: it is ours now.
int keep_session(SSL* ssl, SSL_SESSION* session) {
    auto* const sink = static_cast<TlsSessionPtr*>(SSL_get_ex_data(ssl, sink_index()));
    if (sink == nullptr || !is_small(ssl, session)) return 0;
    sink->reset(session);
    return 1;
}

bool set_groups(SSL_CTX* context) {
    if (SSL_CTX_set1_groups_list(context, groups_with_pq) == 1) return true;
    ERR_clear_error();
    return SSL_CTX_set1_groups_list(context, groups) == 1;
}

}  // namespace

Result<TlsClient> TlsClient::create(const TlsSettings& settings) {
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
    SSL_CTX* raw = context.native_handle();
    const int lowest = settings.min_version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    // Whatever the system's openssl.cnf says: a server without RFC 5746 is not talked to.
    SSL_CTX_clear_options(raw, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    if (SSL_CTX_set_min_proto_version(raw, lowest) != 1 || SSL_CTX_set_cipher_list(raw, tls12_ciphers) != 1 ||
        !set_groups(raw))
        return fail(Errc::configuration, "OpenSSL refuses the TLS profile");
    // Sessions go to whoever asked for them; OpenSSL's own cache knows nothing of policies.
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(raw, keep_session);
    SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_cert_verify_callback(raw, accept_any_chain, nullptr);
    return TlsClient(std::move(context));
}

Result<void> prepare_handshake(SSL* ssl, const HandshakeRequest& request, TlsSessionPtr* sink) {
    if (!set_sni(ssl, request.sni)) return fail(Errc::protocol, "the SNI cannot be set");
    if (request.min_tls == TlsVersion::tls1_3 && SSL_set_min_proto_version(ssl, TLS1_3_VERSION) != 1)
        return fail(Errc::protocol, "the TLS version cannot be set");
    // A session that OpenSSL does not take costs a full handshake and nothing else.
    if (request.resume && SSL_set_session(ssl, request.resume.get()) != 1) ERR_clear_error();
    if (SSL_set_ex_data(ssl, sink_index(), sink) != 1) return fail(Errc::full, "out of memory");
    return {};
}

HandshakeFacts handshake_facts(SSL* ssl) {
    HandshakeFacts facts;
    facts.protocol = SSL_get_version(ssl);
    facts.resumed = SSL_session_reused(ssl) == 1;
    if (const char* const group = SSL_group_to_name(ssl, static_cast<int>(SSL_get_negotiated_group(ssl))))
        facts.group = group;
    if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl); cipher != nullptr)
        facts.cipher = SSL_CIPHER_standard_name(cipher);
    facts.chain = security::PeerChain::of(SSL_get_peer_cert_chain(ssl));
    return facts;
}

bool set_sni(SSL* ssl, const std::string& name) {
    // The macro SSL_set_tlsext_host_name() without its C cast.
    std::string copy = name;
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, copy.data()) == 1;
}

Result<security::TrustStore> load_trust_store(std::string_view key, const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return fail(
            Errc::configuration,
            fmt::format("{} '{}' cannot be read ({}): install the package ca-certificates, or name another "
                        "file of PEM certificates",
                        key, path, std::strerror(errno)));
    std::string pem(static_cast<std::size_t>(max_ca_file) + 1, '\0');
    in.read(pem.data(), static_cast<std::streamsize>(pem.size()));
    if (in.gcount() > max_ca_file)
        return fail(Errc::configuration, fmt::format("{} '{}' is larger than 16 MiB", key, path));
    pem.resize(static_cast<std::size_t>(in.gcount()));
    Result<security::TrustStore> store = security::TrustStore::from_pem(pem);
    if (!store) return fail(fmt::format("{} '{}'", key, path), store.error());
    return store;
}

}  // namespace sealpost
