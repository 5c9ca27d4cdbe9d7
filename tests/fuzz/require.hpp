/// \file require(): a property that a fuzz target holds true of every input.
#pragma once
#include <cstdlib>
#include <source_location>

#include <fmt/core.h>

/// Aborts, so that libFuzzer keeps the input; names the line that failed.
inline void require(bool holds, std::source_location at = std::source_location::current()) {
    if (holds) return;
    fmt::print(stderr, "{}:{}: property does not hold\n", at.file_name(), at.line());
    std::abort();
}
