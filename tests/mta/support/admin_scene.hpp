/// \file A real store behind a real admin socket, and the command line that talks to it.
#pragma once
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "mta/admin/server.hpp"
#include "tests/queue/temp_store.hpp"

namespace sealpost {

/// A plain connection, so that also what no client of ours sends can be sent.
class Wire {
public:
    explicit Wire(const std::string& path);
    Wire(const Wire&) = delete;
    Wire& operator=(const Wire&) = delete;
    ~Wire();

    void send(std::string_view text) const;
    /// Until the server closes, or `enough` is in it.
    [[nodiscard]] std::string receive(std::string_view enough = "\x01") const;

private:
    int fd_;
};

class AdminScene {
public:
    explicit AdminScene(AdminLimits limits = {});

    [[nodiscard]] std::string socket_path() const { return directory_.path() / "admin.sock"; }
    queue::Store& store() { return store_; }
    AdminServer& server() { return server_; }
    [[nodiscard]] const queue::test::TempDirectory& directory() const { return directory_; }

    [[nodiscard]] std::string ask(const std::string& request_line, const std::string& body = {}) const;

    struct Ran {
        int code = 0;
        std::string out;
        std::string err;
    };
    /// Nothing of it is a terminal.
    [[nodiscard]] Ran run(std::vector<std::string> arguments) const;
    [[nodiscard]] static Ran run_alone(const std::vector<std::string>& arguments);

private:
    AdminBackend backend();

    queue::test::TempDirectory directory_;
    queue::Store store_ = queue::test::open_store(directory_);
    queue::MessageIdSource ids_{1'000'000};
    QueueSettings settings_;
    queue::Time change_time_ =
        queue::test::noon;  ///< earlier each time, so that a retry has something to move
    AdminServer server_;
};

[[nodiscard]] bool has_status(const std::string& response, unsigned status);

}  // namespace sealpost
