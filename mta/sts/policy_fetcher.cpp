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

FetchOutcome failed(ResultType type, std::string reason) {
    return tl::unexpected(StsFetchFailure{type, std::move(reason)});
}

FetchOutcome fetch_error(std::string reason) {
    return failed(ResultType::sts_policy_fetch_error, std::move(reason));
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
    std::vector<IpAddress> out;
    std::string why = fmt::format("{} has no address", host);
    for (const RrType type : {RrType::aaaa, RrType::a}) {
        resolver::Question question{host.str(), type};
        const security::DnsAnswer answer = co_await resolver_.resolve(std::move(question));
        if (answer.failed())
            why = fmt::format("the {} lookup of {} failed: {}", to_string(type), host, answer.why);
        for (const auto& octets : answer.rdata) {
            const Result<IpAddress> address = security::parse_address_rdata(octets);
            if (!address || out.size() >= max_addresses) continue;
            // Checked on the address itself, whatever name led to it [STS-78].
            if (any_contains(settings_.forbidden_networks, *address))
                why = fmt::format("{} has the address {}, which mta_sts.forbidden_networks forbids", host,
                                  address->str());
            else
                out.push_back(*address);
        }
    }
    if (out.empty()) co_return fail(Errc::unavailable, why);
    co_return out;
}

Async<Result<FetchOutcome>> PolicyFetcher::get(Domain host, IpAddress address) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    beast::ssl_stream<beast::tcp_stream> stream(executor, tls_.context());
    beast::get_lowest_layer(stream).expires_never();  // the caller's deadline is over all of it
    // A body that ends without close_notify may have been cut on the way.
    SSL_clear_options(stream.native_handle(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    if (!set_sni(stream.native_handle(), host.str())) co_return fetch_error("the SNI cannot be set");
    const asio::ip::tcp::endpoint target = to_asio({.address = address, .port = settings_.port});
    const auto [connect_error] =
        co_await beast::get_lowest_layer(stream).async_connect(target, asio::as_tuple(asio::use_awaitable));
    if (connect_error)
        co_return fail(Errc::unavailable,
                       fmt::format("connect to {}: {}", address.str(), connect_error.message()));
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
    http::response<http::string_body> response = parser.release();
    co_return judge_policy_response(response.result_int(), view(response[http::field::content_type]),
                                    view(response[http::field::content_encoding]), std::move(response.body()),
                                    settings_.max_policy_size);
}

}  // namespace sealpost
