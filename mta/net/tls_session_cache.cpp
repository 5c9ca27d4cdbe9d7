#include "mta/net/tls_session_cache.hpp"

#include <algorithm>

namespace sealpost {

TlsSessionPtr TlsSessionCache::take(const std::string& identity, Time now) {
    while (!ends_.empty() && ends_.begin()->first <= now) drop(ends_.begin()->second);
    const auto found = sessions_.find(identity);
    if (found == sessions_.end()) return nullptr;
    TlsSessionPtr session = std::move(found->second.session);
    drop(identity);
    return session;
}

void TlsSessionCache::put(const std::string& identity, TlsSessionPtr session, std::chrono::seconds fresh_for,
                          Time now) {
    // An identity that could not be made would be shared by all that could not.
    if (max_ == 0 || identity.empty() || !session || SSL_SESSION_is_resumable(session.get()) != 1) return;
    const auto hint = SSL_SESSION_get_ticket_lifetime_hint(session.get());
    const std::chrono::seconds ticket(hint > 0 ? static_cast<long>(std::min(hint, 604800UL))
                                               : SSL_SESSION_get_timeout(session.get()));
    const std::chrono::seconds lifetime = std::min(fresh_for, ticket);
    if (lifetime <= std::chrono::seconds(0)) return;
    drop(identity);
    if (sessions_.size() >= max_) drop(ends_.begin()->second);  // the one that would end first
    const auto end = ends_.emplace(now + lifetime, identity);
    sessions_.emplace(identity, Entry{std::move(session), end});
}

void TlsSessionCache::drop(const std::string& identity) {
    const auto found = sessions_.find(identity);
    if (found == sessions_.end()) return;
    ends_.erase(found->second.end);
    sessions_.erase(found);
}

}  // namespace sealpost
