#include "mta/cli/client.hpp"

#include <fmt/format.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace sealpost::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Local = asio::local::stream_protocol;
using boost::system::error_code;

constexpr std::uint64_t max_answer = 64ULL << 20;

}  // namespace

struct Client::Impl {
    Impl(std::string socket_path, std::chrono::milliseconds limit)
        : path(std::move(socket_path)), deadline(limit) {}

    /// Runs one asynchronous step to its end or the deadline: Asio's synchronous calls know none.
    template <class Step>
    error_code wait_for(Step start) {
        error_code result;
        stream.expires_after(deadline);
        start([&result](const error_code& ec, auto&&...) { result = ec; });
        io.restart();
        io.run();
        return result;
    }

    Result<void> connect();
    tl::unexpected<Error> failed(const char* doing, const error_code& ec);

    std::string path;
    std::chrono::milliseconds deadline;
    asio::io_context io{1};
    beast::basic_stream<Local> stream{io};
    beast::flat_buffer buffer;
    bool connected = false;
};

tl::unexpected<Error> Client::Impl::failed(const char* doing, const error_code& ec) {
    connected = false;
    stream.close();
    if (ec == beast::error::timeout)
        return fail(Errc::timed_out,
                    fmt::format("the daemon at {} did not answer within {} s; look at its log, or try later",
                                path, std::chrono::duration_cast<std::chrono::seconds>(deadline).count()));
    if (ec == asio::error::access_denied)
        return fail(Errc::configuration,
                    fmt::format("{}: {}; become root or a member of the socket's group", path, ec.message()));
    if (ec == asio::error::connection_refused || ec == asio::error::not_found ||
        ec == boost::system::errc::no_such_file_or_directory)
        return fail(Errc::unavailable,
                    fmt::format("no daemon answers at {}: {}; start it with `sealpost serve`, or name its "
                                "configuration with -c",
                                path, ec.message()));
    return fail(
        ec.category() == error_code(http::error::bad_version).category() ? Errc::protocol : Errc::unavailable,
        fmt::format("{} the daemon at {} failed: {}; try again, or look at its log", doing, path,
                    ec.message()));
}

Result<void> Client::Impl::connect() {
    if (connected) return {};
    if (path.empty() || path.size() >= sizeof(::sockaddr_un::sun_path))
        return fail(Errc::configuration, fmt::format("{}: no path for a socket; set a shorter one", path));
    const Local::endpoint where(path);
    const error_code ec = wait_for([&](auto handler) { stream.async_connect(where, std::move(handler)); });
    if (ec) return failed("connecting to", ec);
    buffer.clear();
    connected = true;
    return {};
}

Client::Client(std::string socket_path, std::chrono::milliseconds deadline)
    : impl_(std::make_unique<Impl>(std::move(socket_path), deadline)) {}

Client::~Client() = default;

Result<Response> Client::call(const admin::Call& call) {
    Impl& s = *impl_;
    if (auto done = s.connect(); !done) return tl::unexpected(done.error());

    http::request<http::string_body> request(http::string_to_verb(call.method), call.target, 11);
    request.set(http::field::host, "sealpost");
    request.set(http::field::accept, "application/json");
    if (!call.body.empty()) request.set(http::field::content_type, "application/json");
    request.body() = call.body;
    request.prepare_payload();
    // A refusal may come before the request is sent whole, so what counts is whether an answer comes.
    const error_code send_error =
        s.wait_for([&](auto handler) { http::async_write(s.stream, request, std::move(handler)); });
    if (send_error == beast::error::timeout) return s.failed("asking", send_error);

    http::response_parser<http::string_body> parser;
    parser.body_limit(max_answer);
    const error_code ec =
        s.wait_for([&](auto handler) { http::async_read(s.stream, s.buffer, parser, std::move(handler)); });
    if (ec) return s.failed("asking", send_error ? send_error : ec);

    Response out;
    out.status = parser.get().result_int();
    out.body = std::move(parser.get().body());
    if (!parser.get().keep_alive()) {
        s.stream.close();
        s.connected = false;
    }
    return out;
}

}  // namespace sealpost::cli
