#include "mta/net/tls_server.hpp"

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "tests/queue/temp_store.hpp"
#include "tests/security/support/certificate_factory.hpp"

using namespace sealpost;
namespace pki = sealpost::security::test;

namespace {

std::string key_pem(const pki::Key& key, const char* password = nullptr) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    const EVP_CIPHER* const cipher = password != nullptr ? EVP_aes_128_cbc() : nullptr;
    const int length = password != nullptr ? 4 : 0;
    REQUIRE(PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), cipher, password, length, nullptr, nullptr) ==
            1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

struct Scene {
    queue::test::TempDirectory directory;
    pki::Certificate certificate = pki::issue({.common_name = "mail.example", .dns = {"mail.example"}});
    ListenerSettings listener;
    TlsSettings tls;

    Scene() {
        listener.tls_certificate = write("mail.pem", certificate.pem());
        listener.tls_key = write("mail.key", key_pem(certificate.key));
    }
    std::string write(const std::string& name, const std::string& text) const {
        const std::filesystem::path path = directory.path() / name;
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }
    /// What is wrong with the files; empty: nothing.
    [[nodiscard]] std::string refusal() const {
        const auto server = TlsServer::create(listener, tls);
        if (server) return {};
        CHECK(server.error().code == Errc::configuration);
        return server.error().text;
    }
};

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
};

/// The version on which a client that speaks these two and a server agree; empty: none.
std::string agreed(TlsServer& server, int lowest, int highest, const char* ciphers = nullptr) {
    const std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), lowest);
    SSL_CTX_set_max_proto_version(context.get(), highest);
    if (ciphers != nullptr) REQUIRE(SSL_CTX_set_cipher_list(context.get(), ciphers) == 1);
    const std::unique_ptr<SSL, Free> client(SSL_new(context.get()));
    const std::unique_ptr<SSL, Free> ours(SSL_new(server.context().native_handle()));
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(ours.get());
    BIO* one = nullptr;
    BIO* other = nullptr;
    REQUIRE(BIO_new_bio_pair(&one, 0, &other, 0) == 1);
    SSL_set_bio(client.get(), one, one);
    SSL_set_bio(ours.get(), other, other);
    for (int i = 0; i < 20; ++i) {
        const int a = SSL_do_handshake(client.get());
        const int b = SSL_do_handshake(ours.get());
        if (a == 1 && b == 1) return SSL_get_version(ours.get());
    }
    return {};
}

}  // namespace

TEST_SUITE("mta/net/tls_server") {
    TEST_CASE("a certificate and its key in one file or in two are taken") {
        Scene scene;
        CHECK(scene.refusal().empty());
        scene.listener.tls_certificate = scene.listener.tls_key =
            scene.write("both.pem", key_pem(scene.certificate.key) + scene.certificate.pem());
        CHECK(scene.refusal().empty());
    }

    TEST_CASE("a file that cannot be used is told with key and path and what to do") {
        Scene scene;
        const char* key = "";
        const char* why = "";
        const char* remedy = "";
        SUBCASE("no certificate file") {
            scene.listener.tls_certificate = "/nonexistent/mail.pem";
            key = "listener.tls_certificate '/nonexistent/mail.pem'";
            why = "No such file or directory";
            remedy = "correct the path";
        }
        SUBCASE("no key file") {
            scene.listener.tls_key = "/nonexistent/mail.key";
            key = "listener.tls_key '/nonexistent/mail.key'";
            why = "No such file or directory";
            remedy = "correct the path";
        }
        SUBCASE("a folder") {
            scene.listener.tls_certificate = scene.directory.path().string();
            key = "listener.tls_certificate";
            why = "it is empty or no file";
            remedy = "correct the path";
        }
        SUBCASE("an empty file") {
            scene.listener.tls_certificate = scene.write("empty", "");
            key = "listener.tls_certificate";
            why = "it is empty or no file";
            remedy = "correct the path";
        }
        SUBCASE("no PEM") {
            scene.listener.tls_certificate = scene.write("text", "hello\n");
            key = "listener.tls_certificate";
            why = "no certificate that can be used";
            remedy = "it must be PEM";
        }
        SUBCASE("the key of another certificate") {
            scene.listener.tls_key = scene.write("other.key", key_pem(pki::make_key()));
            key = "listener.tls_key";
            why = "is not the key of the first certificate";
            remedy = "name the key that this certificate was made for";
        }
        SUBCASE("a key of another kind") {
            scene.listener.tls_key = scene.write("rsa.key", key_pem(pki::make_key(pki::KeyKind::rsa_2048)));
            key = "listener.tls_key";
            why = "is not the key of the first certificate";
            remedy = "name the key that this certificate was made for";
        }
        SUBCASE("a certificate where the key should be") {
            scene.listener.tls_key = scene.listener.tls_certificate;
            key = "listener.tls_key";
            why = "no private key";
            remedy = "not encrypted";
        }
        SUBCASE("an encrypted key asks nobody for a password") {
            scene.listener.tls_key = scene.write("locked.key", key_pem(scene.certificate.key, "word"));
            key = "listener.tls_key";
            why = "no private key";
            remedy = "not encrypted";
        }
        SUBCASE("a weak key") {
            const auto weak = pki::issue({.common_name = "mail.example",
                                          .dns = {"mail.example"},
                                          .key = pki::make_key(pki::KeyKind::rsa_1024)});
            scene.listener.tls_certificate = scene.write("weak.pem", weak.pem());
            scene.listener.tls_key = scene.write("weak.key", key_pem(weak.key));
            key = "listener.tls_certificate";
            why = "ee key too small";
            remedy = "2048 bits";
        }
        const std::string text = scene.refusal();
        CAPTURE(text);
        CHECK(holds(text, key));
        CHECK(holds(text, why));
        CHECK(holds(text, remedy));
    }

    TEST_CASE("TLS 1.2 is the oldest that a client may speak and 1.3 where the setting says so [TLS-11]") {
        Scene scene;
        auto server = TlsServer::create(scene.listener, scene.tls);
        REQUIRE(server);
        CHECK(agreed(**server, TLS1_VERSION, TLS1_1_VERSION).empty());
        CHECK(agreed(**server, TLS1_VERSION, TLS1_2_VERSION) == "TLSv1.2");
        CHECK(agreed(**server, TLS1_VERSION, TLS1_3_VERSION) == "TLSv1.3");
        scene.tls.min_version = "1.3";
        server = TlsServer::create(scene.listener, scene.tls);
        REQUIRE(server);
        CHECK(agreed(**server, TLS1_VERSION, TLS1_2_VERSION).empty());
        CHECK(agreed(**server, TLS1_VERSION, TLS1_3_VERSION) == "TLSv1.3");
    }

    TEST_CASE("only suites with forward secrecy and AEAD are agreed on [TLS-12]") {
        const Scene scene;
        const auto server = TlsServer::create(scene.listener, scene.tls);
        REQUIRE(server);
        for (const char* suites : {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"})
            CHECK(agreed(**server, TLS1_2_VERSION, TLS1_2_VERSION, suites) == "TLSv1.2");
        for (const char* suites :
             {"ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256", "aNULL@SECLEVEL=0", "eNULL@SECLEVEL=0"})
            CHECK(agreed(**server, TLS1_2_VERSION, TLS1_2_VERSION, suites).empty());
    }

}  // TEST_SUITE("mta/net/tls_server")
