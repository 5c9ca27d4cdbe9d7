/// \file The commands that ask a running daemon; those of the queue are in queue_commands.cpp.
#pragma once
#include <boost/json/object.hpp>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "mta/cli/client.hpp"
#include "mta/cli/command_line.hpp"

namespace sealpost::cli {

struct Streams {
    std::FILE* out = stdout;
    std::FILE* err = stderr;
    std::FILE* in = stdin;
};

/// One line on `err`: "sealpost: ...".
void complain(const Streams& streams, std::string_view what);

class Remote {
public:
    Remote(std::string socket_path, bool json, queue::Time now, Streams streams);

    [[nodiscard]] ExitCode run(const QueueList& command);
    [[nodiscard]] ExitCode run(const QueueShow& command);
    [[nodiscard]] ExitCode run(const QueueShape& command);
    [[nodiscard]] ExitCode run(const QueueAlter& command);
    [[nodiscard]] ExitCode run(const Trace& command);
    [[nodiscard]] ExitCode run(const ReportBuild& command);
    [[nodiscard]] ExitCode run(const Explain& command);
    [[nodiscard]] ExitCode run(const Status& command);
    [[nodiscard]] ExitCode run(const Metrics& command);

private:
    template <class T>
    using Outcome = tl::expected<T, ExitCode>;  ///< an ExitCode: complained about already

    [[nodiscard]] Outcome<std::string> ask(const admin::Request& request);
    [[nodiscard]] Outcome<boost::json::object> ask_object(const admin::Request& request);
    [[nodiscard]] ExitCode print_report(const admin::ShowReport& request, bool indented);
    /// What a filter finds, asked before anything is changed.
    struct Found {
        std::uint64_t messages = 0;
        std::uint64_t recipients = 0;
        std::uint64_t domains = 0;
        bool complete = false;
        std::optional<queue::RecipientId> last;
        [[nodiscard]] std::string text() const;
    };
    [[nodiscard]] Outcome<Found> count(const queue::Filter& filter);
    [[nodiscard]] bool confirmed(std::string_view question);
    [[nodiscard]] ExitCode alter(admin::ChangeQueue request, const Found& found);
    void print(std::string_view text);
    void print_line(const boost::json::object& object);

    Client client_;
    bool json_;
    queue::Time now_;
    Streams streams_;
};

}  // namespace sealpost::cli
