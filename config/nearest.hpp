/// \file The known word nearest to a mistyped one, for "did you mean".
///
/// Bounds   words over 64 octets have no neighbour: the work is quadratic in their length.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

namespace sealpost {

/// nullopt when nothing is near enough to be what was meant: one slip for each three letters, at least one.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view word,
                                                      const std::vector<std::string_view>& known);

}  // namespace sealpost
