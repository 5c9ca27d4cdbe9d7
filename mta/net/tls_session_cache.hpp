/// \file TlsSessionCache: TLS sessions that may be resumed, each under the policy that it was made for.
///
/// Owns     at most `max` sessions by policy identity (security/policy_identity.hpp), so that a session is
/// never
///          offered under another policy; each is handed out once (RFC 8446 §C.4) and not beyond its end.
/// Never    judges: a resumed session's certificates are matched again like a new one's [DANE-78].
/// Threads  one: a destination lives on one worker.
/// Source   RFC 9325 §3.4; RFC 8446 §4.6.1; TLS-23.
#pragma once
#include <openssl/ssl.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace sealpost {

struct FreeTlsSession {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using TlsSessionPtr = std::unique_ptr<SSL_SESSION, FreeTlsSession>;

/// A session and the end of what may follow from it: tickets that a resumed connection gets are no younger
/// than the certificate that was shown in the first one (RFC 8446 §4.6.1).
struct KeptTlsSession {
    TlsSessionPtr session;  ///< nullptr: none
    std::chrono::steady_clock::time_point end{};
};

class TlsSessionCache {
public:
    using Time = std::chrono::steady_clock::time_point;

    explicit TlsSessionCache(std::size_t max) : max_(max) {}

    /// What is taken is no longer here.
    [[nodiscard]] KeptTlsSession take(const std::string& identity, Time now);
    /// Replaces one of the same identity. It ends at `end`, or before that when the server's ticket does.
    void put(const std::string& identity, TlsSessionPtr session, Time end, Time now);
    [[nodiscard]] std::size_t size() const { return sessions_.size(); }

private:
    struct Entry {
        TlsSessionPtr session;
        std::multimap<Time, std::string>::iterator end;
    };
    void drop(const std::string& identity);

    std::size_t max_;
    std::map<std::string, Entry> sessions_;
    std::multimap<Time, std::string> ends_;
};

}  // namespace sealpost
