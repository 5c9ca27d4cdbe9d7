/// \file The whole text of one small file.
///
/// Errors   Errc::not_found - there is no such file; Errc::configuration - any other reason. The text names
///          the path, the system's reason and the remedy.
#pragma once
#include <cstddef>
#include <filesystem>
#include <string>

#include "config/result.hpp"

namespace sealpost {

[[nodiscard]] Result<std::string> read_text_file(const std::filesystem::path& path, std::size_t max_size);

}  // namespace sealpost
