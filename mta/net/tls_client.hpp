/// \file TlsClient: the client side of TLS, with the profile of RFC 9325.
///
/// Owns     the SSL_CTX. The handshake accepts any chain: whether it is good enough is decided afterwards,
/// from the
///          chain itself (security/certificate.hpp), so one handshake can be judged under two policies.
/// Errors   Errc::configuration - a setting that OpenSSL refuses.
/// Source   RFC 9325 §3.1, §3.4, §4; RFC 8996; TLS-11..15, TLS-22, TLS-23, DANE-76, DANE-85.
#pragma once
#include <boost/asio/ssl/context.hpp>
#include <optional>

#include "config/settings.hpp"
#include "mta/net/tls_session_cache.hpp"
#include "security/certificate.hpp"

namespace sealpost {

class TlsClient {
public:
    [[nodiscard]] static Result<TlsClient> create(const TlsSettings& settings);
    [[nodiscard]] boost::asio::ssl::context& context() { return context_; }

private:
    explicit TlsClient(boost::asio::ssl::context context) : context_(std::move(context)) {}
    boost::asio::ssl::context context_;
};

/// What one handshake asks for beyond the profile.
struct HandshakeRequest {
    std::string sni;
    std::optional<TlsVersion> min_tls;
    TlsSessionPtr resume;  ///< nullptr: a full handshake

    HandshakeRequest(std::string name, std::optional<TlsVersion> least, TlsSessionPtr session)
        : sni(std::move(name)), min_tls(least), resume(std::move(session)) {}
};
/// Before the handshake. `sink` receives the sessions that the server lets us resume, the last one stays; it
/// outlives `ssl`.
[[nodiscard]] Result<void> prepare_handshake(SSL* ssl, const HandshakeRequest& request, TlsSessionPtr* sink);

/// What a finished handshake says of itself.
struct HandshakeFacts {
    std::string protocol;  ///< "TLSv1.3"
    std::string cipher;    ///< "TLS_AES_256_GCM_SHA384"
    std::string group;     ///< of the key exchange: "x25519"; empty: not known
    bool resumed = false;
    security::PeerChain chain;  ///< of a resumed session, the one of its first handshake
};
[[nodiscard]] HandshakeFacts handshake_facts(SSL* ssl);

/// The server name of the ClientHello (RFC 6066 §3).
[[nodiscard]] bool set_sni(SSL* ssl, const std::string& name);

/// Reads a PEM file of CAs. Errc::configuration names key, path and remedy.
[[nodiscard]] Result<security::TrustStore> load_trust_store(std::string_view key, const std::string& path);

}  // namespace sealpost
