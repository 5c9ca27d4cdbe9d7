#include "mta/net/tls_session_cache.hpp"

#include <doctest/doctest.h>

#include <array>

#include "tests/mta/support/tls_pair.hpp"

namespace sealpost {

using namespace std::chrono_literals;
using Time = TlsSessionCache::Time;

namespace {

const Time start = Time(1000h);

/// As OpenSSL makes them for sessions without a ticket; `timeout` is its own.
TlsSessionPtr session(std::chrono::seconds timeout = 2h) {
    TlsSessionPtr made(SSL_SESSION_new());
    const std::array<unsigned char, 4> id{1, 2, 3, 4};
    REQUIRE(SSL_SESSION_set1_id(made.get(), id.data(), id.size()) == 1);
    REQUIRE(SSL_SESSION_set_protocol_version(made.get(), TLS1_2_VERSION) == 1);
    SSL_SESSION_set_timeout(made.get(), static_cast<long>(timeout.count()));
    return made;
}

/// A ticket of a real server that gives it `lifetime`.
TlsSessionPtr ticket(int version, std::chrono::seconds lifetime) {
    static const security::test::Certificate certificate = security::test::issue({.common_name = "mx"});
    const test::TlsServer server(certificate);
    server.versions(version, version);
    SSL_CTX_set_timeout(server.context(), static_cast<long>(lifetime.count()));
    TlsClient client = TlsClient::create({}).value();
    TlsSessionPtr kept;
    test::TlsPair pair(client.context().native_handle(), server);
    REQUIRE(prepare_handshake(pair.client(), HandshakeRequest("mx", std::nullopt, nullptr), &kept));
    REQUIRE(pair.shake_hands());
    REQUIRE(pair.server_speaks());
    pair.close_notify();
    REQUIRE(kept);
    return kept;
}

bool has(TlsSessionCache& cache, const std::string& identity, Time now) {
    return cache.take(identity, now).session != nullptr;
}

}  // namespace

TEST_SUITE("mta/net/tls_session_cache") {
    TEST_CASE("a session is handed out once and only under its own identity [DANE-78 TLS-23]") {
        TlsSessionCache cache(10);
        TlsSessionPtr made = session();
        const SSL_SESSION* const which = made.get();
        cache.put("a", std::move(made), start + 1h, start);
        CHECK_FALSE(has(cache, "b", start));
        const KeptTlsSession taken = cache.take("a", start);
        CHECK(taken.session.get() == which);
        CHECK(taken.end == start + 1h);
        CHECK(cache.size() == 0);
        CHECK_FALSE(has(cache, "a", start));
    }

    TEST_CASE("nothing is handed out at its end or after it [TLS-23]") {
        for (const auto& [later, there] :
             {std::pair<std::chrono::seconds, bool>{59s, true}, {60s, false}, {1h, false}}) {
            TlsSessionCache cache(10);
            cache.put("a", session(), start + 60s, start);
            CHECK(has(cache, "a", start + later) == there);
            CHECK(cache.size() == 0);
        }
    }

    TEST_CASE("what has ended is dropped whatever is asked for [TLS-23]") {
        TlsSessionCache cache(10);
        cache.put("a", session(), start + 10s, start);
        cache.put("b", session(), start + 20s, start);
        cache.put("c", session(), start + 30s, start);
        CHECK_FALSE(has(cache, "other", start + 20s));
        CHECK(cache.size() == 1);
        CHECK(has(cache, "c", start + 20s));
    }

    TEST_CASE("the session ends with what it rests on or with its ticket [TLS-23]") {
        struct Row {
            TlsSessionPtr session;
            std::chrono::seconds fresh, ends;
        };
        std::vector<Row> rows;
        rows.push_back({session(100s), 300s, 100s});
        rows.push_back({session(300s), 100s, 100s});
        rows.push_back({ticket(TLS1_2_VERSION, 200s), 300s, 200s});
        rows.push_back({ticket(TLS1_3_VERSION, 200s), 300s, 200s});
        rows.push_back({ticket(TLS1_3_VERSION, 300s), 200s, 200s});
        rows.push_back({ticket(TLS1_2_VERSION, 30 * 24h), 60 * 24h, 7 * 24h});
        for (Row& row : rows) {
            TlsSessionCache cache(10);
            cache.put("a", std::move(row.session), start + row.fresh, start);
            CHECK(cache.take("a", start).end - start == row.ends);
        }
    }

    TEST_CASE("what may not be used again is not kept [TLS-23]") {
        TlsSessionCache cache(10);
        cache.put("a", nullptr, start + 1h, start);
        cache.put("", session(), start + 1h, start);
        cache.put("a", session(), start, start);
        cache.put("a", session(), start - 1s, start);
        cache.put("a", session(0s), start + 1h, start);
        cache.put("a", TlsSessionPtr(SSL_SESSION_new()), start + 1h, start);  // neither identifier nor ticket
        TlsSessionPtr discard = session();  // TLS 1.3 and a lifetime of 0 (RFC 8446 §4.6.1)
        REQUIRE(SSL_SESSION_set_protocol_version(discard.get(), TLS1_3_VERSION) == 1);
        cache.put("a", std::move(discard), start + 1h, start);
        CHECK(cache.size() == 0);
    }

    TEST_CASE("a size of zero keeps nothing [TLS-23]") {
        TlsSessionCache cache(0);
        cache.put("a", session(), start + 1h, start);
        CHECK(cache.size() == 0);
    }

    TEST_CASE("a full cache gives up the session that ends first [TLS-23]") {
        TlsSessionCache cache(2);
        cache.put("late", session(), start + 30s, start);
        cache.put("early", session(), start + 10s, start);
        cache.put("middle", session(), start + 20s, start);
        CHECK(cache.size() == 2);
        CHECK_FALSE(has(cache, "early", start));
        CHECK(has(cache, "middle", start));
        CHECK(has(cache, "late", start));
    }

    TEST_CASE("a newer session takes the place of the older under the same identity [TLS-23]") {
        TlsSessionCache cache(2);
        cache.put("other", session(), start + 5s, start);
        cache.put("a", session(), start + 10s, start);
        TlsSessionPtr newer = session();
        const SSL_SESSION* const which = newer.get();
        cache.put("a", std::move(newer), start + 20s, start);
        CHECK(cache.size() == 2);
        CHECK(cache.take("a", start + 6s).session.get() == which);
        CHECK(cache.size() == 0);
    }
}

}  // namespace sealpost
