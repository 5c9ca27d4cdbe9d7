#include "mta/admin/server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <list>
#include <optional>
#include <thread>

#include "mta/admin/handler.hpp"
#include "mta/net/task_group.hpp"

namespace sealpost {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using Local = asio::local::stream_protocol;
using Stream = beast::basic_stream<Local>;
using boost::system::error_code;

constexpr ::mode_t socket_mode = 0660;

/// Whether somebody accepts on this path. Unsure counts as yes: another's socket is never taken away.
bool is_answered(const Local::endpoint& where) {
    asio::io_context io;
    Local::socket probe(io);
    error_code ec;
    probe.open(Local(), ec);
    if (!ec) probe.non_blocking(true, ec);  // a full backlog must not keep us waiting
    if (!ec) probe.connect(where, ec);
    return ec != asio::error::connection_refused;
}

bool remove_stale(const std::string& path, const Local::endpoint& where) {
    struct ::stat entry{};
    if (::lstat(path.c_str(), &entry) != 0 || !S_ISSOCK(entry.st_mode)) return false;
    return !is_answered(where) && ::unlink(path.c_str()) == 0;
}

admin::Answer unreadable(const error_code& ec) {
    if (ec == http::error::header_limit)
        return admin::to_answer({431, "the header is too large", "send less than 16 KiB"});
    if (ec == http::error::body_limit)
        return admin::to_answer({413, "the body is too large", "send less than 64 KiB"});
    return admin::to_answer({400, fmt::format("not HTTP/1.1: {}", ec.message()), "correct the request"});
}

http::response<http::string_body> to_response(admin::Answer answer, bool keep_alive) {
    http::response<http::string_body> out(http::int_to_status(answer.status), 11);
    out.set(http::field::content_type, answer.content_type);
    out.set(http::field::cache_control, "no-store");
    if (!answer.allow.empty()) out.set(http::field::allow, answer.allow);
    out.keep_alive(keep_alive);
    out.body() = std::move(answer.body);
    out.prepare_payload();
    return out;
}

}  // namespace

struct AdminServer::Impl {
    Impl(std::string socket_path, AdminBackend backend, std::function<void(std::string_view)> error_sink,
         AdminLimits bounds)
        : path(std::move(socket_path)),
          limits(bounds),
          on_error(std::move(error_sink)),
          handler(std::move(backend)) {}

    Result<void> open();
    Result<void> bind(const Local::endpoint& where);
    void stop();
    void forget_socket();

    Async<void> accept();
    Async<void> serve(Local::socket socket);
    Async<void> exchange(Stream& stream);

    std::string path;
    AdminLimits limits;
    std::function<void(std::string_view)> on_error;
    admin::Handler handler;

    asio::io_context io{1};
    Local::acceptor acceptor{io};
    std::list<Stream*> streams;  // of all connections: a stop closes them
    TaskGroup tasks{io.get_executor(),
                    [this](std::string_view what) { on_error(fmt::format("admin connection: {}", what)); }};
    std::optional<std::pair<::dev_t, ::ino_t>> bound;  // the socket in the file system, while it is ours
    std::thread thread;
};

Result<void> AdminServer::Impl::open() {
    if (acceptor.is_open()) return {};
    if (path.empty() || path.size() >= sizeof(::sockaddr_un::sun_path))
        return fail(Errc::configuration,
                    fmt::format("admin socket {}: the path is too long; set daemon.admin_socket to less than "
                                "{} octets",
                                path, sizeof(::sockaddr_un::sun_path)));
    auto done = bind(Local::endpoint(path));
    if (!done) {
        error_code ignored;
        acceptor.close(ignored);
    }
    return done;
}

Result<void> AdminServer::Impl::bind(const Local::endpoint& where) {
    const auto failed = [this](const char* doing, const error_code& ec) {
        return fail(
            Errc::configuration,
            fmt::format("admin socket {}: cannot {}: {}; let the user that runs sealpost write to its "
                        "folder, or set daemon.admin_socket",
                        path, doing, ec.message()));
    };
    error_code ec;
    acceptor.open(Local(), ec);
    if (ec) return failed("open", ec);
    // bind() gives the file the socket's mode less the umask: never wider, not even for a moment.
    if (::fchmod(acceptor.native_handle(), socket_mode) != 0)
        return failed("set its mode", {errno, boost::system::system_category()});

    acceptor.bind(where, ec);
    if (ec == boost::system::errc::no_such_file_or_directory) {
        ::mkdir(path.substr(0, path.rfind('/')).c_str(), 0755);
        acceptor.bind(where, ec);
    }
    if (ec == asio::error::address_in_use) {
        if (!remove_stale(path, where))
            return fail(Errc::unavailable,
                        fmt::format("admin socket {}: in use; stop the sealpost that runs already, or set "
                                    "another daemon.admin_socket",
                                    path));
        acceptor.bind(where, ec);
    }
    if (ec) return failed("bind", ec);

    struct ::stat entry{};
    if (::lstat(path.c_str(), &entry) == 0) bound = {entry.st_dev, entry.st_ino};
    if (::chmod(path.c_str(), socket_mode) != 0)
        return failed("set its mode", {errno, boost::system::system_category()});
    acceptor.listen(static_cast<int>(limits.connections), ec);
    if (ec) return failed("listen", ec);
    return {};
}

