/// \file What was written on the command line, before it is understood.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "mta/cli/command_line.hpp"

namespace sealpost::cli {

struct Words {
    std::chrono::system_clock::time_point now;
    std::string id, domain, from, to, state, age, reason, policy, after, text, day, file;
    std::vector<std::string> ids, records;
    std::size_t limit = 0;
    bool held = false, all = false, yes = false, dry_run = false, by_sender = false;
    bool requiretls = false, tls_optional = false, origin = false, check = false;
};

struct Wrong {
    std::string why;
};
template <class T>
using Understood = tl::expected<T, Wrong>;

[[nodiscard]] tl::unexpected<Wrong> wrong(std::string_view option, std::string_view value,
                                          std::string_view allowed);
[[nodiscard]] Understood<queue::MessageId> read_id(const std::string& text);

}  // namespace sealpost::cli
