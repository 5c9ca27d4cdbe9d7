/// \file The version of this program, as the build names it.
#pragma once
#include <string_view>

namespace sealpost::cli {

[[nodiscard]] std::string_view version();

}  // namespace sealpost::cli
