/// \file The options of `sealpost queue`: their help texts, and what they mean.
#pragma once
#include "mta/cli/words.hpp"

namespace CLI {
class App;
}

namespace sealpost::cli {

/// --from, --to, --domain, --state, --age, --reason, --policy, --held, and ids where there are any.
void add_filter(CLI::App& app, Words& words, bool ids = true);
void add_list_options(CLI::App& app, Words& words);
void add_shape_options(CLI::App& app, Words& words);
void add_change_options(CLI::App& app, Words& words, QueueChange change);

[[nodiscard]] Understood<Command> queue_list(const CLI::App& app, const Words& words);
[[nodiscard]] Understood<Command> queue_shape(const CLI::App& app, const Words& words);
[[nodiscard]] Understood<Command> queue_alter(const CLI::App& app, const Words& words, QueueChange change);

}  // namespace sealpost::cli
