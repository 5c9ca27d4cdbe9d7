#include "tests/mta/support/admin_scene.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "mta/cli/run.hpp"
#include "mta/daemon/queue_admin.hpp"

namespace sealpost {
namespace {

namespace test = queue::test;

Async<Result<Changed>> change(queue::Store& store, BounceContext context, ChangeOrder order) {
    context.text = order.text;
    const auto done = test::committed(store, [&] {
        return order.change == QueueChange::bounce
                   ? bounce_recipients(store, context, order.recipients)
                   : change_recipients(store, order.change, order.recipients, context.now);
    });
    co_return done.map([](const ChangeDone& what) { return what.changed; });
}

Async<std::string> explain(Domain domain, security::MessageTls message) {
    co_return fmt::format(R"({{"schema":1,"domain":"{}","message_tls":"{}"}})", domain, to_string(message));
}

}  // namespace

Wire::Wire(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    ::sockaddr_un where{};
    where.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof(where.sun_path));
    std::memcpy(where.sun_path, path.data(), path.size());
    REQUIRE(::connect(fd_, reinterpret_cast<const ::sockaddr*>(&where), sizeof(where)) == 0);
}

Wire::~Wire() {
    ::close(fd_);
}

void Wire::send(std::string_view text) const {
    while (!text.empty()) {
        const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;  // the server may refuse before it has read all
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::string Wire::receive(std::string_view enough) const {
    std::string out;
    std::array<char, 4096> part{};
    while (out.find(enough) == std::string::npos) {
        const auto got = ::recv(fd_, part.data(), part.size(), 0);
        if (got <= 0) break;
        out.append(part.data(), static_cast<std::size_t>(got));
    }
    return out;
}

AdminScene::AdminScene(AdminLimits limits)
    : server_(socket_path(), backend(), [](std::string_view) {}, limits) {
    const auto started = server_.start();
    if (!started) FAIL(started.error().text);
}

std::string AdminScene::ask(const std::string& request_line, const std::string& body) const {
    const Wire wire(socket_path());
    wire.send(fmt::format("{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                          request_line, body.size(), body));
    return wire.receive();
}

AdminScene::Ran AdminScene::run(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--socket", socket_path()});
    return run_alone(arguments);
}

AdminScene::Ran AdminScene::run_alone(const std::vector<std::string>& arguments) {
    std::array<char*, 2> text{};
    std::array<std::size_t, 2> size{};
    std::FILE* const out = ::open_memstream(&text[0], &size[0]);
    std::FILE* const err = ::open_memstream(&text[1], &size[1]);
    std::FILE* const in = std::fopen("/dev/null", "r");
    Ran ran;
    ran.code = cli::run(arguments, [](const LoadedSettings&) { return 99; }, {out, err, in});
    std::fclose(out);
    std::fclose(err);
    std::fclose(in);
    ran.out.assign(text[0], size[0]);
    ran.err.assign(text[1], size[1]);
    std::free(text[0]);
    std::free(text[1]);
    return ran;
}

AdminBackend AdminScene::backend() {
    return {
        .open_reader = [this] { return queue::Reader::open(directory_.path()); },
        .change =
            [this](ChangeOrder order) {
                BounceContext context{
                    "mail.sender.example", &settings_, &ids_, {}, change_time_ -= std::chrono::minutes(1)};
                return change(store_, std::move(context), std::move(order));
            },
        .explain = [](Domain domain,
                      security::MessageTls message) { return explain(std::move(domain), message); },
        .status_json = [] { return std::string(R"({"schema":1,"queue":{"messages":2}})"); },
        .metrics_text = [] { return std::string("sealpost_queue_messages 2\n"); },
        .hostname = Domain::parse("mail.sender.example").value(),
        .reports = {}};
}

bool has_status(const std::string& response, unsigned status) {
    return response.starts_with(fmt::format("HTTP/1.1 {} ", status));
}

}  // namespace sealpost
