#include "mta/sts/policy_fetcher.hpp"

#include <openssl/ssl.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "mta/net/deadline.hpp"
#include "mta/net/endpoint.hpp"
#include "security/rdata.hpp"
#include "security/remote_text.hpp"

namespace sealpost {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using security::ResultType;
using security::RrType;
using security::StsFetchFailure;

constexpr std::uint32_t max_header = 16 * 1024;
constexpr std::size_t max_addresses = 4;
/// Wire format: one protocol (RFC 7301 §3.1).
constexpr std::string_view alpn = "\x08http/1.1";

FetchOutcome failed(ResultType type, std::string reason) {
    return tl::unexpected(StsFetchFailure{type, std::move(reason)});
}

FetchOutcome fetch_error(std::string reason) {
    return failed(ResultType::sts_policy_fetch_error, std::move(reason));
}

/// One of each family in turn: a family that is not routed must not use up all that is tried.
std::vector<IpAddress> take_turns(const std::vector<IpAddress>& first, const std::vector<IpAddress>& second) {
    std::vector<IpAddress> out;
    for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i)
        for (const std::vector<IpAddress>* family : {&first, &second})
            if (i < family->size() && out.size() < max_addresses) out.push_back((*family)[i]);
    return out;
}

/// TLS of a client that talks HTTP to `host`.
bool set_up(SSL* ssl, const Domain& host) {
    // A body that ends without close_notify may have been cut on the way.
    SSL_clear_options(ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return set_sni(ssl, host.str()) && SSL_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
           SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(alpn.data()),
                               static_cast<unsigned>(alpn.size())) == 0;
}

std::string_view view(beast::string_view text) {
    return {text.data(), text.size()};
}

}  // namespace

PolicyFetcher::PolicyFetcher(resolver::Resolver& resolver, const StsSettings& settings, TlsClient& tls,
                             security::TrustStore trusted)
    : resolver_(resolver), settings_(settings), tls_(tls), trusted_(std::move(trusted)) {}

Async<FetchOutcome> PolicyFetcher::fetch(Domain domain) {
    Result<Domain> host = Domain::parse("mta-sts." + domain.str());
    if (!host) co_return fetch_error(host.error().text);
    Async<Result<FetchOutcome>> work = fetch_from(*host);
    Result<FetchOutcome> outcome = co_await with_deadline(std::move(work), settings_.fetch_timeout);
    if (!outcome) co_return fetch_error(outcome.error().text);
    co_return std::move(*outcome);
}

Async<Result<FetchOutcome>> PolicyFetcher::fetch_from(Domain host) {
    const Result<std::vector<IpAddress>> addresses = co_await addresses_of(host);
    if (!addresses) co_return fetch_error(addresses.error().text);
    std::string last = "no address could be tried";
    for (const IpAddress& address : *addresses) {
        Result<FetchOutcome> outcome = co_await get(host, address);
        if (outcome) co_return outcome;
        last = outcome.error().text;  // no connection: the next address
    }
    co_return fetch_error(last);
}

Async<Result<std::vector<IpAddress>>> PolicyFetcher::addresses_of(Domain host) {
    std::vector<IpAddress> v6;
    std::vector<IpAddress> v4;
    std::string why = fmt::format("{} has no address", host);
    for (const RrType type : {RrType::aaaa, RrType::a}) {
        resolver::Question question{host.str(), type};
        const security::DnsAnswer answer = co_await resolver_.resolve(std::move(question));
        if (answer.failed())
            why = fmt::format("the {} lookup of {} failed: {}", to_string(type), host, answer.why);
        for (const auto& octets : answer.rdata) {
            const Result<IpAddress> address = security::parse_address_rdata(octets);
            if (!address) continue;
            std::vector<IpAddress>& family = address->is_v4() ? v4 : v6;
            // Those that are forbidden take no place of those that are not.
            if (const Result<void> allowed = check_address(host, *address); !allowed)
                why = allowed.error().text;
            else if (family.size() < max_addresses)
                family.push_back(*address);
        }
    }
    std::vector<IpAddress> out = take_turns(v6, v4);
    if (out.empty()) co_return fail(Errc::unavailable, why);
    co_return out;
}

