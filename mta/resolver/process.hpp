/// \file The resolver process: libunbound alone in a process of its own.
///
/// Owns     its libunbound context and one end of a socketpair; no database, no key, no listening socket. It
/// is the
///          daemon's own binary, started again; unprivileged, without new privileges, under a seccomp filter.
/// Protocol first one configuration frame (JSON), then question frames in, answer frames out (frame.hpp).
/// Source   RFC 4035 §4.3 (states), RFC 7672 §2.1 (what DANE needs of a resolver).
#pragma once
#include <string>

#include "config/settings.hpp"

namespace sealpost::resolver {

/// What the process needs of the settings, with the trust anchor's text instead of its path.
struct ProcessConfig {
    DnsSettings dns;
    std::string trust_anchor;  ///< lines of DNSKEY or DS records in presentation form
};

/// Reads the trust anchor and looks at the root hints. Errc::configuration names the file and the remedy.
[[nodiscard]] Result<ProcessConfig> load_process_config(const DnsSettings& dns);

[[nodiscard]] std::string encode(const ProcessConfig& config);
[[nodiscard]] Result<ProcessConfig> decode_process_config(std::string_view text);

/// The body of the process. `fd` is its end of the socketpair. Returns the exit code.
[[nodiscard]] int run_process(int fd);

/// Installs the system call filter; the calls that libunbound needs and nothing that opens, executes or
/// traces.
[[nodiscard]] Result<void> confine_process();

}  // namespace sealpost::resolver
