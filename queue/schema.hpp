/// \file The tables, as numbered migrations.
///
/// Owns     every CREATE statement, PRAGMA application_id and user_version.
/// Errors   Errc::configuration - a newer schema, or a file that is not Sealpost's. Nothing was changed on
/// disk.
///          Errc::storage - the file cannot be read or is damaged.
/// Never    runs `PRAGMA integrity_check` at a start: it reads the whole file. `sqlite3 sealpost.db
///          'PRAGMA quick_check'` on a stopped daemon does; messages carry their own checksum.
#pragma once
#include <filesystem>

#include "config/result.hpp"
#include "queue/sqlite.hpp"

namespace sealpost::queue {

inline constexpr int schema_version = 4;
inline constexpr int application_id = 0x53454C50;  ///< "SELP"

/// Looks at the file's first 100 octets alone, before SQLite may touch it. A missing or empty file is fine.
[[nodiscard]] Result<void> check_header(const std::filesystem::path& file);

/// Brings the database to `schema_version`, each step in a transaction of its own.
[[nodiscard]] Result<void> migrate(Database& db, const std::filesystem::path& file);

}  // namespace sealpost::queue
