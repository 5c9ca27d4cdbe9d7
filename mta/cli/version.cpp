#include "mta/cli/version.hpp"

// Defined by the build: the project's version.
#ifndef SEALPOST_VERSION
#error "define SEALPOST_VERSION"
#endif

namespace sealpost::cli {

std::string_view version() {
    return SEALPOST_VERSION;
}

}  // namespace sealpost::cli
