#include "mta/net/tls_client.hpp"

#include <doctest/doctest.h>
#include <openssl/err.h>

#include <algorithm>

#include "tests/mta/support/tls_pair.hpp"

namespace sealpost {

namespace certs = security::test;
using test::ClientHello;
using test::TlsPair;
using test::TlsServer;

namespace {

const certs::Certificate& certificate() {
    static const certs::Certificate made = certs::issue({.common_name = "mx", .dns = {"mx.example.net"}});
    return made;
}

const certs::Certificate& rsa_certificate() {
    static const certs::Certificate made =
        certs::issue({.common_name = "mx", .key = certs::make_key(certs::KeyKind::rsa_2048)});
    return made;
}

TlsClient client_of(const std::string& least = "1.2") {
    TlsSettings settings;
    settings.min_version = least;
    return TlsClient::create(settings).value();
}

/// A client that would take anything: what ours refuses is on offer, this one shows.
bool anything_goes(const TlsServer& server, const char* suites = "ALL:COMPLEMENTOFALL:@SECLEVEL=0") {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> lax(SSL_CTX_new(TLS_client_method()),
                                                                SSL_CTX_free);
    SSL_CTX_set_security_level(lax.get(), 0);
    SSL_CTX_set_min_proto_version(lax.get(), TLS1_VERSION);
    SSL_CTX_set_cipher_list(lax.get(), suites);
    SSL_CTX_set_verify(lax.get(), SSL_VERIFY_NONE, nullptr);
    TlsPair pair(lax.get(), server);
    return pair.shake_hands();
}

/// One handshake of our client.
struct Shake {
    Shake(const TlsServer& server, HandshakeRequest request, TlsClient client = client_of())
        : tls(std::move(client)), pair(tls.context().native_handle(), server) {
        REQUIRE(prepare_handshake(pair.client(), request, &kept));
    }
    explicit Shake(const TlsServer& server)
        : Shake(server, HandshakeRequest("mx.example.net", std::nullopt, nullptr)) {}

    TlsClient tls;
    TlsSessionPtr kept;  // outlives the SSL
    TlsPair pair;
};

int accept_name(SSL*, int* alert, void* answer) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return *static_cast<int*>(answer);
}

/// Takes renegotiation_info out of a ServerHello, as a server without RFC 5746 would not say it.
void strip_renegotiation_info(std::string& octets) {
    const std::string extension("\xff\x01\x00\x01\x00", 5);
    const std::size_t at = octets.find(extension);
    if (at == std::string::npos || octets[5] != SSL3_MT_SERVER_HELLO) return;
    const auto shorten = [&](std::size_t place) {  // the lengths here are 16 bits, big-endian
        const unsigned size = static_cast<unsigned char>(octets[place]) * 256U +
                              static_cast<unsigned char>(octets[place + 1]) - 5U;
        octets[place] = static_cast<char>(size >> 8U);
        octets[place + 1] = static_cast<char>(size & 0xffU);
    };
    const std::size_t session_id = 5 + 4 + 2 + 32;  // record, handshake, version, random
    const std::size_t extensions = session_id + 1 + static_cast<unsigned char>(octets[session_id]) + 2 + 1;
    shorten(extensions);
    shorten(5 + 2);  // the low octets of the handshake's 24 bits
    shorten(3);
    octets.erase(at, extension.size());
}

}  // namespace

