/// \file The state of the root's trust anchor on disk: trust-anchor.json in the state directory.
///
/// Owns     the file. Written whole beside the old one, synced and renamed, so that a crash leaves one of the
/// two.
///          It stands here and not in the resolver process: what reads the network cannot write what is
///          trusted.
/// Errors   of load(): Errc::not_found, or Errc::invalid and Errc::storage with the reason; of save():
/// Errc::storage. Blocks   for a few milliseconds when it writes, which is when a key changes its state.
#pragma once
#include <string>

#include "security/trust_anchor.hpp"

namespace sealpost::resolver {

class TrustFile {
public:
    explicit TrustFile(const std::string& state_directory) : path_(state_directory + "/trust-anchor.json") {}

    [[nodiscard]] Result<security::TrustState> load() const;
    [[nodiscard]] Result<void> save(const security::TrustState& state) const;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace sealpost::resolver
