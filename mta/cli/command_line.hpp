/// \file The command line as values.
///
/// Owns     the commands, their options and help texts. Pure: what `today` means is decided from `now`.
#pragma once
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "config/domain.hpp"
#include "mta/admin/request.hpp"
#include "mta/cli/exit_code.hpp"

namespace sealpost::cli {

struct Serve {
    bool check_only = false;
};
struct ConfigCheck {};
struct ConfigShow {
    bool with_origin = false;
};
struct QueueList {
    queue::Filter filter;
    std::optional<queue::RecipientId> after;
    std::size_t limit = 1000;
};
struct QueueShow {
    queue::MessageId id;
};
struct QueueShape {
    admin::ShapeQueue request;
};
/// retry, hold, release, delete, bounce.
struct QueueAlter {
    admin::ChangeQueue request;
    bool yes = false;  ///< without a question
    bool dry_run = false;
};
struct Trace {
    queue::MessageId id;
};
struct ReportBuild {
    queue::Day day;
    std::optional<Domain> domain;
};
/// Asks the daemon what it would look up and decide for a domain.
struct Explain {
    Domain domain;
    security::MessageTls message = security::MessageTls::by_policy;
};
/// Which rule of the configuration files applies; asks no daemon.
struct PolicyTest {
    Domain domain;
};
/// Of a policy body (`file`, "-" is standard input), or of the TXT records of _mta-sts.<domain>.
struct StsLint {
    std::string file;
    std::vector<std::string> records;  ///< one for each TXT record; not empty: no file
};
struct TlsaDecode {
    std::vector<std::string> records;  ///< one for each record of the RRset
};
struct Status {};
struct Metrics {};
struct Version {};

using Command =
    std::variant<Serve, ConfigCheck, ConfigShow, QueueList, QueueShow, QueueShape, QueueAlter, Trace,
                 ReportBuild, Explain, PolicyTest, StsLint, TlsaDecode, Status, Metrics, Version>;

struct CommandLine {
    std::string config_file = "/etc/sealpost/sealpost.toml";
    bool config_named = false;          ///< -c was given: the file must exist
    std::optional<std::string> socket;  ///< instead of the configuration's admin_socket
    bool json = false;
    Command command;
};

/// The command line ends here: help was asked for, or it is wrong.
struct Ended {
    ExitCode code = ExitCode::ok;
    std::string out;
    std::string err;
};

/// `arguments` without the program's name.
[[nodiscard]] tl::expected<CommandLine, Ended> parse_command_line(const std::vector<std::string>& arguments,
                                                                  std::chrono::system_clock::time_point now);

}  // namespace sealpost::cli