TEST_SUITE("mta/net/tls_client") {
    TEST_CASE("TLS 1.0 and 1.1 are not negotiated [TLS-11 DANE-85 STS-72]") {
        for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
            const TlsServer server(certificate());
            server.versions(TLS1_VERSION, version);
            REQUIRE(anything_goes(server));
            Shake shake(server);
            CHECK_FALSE(shake.pair.shake_hands());
        }
    }

    TEST_CASE("TLS 1.2 is spoken and TLS 1.3 is preferred [TLS-11 DANE-85 STS-72]") {
        const TlsServer server(certificate());
        Shake newest(server);
        REQUIRE(newest.pair.shake_hands());
        CHECK(handshake_facts(newest.pair.client()).protocol == "TLSv1.3");
        server.versions(TLS1_VERSION, TLS1_2_VERSION);
        Shake older(server);
        REQUIRE(older.pair.shake_hands());
        const HandshakeFacts facts = handshake_facts(older.pair.client());
        CHECK(facts.protocol == "TLSv1.2");
        CHECK(facts.cipher == "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
        CHECK_FALSE(facts.chain.empty());
        CHECK_FALSE(facts.resumed);
    }

    TEST_CASE("the version that a rule or the settings demand is the least [TLS-10 TLS-11]") {
        const TlsServer server(certificate());
        server.versions(TLS1_2_VERSION, TLS1_2_VERSION);
        for (const std::optional<TlsVersion> least : {std::optional(TlsVersion::tls1_3), {}}) {
            HandshakeRequest request("mx.example.net", least, nullptr);
            Shake shake(server, std::move(request), client_of(least ? "1.2" : "1.3"));
            CHECK_FALSE(shake.pair.shake_hands());
        }
        HandshakeRequest request("mx.example.net", TlsVersion::tls1_2, nullptr);
        Shake shake(server, std::move(request));
        CHECK(shake.pair.shake_hands());
    }

    TEST_CASE(
        "only suites with ephemeral keys and certificates are offered and AEAD first [TLS-12 DANE-76 "
        "STS-72]") {
        const TlsServer server(certificate());
        Shake shake(server);
        REQUIRE(shake.pair.shake_hands());
        REQUIRE(server.hello().ciphers.size() > 5);
        bool aead = true;
        for (const SSL_CIPHER* cipher : server.hello().ciphers) {
            REQUIRE(cipher != nullptr);
            CAPTURE(SSL_CIPHER_get_name(cipher));
            const int exchange = SSL_CIPHER_get_kx_nid(cipher);
            CHECK((exchange == NID_kx_ecdhe || exchange == NID_kx_dhe || exchange == NID_kx_any));
            const int proof = SSL_CIPHER_get_auth_nid(cipher);
            CHECK((proof == NID_auth_rsa || proof == NID_auth_ecdsa || proof == NID_auth_any));
            CHECK(SSL_CIPHER_get_bits(cipher, nullptr) >= 128);
            const int bulk = SSL_CIPHER_get_cipher_nid(cipher);
            CHECK(bulk != NID_rc4);
            CHECK(SSL_CIPHER_get_digest_nid(cipher) != NID_md5);
            CHECK((aead || SSL_CIPHER_is_aead(cipher) == 0));
            aead = SSL_CIPHER_is_aead(cipher) == 1;
        }
    }

    TEST_CASE(
        "a server with nothing but anonymous or static or no encryption fails the handshake [TLS-12 "
        "DANE-76]") {
        for (const char* suites : {"ADH-AES128-GCM-SHA256:AECDH-AES128-SHA", "AES128-GCM-SHA256:AES256-SHA",
                                   "ECDHE-RSA-NULL-SHA:NULL-SHA256"}) {
            CAPTURE(suites);
            const TlsServer server(rsa_certificate());
            server.versions(TLS1_2_VERSION, TLS1_2_VERSION);
            REQUIRE(SSL_CTX_set_cipher_list(server.context(),
                                            fmt::format("{}:@SECLEVEL=0", suites).c_str()) == 1);
            REQUIRE(anything_goes(server));
            Shake shake(server);
            CHECK_FALSE(shake.pair.shake_hands());
        }
    }

    TEST_CASE("the ClientHello says what protects and nothing else [TLS-13 TLS-15 TLS-22 DANE-77]") {
        constexpr int server_certificate_type = 20;  // raw public keys (RFC 7250)
        const TlsServer server(certificate());
        Shake shake(server);
        REQUIRE(shake.pair.shake_hands());
        const ClientHello& hello = server.hello();
        CHECK(hello.has(TLSEXT_TYPE_extended_master_secret));
        CHECK((hello.reneg_scsv || hello.has(TLSEXT_TYPE_renegotiate)));
        CHECK(hello.compressions == std::vector<std::uint8_t>{0});
        CHECK_FALSE(hello.has(TLSEXT_TYPE_early_data));
        CHECK_FALSE(hello.has(TLSEXT_TYPE_application_layer_protocol_negotiation));
        CHECK_FALSE(hello.has(server_certificate_type));
    }

    TEST_CASE("groups of 112 bits and more are offered with X25519 in front [TLS-14]") {
        constexpr std::uint16_t x25519 = 0x001d;
        constexpr std::uint16_t x25519_mlkem768 = 0x11ec;
        const TlsServer server(certificate());
        Shake shake(server);
        REQUIRE(shake.pair.shake_hands());
        std::vector<std::uint16_t> expected{x25519, 0x0017, 0x0018, 0x0019};
        const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> any(SSL_CTX_new(TLS_client_method()),
                                                                    SSL_CTX_free);
        if (SSL_CTX_set1_groups_list(any.get(), "X25519MLKEM768") == 1)  // OpenSSL 3.5
            expected.insert(expected.begin(), x25519_mlkem768);
        ERR_clear_error();
        CHECK(server.hello().groups == expected);
        CHECK_FALSE(handshake_facts(shake.pair.client()).group.empty());
    }

    TEST_CASE("a server without secure renegotiation is refused [TLS-13]") {
        const TlsServer server(certificate());
        server.versions(TLS1_2_VERSION, TLS1_2_VERSION);
        Shake shake(server);
        shake.pair.tamper = strip_renegotiation_info;
        CHECK_FALSE(shake.pair.shake_hands());
        CHECK(shake.pair.why() == "unsafe legacy renegotiation disabled");
    }

    TEST_CASE("a server that asks for another handshake does not get it [TLS-13]") {
        const TlsServer server(certificate());
        server.versions(TLS1_2_VERSION, TLS1_2_VERSION);
        Shake shake(server);
        REQUIRE(shake.pair.shake_hands());
        REQUIRE(shake.pair.server_speaks());
        std::vector<int> said;
        SSL_set_app_data(shake.pair.client(), &said);
        SSL_set_info_callback(shake.pair.client(), [](const SSL* ssl, int where, int alert) {
            auto* const list = static_cast<std::vector<int>*>(SSL_get_app_data(ssl));
            if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT) list->push_back(alert & 0xff);
        });
        REQUIRE(SSL_renegotiate(shake.pair.server()) == 1);
        SSL_do_handshake(shake.pair.server());  // HelloRequest
        CHECK(shake.pair.server_speaks());
        REQUIRE(said.size() == 1);
        CHECK(said[0] == SSL_AD_NO_RENEGOTIATION);
        CHECK(SSL_num_renegotiations(shake.pair.client()) == 0);
    }

    TEST_CASE("the server name is the one that was asked for and the hello is no SSLv2 one [DANE-72]") {
        const TlsServer server(certificate());
        HandshakeRequest request("base.example.org", std::nullopt, nullptr);
        Shake shake(server, std::move(request));
        REQUIRE(shake.pair.shake_hands());
        const char* const name = SSL_get_servername(shake.pair.server(), TLSEXT_NAMETYPE_host_name);
        REQUIRE(name != nullptr);
        CHECK(std::string(name) == "base.example.org");
        REQUIRE(shake.pair.first_flight.size() > 5);
        CHECK(shake.pair.first_flight[0] == SSL3_RT_HANDSHAKE);
        CHECK(shake.pair.first_flight[1] == SSL3_VERSION_MAJOR);
    }

    TEST_CASE("a name that the server does not know is fatal only when the alert is [TLS-18]") {
        for (int answer : {SSL_TLSEXT_ERR_ALERT_WARNING, SSL_TLSEXT_ERR_ALERT_FATAL}) {
            const TlsServer server(certificate());
            server.versions(TLS1_2_VERSION, TLS1_2_VERSION);
            // SSL_CTX_set_tlsext_servername_callback() without its C casts.
            using Callback = void (*)();
            SSL_CTX_callback_ctrl(server.context(), SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                                  reinterpret_cast<Callback>(accept_name));
            SSL_CTX_ctrl(server.context(), SSL_CTRL_SET_TLSEXT_SERVERNAME_ARG, 0, &answer);
            Shake shake(server);
            std::vector<int> alerts;
            SSL_set_app_data(shake.pair.client(), &alerts);
            SSL_set_info_callback(shake.pair.client(), [](const SSL* ssl, int where, int alert) {
                if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
                    static_cast<std::vector<int>*>(SSL_get_app_data(ssl))->push_back(alert);
            });
            CHECK(shake.pair.shake_hands() == (answer == SSL_TLSEXT_ERR_ALERT_WARNING));
            REQUIRE(alerts.size() == 1);
            CHECK((alerts[0] & 0xff) == SSL_AD_UNRECOGNIZED_NAME);
        }
    }

    TEST_CASE("a weak key is no reason to fail the handshake or DANE-EE but fails WebPKI [TLS-14]") {
        const certs::Certificate ca = certs::issue({.common_name = "CA", .ca = true});
        certs::CertificateOrder order{.common_name = "mx", .dns = {"mx.example.net"}};
        order.key = certs::make_key(certs::KeyKind::rsa_1024);
        const certs::Certificate weak = certs::issue(order, &ca);
        const Domain host = Domain::parse("mx.example.net").value();
        for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            const TlsServer server(weak);
            server.versions(version, version);
            Shake shake(server);
            REQUIRE(shake.pair.shake_hands());
            const HandshakeFacts facts = handshake_facts(shake.pair.client());
            const security::TlsaSet tlsa =
                security::assess_tlsa({certs::tlsa_for(weak, 3, 1, 1)}, {}).value();
            CHECK(security::verify_dane(facts.chain, tlsa, host, {}, certs::verification_time).ok);
            const security::TrustStore trusted = certs::store_of({ca});
            CHECK_FALSE(security::verify_web_pki(facts.chain, trusted, host, certs::verification_time).ok);
        }
    }

    TEST_CASE("a resumed session shows the whole chain of its first handshake [DANE-78]") {
        const certs::Certificate ca = certs::issue({.common_name = "CA", .ca = true});
        const certs::Certificate leaf = certs::issue({.common_name = "mx"}, &ca);
        for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
            CAPTURE(version);
            const TlsServer server(leaf);
            server.versions(version, version);
            REQUIRE(SSL_CTX_add1_chain_cert(server.context(), ca.x509.get()) == 1);
            TlsSessionPtr session;
            {
                Shake first(server);
                REQUIRE(first.pair.shake_hands());
                REQUIRE(first.pair.server_speaks());
                REQUIRE(first.kept);
                first.pair.close_notify();
                session = std::move(first.kept);
            }
            HandshakeRequest request("mx.example.net", std::nullopt, std::move(session));
            Shake second(server, std::move(request));
            REQUIRE(second.pair.shake_hands());
            const HandshakeFacts facts = handshake_facts(second.pair.client());
            CHECK(facts.resumed);
            REQUIRE(sk_X509_num(facts.chain.get()) == 2);
            CHECK(X509_cmp(sk_X509_value(facts.chain.get(), 0), leaf.x509.get()) == 0);
            CHECK(X509_cmp(sk_X509_value(facts.chain.get(), 1), ca.x509.get()) == 0);
        }
    }

    TEST_CASE("a ticket may be resumed without early data though the server allows it [TLS-15]") {
        const TlsServer server(certificate());
        SSL_CTX_set_max_early_data(server.context(), 16384);
        Shake first(server);
        REQUIRE(first.pair.shake_hands());
        REQUIRE(first.pair.server_speaks());
        REQUIRE(first.kept);
        REQUIRE(SSL_SESSION_get_max_early_data(first.kept.get()) == 16384);
        HandshakeRequest request("mx.example.net", std::nullopt, std::move(first.kept));
        Shake second(server, std::move(request));
        REQUIRE(second.pair.shake_hands());
        CHECK(handshake_facts(second.pair.client()).resumed);
        CHECK(server.hello().has(TLSEXT_TYPE_psk));
        CHECK_FALSE(server.hello().has(TLSEXT_TYPE_early_data));
    }

    TEST_CASE("a session of TLS 1.2 is not offered where TLS 1.3 is demanded [DANE-78]") {
        const TlsServer server(certificate());
        server.versions(TLS1_2_VERSION, TLS1_2_VERSION);
        Shake first(server);
        REQUIRE(first.pair.shake_hands());
        REQUIRE(first.kept);
        HandshakeRequest request("mx.example.net", TlsVersion::tls1_3, std::move(first.kept));
        Shake second(server, std::move(request));
        CHECK_FALSE(second.pair.shake_hands());
    }

    TEST_CASE("a session with a chain too large to be kept by the thousand is not kept [TLS-23]") {
        certs::CertificateOrder order{.common_name = "mx"};
        for (int i = 0; i < 1200; ++i)
            order.dns.push_back(fmt::format("a-rather-long-name-{}.example.net", i));
        const certs::Certificate large = certs::issue(order);
        REQUIRE(large.der().size() > 32768);
        const TlsServer server(large);
        Shake shake(server);
        REQUIRE(shake.pair.shake_hands());
        REQUIRE(shake.pair.server_speaks());
        CHECK_FALSE(shake.kept);
    }
}

}  // namespace sealpost
