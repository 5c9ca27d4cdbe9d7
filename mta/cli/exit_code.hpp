/// \file The exit codes of every command; scripts rely on them.
///
/// Source   sysexits.h, whose meaning is kept where it has one.
#pragma once

namespace sealpost::cli {

enum class ExitCode : int {
    ok = 0,
    usage = 64,        ///< the command line is wrong
    data = 65,         ///< the daemon refused what was given, or it is not what it should be
    not_found = 66,    ///< what was named does not exist or cannot be read (EX_NOINPUT)
    unavailable = 69,  ///< the daemon answered what this program does not understand
    software = 70,     ///< a bug of ours
    io_error = 74,     ///< standard output could not be written
    temporary = 75,    ///< no daemon there, or it cannot now: try later
    no_permission = 77,
    configuration = 78
};

}  // namespace sealpost::cli
