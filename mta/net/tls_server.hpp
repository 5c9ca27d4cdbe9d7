/// \file TlsServer: the server side of TLS, with the profile of RFC 9325 and our own certificate.
///
/// Owns     the SSL_CTX with certificate and key. Clients are not asked for a certificate, sessions are not
///          resumed: neither a cache nor tickets whose key would have to be changed (RFC 9325 §3.4).
/// Errors   Errc::configuration - a file that cannot be read or used; names key, path and remedy.
/// Source   RFC 9325 §3.1, §3.4, §4; RFC 8996; RFC 3207 §4.
#pragma once
#include <boost/asio/ssl/context.hpp>
#include <memory>

#include "config/settings.hpp"

namespace sealpost {

class TlsServer {
public:
    /// Reads listener.tls_certificate and listener.tls_key, which must be set; as root where they need it.
    [[nodiscard]] static Result<std::shared_ptr<TlsServer>> create(const ListenerSettings& listener,
                                                                   const TlsSettings& tls);
    [[nodiscard]] boost::asio::ssl::context& context() { return context_; }

private:
    explicit TlsServer(boost::asio::ssl::context context) : context_(std::move(context)) {}
    boost::asio::ssl::context context_;
};

}  // namespace sealpost
