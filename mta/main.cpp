// The one binary: the daemon, its resolver process and the command line.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "mta/cli/exit_code.hpp"
#include "mta/cli/run.hpp"
#include "mta/daemon/daemon.hpp"
#include "mta/resolver/process.hpp"

int main(int argc, char** argv) {
    // A peer that is gone, or a file that may not grow, is an error of that call and no end of the process.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    try {
        // How the daemon starts its resolver; not a command, so it is no business of the command line.
        if (argc >= 2 && std::strcmp(argv[1], "resolver-process") == 0)
            return sealpost::resolver::run_process(3);
        const std::vector<std::string> arguments(argc > 0 ? argv + 1 : argv, argv + argc);
        return sealpost::cli::run(arguments, sealpost::run_daemon);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "sealpost: internal error: %s; please report it\n", error.what());
    } catch (...) {
        std::fputs("sealpost: internal error; please report it\n", stderr);
    }
    return static_cast<int>(sealpost::cli::ExitCode::software);
}