void AdminServer::Impl::stop() {
    if (thread.joinable()) {
        asio::post(io, [this] {
            tasks.stop();
            error_code ignored;
            acceptor.close(ignored);
            for (Stream* const stream : streams) stream->close();
        });
        thread.join();
    } else {
        error_code ignored;
        acceptor.close(ignored);
    }
    forget_socket();
}

void AdminServer::Impl::forget_socket() {
    if (!bound) return;
    struct ::stat entry{};
    const bool ours =
        ::lstat(path.c_str(), &entry) == 0 && entry.st_dev == bound->first && entry.st_ino == bound->second;
    // Failing is harmless (privileges were dropped): the next start replaces a socket that nobody answers.
    if (ours) ::unlink(path.c_str());
    bound.reset();
}

Async<void> AdminServer::Impl::accept() {
    while (!tasks.stopping()) {
        auto [ec, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
        if (tasks.stopping()) co_return;
        if (ec) {
            // Out of descriptors, most likely: going on at once would spin.
            on_error(fmt::format("admin socket {}: accept: {}", path, ec.message()));
            asio::steady_timer pause(io, std::chrono::seconds(1));
            co_await pause.async_wait(asio::use_awaitable);
            continue;
        }
        tasks.spawn(serve(std::move(socket)));
    }
}

Async<void> AdminServer::Impl::serve(Local::socket socket) {
    Stream stream(std::move(socket));
    if (streams.size() >= limits.connections) {
        admin::Answer full = admin::to_answer({503, "too many admin connections", "try again"});
        const auto response = to_response(std::move(full), false);
        stream.expires_after(std::chrono::seconds(1));
        co_await http::async_write(stream, response, asio::as_tuple(asio::use_awaitable));
        co_return;
    }
    const auto place = streams.insert(streams.end(), &stream);
    struct Leave {
        std::list<Stream*>& list;
        std::list<Stream*>::iterator at;
        ~Leave() { list.erase(at); }
    };
    const Leave leave{streams, place};
    co_await exchange(stream);
}

Async<void> AdminServer::Impl::exchange(Stream& stream) {
    beast::flat_buffer buffer(limits.header_size + limits.body_size);
    bool keep_alive = true;
    while (keep_alive && !tasks.stopping()) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(static_cast<std::uint32_t>(limits.header_size));
        parser.body_limit(limits.body_size);
        stream.expires_after(limits.timeout);
        const auto [read_error, octets] =
            co_await http::async_read(stream, buffer, parser, asio::as_tuple(asio::use_awaitable));
        if (read_error && read_error.category() != error_code(http::error::bad_method).category()) co_return;
        if (read_error == http::error::end_of_stream || read_error == http::error::partial_message) co_return;

        admin::Answer answer;
        bool head = false;
        if (read_error) {
            answer = unreadable(read_error);
            keep_alive = false;
        } else {
            auto& request = parser.get();
            keep_alive = request.keep_alive();
            head = request.method() == http::verb::head;
            const auto method = request.method_string();
            const auto target = request.target();
            admin::Call call;
            call.method.assign(method.data(), method.size());
            call.target.assign(target.data(), target.size());
            call.body = std::move(request.body());
            stream.expires_never();  // the backend has deadlines of its own
            answer = co_await handler.handle(std::move(call));
            if (head) answer.body.clear();
        }
        const auto response = to_response(std::move(answer), keep_alive);
        stream.expires_after(limits.timeout);
        const auto [write_error, sent] =
            co_await http::async_write(stream, response, asio::as_tuple(asio::use_awaitable));
        if (write_error) co_return;
    }
}

AdminServer::AdminServer(std::string socket_path, AdminBackend backend,
                         std::function<void(std::string_view)> on_error, AdminLimits limits)
    : impl_(std::make_unique<Impl>(std::move(socket_path), std::move(backend), std::move(on_error), limits)) {
}

AdminServer::~AdminServer() {
    stop();
}

Result<void> AdminServer::open() {
    return impl_->open();
}

Result<void> AdminServer::start() {
    if (auto opened = impl_->open(); !opened) return opened;
    impl_->tasks.spawn(impl_->accept());
    impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
    return {};
}

void AdminServer::stop() {
    impl_->stop();
}

}  // namespace sealpost
