#include "mta/net/tls_session_cache.hpp"

#include <algorithm>

namespace sealpost {
namespace {

constexpr unsigned long longest_ticket = 604800;  // seven days (RFC 8446 §4.6.1)

std::chrono::seconds ticket_lifetime(const SSL_SESSION* session) {
    const unsigned long hint = SSL_SESSION_get_ticket_lifetime_hint(session);
    if (hint > 0) return std::chrono::seconds(static_cast<long>(std::min(hint, longest_ticket)));
    // Nothing said: with TLS 1.3 "discard it at once", before that "as you like" (RFC 5077 §3.3).
    if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) return std::chrono::seconds(0);
    return std::chrono::seconds(SSL_SESSION_get_timeout(session));
}

}  // namespace

KeptTlsSession TlsSessionCache::take(const std::string& identity, Time now) {
    while (!ends_.empty() && ends_.begin()->first <= now) drop(ends_.begin()->second);
    const auto found = sessions_.find(identity);
    if (found == sessions_.end()) return {};
    KeptTlsSession kept{.session = std::move(found->second.session), .end = found->second.end->first};
    drop(identity);
    return kept;
}

void TlsSessionCache::put(const std::string& identity, TlsSessionPtr session, Time end, Time now) {
    // An identity that could not be made would be shared by all that could not.
    if (max_ == 0 || identity.empty() || !session || SSL_SESSION_is_resumable(session.get()) != 1) return;
    end = std::min(end, now + ticket_lifetime(session.get()));
    if (end <= now) return;
    drop(identity);
    if (sessions_.size() >= max_) drop(ends_.begin()->second);  // the one that would end first
    const auto place = ends_.emplace(end, identity);
    sessions_.emplace(identity, Entry{std::move(session), place});
}

void TlsSessionCache::drop(const std::string& identity) {
    const auto found = sessions_.find(identity);
    if (found == sessions_.end()) return;
    ends_.erase(found->second.end);  // `identity` may be the text in it: not looked at again
    sessions_.erase(found);
}

}  // namespace sealpost
