/// \file Judges the certificate chain that a server showed: by TLSA records, or by the WebPKI.
///
/// Owns     the call of OpenSSL's verifier with the DANE and name rules that SMTP asks for, and the
/// translation of its
///          answer. The handshake itself accepts any chain; what may be sent is decided from this outcome.
/// Units    `now` in seconds since 1970, an argument like everything else.
/// Errors   a chain that fails is a ChainOutcome, never an Error.
/// Source   RFC 7672 §3.1, §3.2; RFC 7671 §5; RFC 8461 §4.2; RFC 6125 §6.4; NAME rows.
#pragma once
#include <openssl/ossl_typ.h>

#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "config/domain.hpp"
#include "security/name_pattern.hpp"
#include "security/tlsa.hpp"

struct stack_st_X509;  // STACK_OF(X509)

namespace sealpost::security {

/// The certificates of a handshake, leaf first.
class PeerChain {
public:
    PeerChain() = default;
    [[nodiscard]] static Result<PeerChain> from_der(
        const std::vector<std::vector<std::uint8_t>>& certificates);
    /// Shares the certificates of an established session; `chain` as SSL_get_peer_cert_chain() gives it.
    [[nodiscard]] static PeerChain of(stack_st_X509* chain);
    [[nodiscard]] bool empty() const { return chain_ == nullptr; }
    [[nodiscard]] stack_st_X509* get() const { return chain_.get(); }

private:
    std::shared_ptr<stack_st_X509> chain_;
};

/// The CAs that are trusted; immutable once built, shared between threads.
class TrustStore {
public:
    /// All certificates of a PEM text. Errc::configuration - there is none in it.
    [[nodiscard]] static Result<TrustStore> from_pem(std::string_view pem);
    [[nodiscard]] X509_STORE* get() const { return store_.get(); }
    /// SHA-256 of the text, in hexadecimal: tells one set of CAs from another.
    [[nodiscard]] const std::string& id() const { return id_; }

private:
    TrustStore(std::shared_ptr<X509_STORE> store, std::string id)
        : store_(std::move(store)), id_(std::move(id)) {}
    std::shared_ptr<X509_STORE> store_;
    std::string id_;
};

enum class ChainFault {
    none,
    no_match,       ///< no TLSA record matches the chain
    host_mismatch,  ///< the chain is good, the name is another
    expired,        ///< a certificate outside its dates, where dates count
    not_trusted,    ///< unknown CA, broken chain, too weak, constraints
    internal        ///< we could not judge: fails closed
};

struct ChainOutcome {
    bool ok = false;
    ChainFault fault = ChainFault::internal;
    std::string detail;   ///< OpenSSL's words
    std::string matched;  ///< of DANE: the record that matched; of WebPKI: the name
    std::string subject;  ///< of the leaf, for people; printable
};

/// Usages 2 and 3 of the records in use; DANE-EE(3) without names and dates, DANE-TA(2) with both.
[[nodiscard]] ChainOutcome verify_dane(const PeerChain& chain, const TlsaSet& tlsa, const Domain& base_domain,
                                       const std::vector<Domain>& reference_names, std::time_t now);

/// A chain to `trusted`, in date, with a DNS-ID for `host`; the common name never counts [NAME-03].
[[nodiscard]] ChainOutcome verify_web_pki(const PeerChain& chain, const TrustStore& trusted,
                                          const Domain& host, std::time_t now);

/// The same with any of several names, as an operator's rule lists them.
[[nodiscard]] ChainOutcome verify_names(const PeerChain& chain, const TrustStore& trusted,
                                        const std::vector<NamePattern>& names, std::time_t now);

[[nodiscard]] std::string_view to_string(ChainFault fault);

}  // namespace sealpost::security
