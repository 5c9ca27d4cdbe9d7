/// \file TlsClient: the client side of TLS, with the profile of RFC 9325.
///
/// Owns     the SSL_CTX. The handshake accepts any chain: whether it is good enough is decided afterwards,
/// from the
///          chain itself (security/certificate.hpp), so one handshake can be judged under two policies.
/// Errors   Errc::configuration - a setting that OpenSSL refuses.
/// Source   RFC 9325 §3.1, §4; RFC 8996; TLS-11..15, TLS-22, DANE-76.
#pragma once
#include <boost/asio/ssl/context.hpp>

#include "config/settings.hpp"
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

/// What a finished handshake says of itself.
struct HandshakeFacts {
    std::string protocol;  ///< "TLSv1.3"
    std::string cipher;    ///< "TLS_AES_256_GCM_SHA384"
    security::PeerChain chain;
};
[[nodiscard]] HandshakeFacts handshake_facts(SSL* ssl);

/// The server name of the ClientHello (RFC 6066 §3).
[[nodiscard]] bool set_sni(SSL* ssl, const std::string& name);

/// Reads a PEM file of CAs. Errc::configuration names key, path and remedy.
[[nodiscard]] Result<security::TrustStore> load_trust_store(std::string_view key, const std::string& path);

}  // namespace sealpost