Result<void> PolicyFetcher::check_address(const Domain& host, const IpAddress& address) const {
    if (!any_contains(settings_.forbidden_networks, address)) return {};
    return fail(
        Errc::unavailable,
        fmt::format("{} has the address {}, which mta_sts.forbidden_networks forbids", host, address.str()));
}

Async<Result<FetchOutcome>> PolicyFetcher::get(Domain host, IpAddress address) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    beast::ssl_stream<beast::tcp_stream> stream(executor, tls_.context());
    if (!set_up(stream.native_handle(), host)) co_return fetch_error("OpenSSL refuses the TLS profile");
    beast::tcp_stream& tcp = beast::get_lowest_layer(stream);
    const asio::ip::tcp::endpoint target = to_asio({.address = address, .port = settings_.port});
    // The socket's own address, right before and right after it connects, whatever name and list led here
    // [STS-78].
    const Result<void> allowed = check_address(host, from_asio(target).address);
    if (!allowed) co_return tl::unexpected(allowed.error());
    tcp.expires_after(settings_.fetch_timeout / max_addresses);
    const auto [connect_error] = co_await tcp.async_connect(target, asio::as_tuple(asio::use_awaitable));
    if (connect_error)
        co_return fail(Errc::unavailable,
                       fmt::format("connect to {}: {}", address.str(), connect_error.message()));
    boost::system::error_code gone;
    const asio::ip::tcp::endpoint peer = tcp.socket().remote_endpoint(gone);
    if (gone)
        co_return fail(Errc::unavailable, fmt::format("connect to {}: {}", address.str(), gone.message()));
    const Result<void> reached = check_address(host, from_asio(peer).address);
    if (!reached) co_return tl::unexpected(reached.error());
    tcp.expires_never();  // the caller's deadline is over all of it
    const auto [tls_error] =
        co_await stream.async_handshake(asio::ssl::stream_base::client, asio::as_tuple(asio::use_awaitable));
    if (tls_error)
        co_return fetch_error(fmt::format("TLS with {}: {}", host, security::printable(tls_error.message())));
    const HandshakeFacts facts = handshake_facts(stream.native_handle());
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    const security::ChainOutcome chain = security::verify_web_pki(facts.chain, trusted_, host, now);
    if (!chain.ok)
        co_return failed(ResultType::sts_webpki_invalid,
                         fmt::format("the certificate of {}: {}", host, chain.detail));
    http::request<http::empty_body> request(http::verb::get, "/.well-known/mta-sts.txt", 11);
    request.set(http::field::host, host.str());
    request.set(http::field::user_agent, "Sealpost");
    request.set(http::field::accept, "text/plain");
    request.set(http::field::connection, "close");
    const auto [write_error, written] =
        co_await http::async_write(stream, request, asio::as_tuple(asio::use_awaitable));
    if (write_error) co_return fetch_error(fmt::format("HTTP request: {}", write_error.message()));
    http::response_parser<http::string_body> parser;
    parser.header_limit(max_header);
    parser.body_limit(settings_.max_policy_size);
    beast::flat_buffer buffer(max_header + settings_.max_policy_size);
    const auto [read_error, read] =
        co_await http::async_read(stream, buffer, parser, asio::as_tuple(asio::use_awaitable));
    if (read_error)
        co_return fetch_error(fmt::format("HTTP response: {}", security::printable(read_error.message())));
    http::response<http::string_body> message = parser.release();
    PolicyResponse response{.status = message.result_int(),
                            .content_type = view(message[http::field::content_type]),
                            .content_encoding = view(message[http::field::content_encoding]),
                            .body = std::move(message.body())};
    co_return judge_policy_response(std::move(response), settings_);
}

}  // namespace sealpost
