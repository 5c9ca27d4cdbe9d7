#include "queue/schema.hpp"

#include <sqlite3.h>

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sealpost::queue {

namespace {

// recipient.state:  0 queued    in the index of due times
//                   1 leased    in the daemon's memory; no index entry, so the fast path writes none
//                   2 parked    due, waits for its destination's share of the active set
//                   3 frozen    damaged; only an administrator moves it
//                   4 on hold   by the administrator; attempting = 1: one that began before still runs
// A body is stored in chunks with consecutive ids from message.body_first.
constexpr const char* migration_1 = R"sql(
PRAGMA application_id = 1397050448;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('high_water', 0);

CREATE TABLE message (
    id          INTEGER PRIMARY KEY,
    sender      TEXT NOT NULL,
    flags       INTEGER NOT NULL,
    client_ip   TEXT NOT NULL,
    client_helo TEXT NOT NULL,
    protocol    TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    body_first  INTEGER NOT NULL,
    body_size   INTEGER NOT NULL,
    checksum    BLOB NOT NULL,
    frozen      TEXT
) STRICT;

CREATE TABLE body (
    id      INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    data    BLOB NOT NULL
) STRICT;

CREATE TABLE recipient (
    message      INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    address      TEXT NOT NULL,
    domain       TEXT NOT NULL,
    orcpt        TEXT NOT NULL,
    notify       TEXT NOT NULL,
    checksum     INTEGER NOT NULL,
    state        INTEGER NOT NULL,
    attempting   INTEGER NOT NULL DEFAULT 0,
    next_attempt INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    interrupted  INTEGER NOT NULL DEFAULT 0,
    last_attempt INTEGER,
    last_host    TEXT,
    last_status  TEXT,
    last_reply   TEXT,
    held         TEXT,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipient_due ON recipient (next_attempt) WHERE state = 0;
CREATE INDEX recipient_parked ON recipient (domain, next_attempt) WHERE state = 2;

CREATE TABLE attempt (
    id      INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    trace   TEXT NOT NULL
) STRICT;
CREATE INDEX attempt_message ON attempt (message);

CREATE TABLE tls_policy (
    id       INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL UNIQUE,
    type     TEXT NOT NULL,
    domain   TEXT NOT NULL,
    strings  BLOB NOT NULL,
    mx_hosts BLOB NOT NULL,
    last_day INTEGER NOT NULL
) STRICT;
CREATE TABLE tls_session (
    day           INTEGER NOT NULL,
    report_domain TEXT NOT NULL,
    policy        INTEGER NOT NULL,
    successful    INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    PRIMARY KEY (day, report_domain, policy)
) STRICT, WITHOUT ROWID;
CREATE TABLE tls_failure (
    day           INTEGER NOT NULL,
    report_domain TEXT NOT NULL,
    policy        INTEGER NOT NULL,
    type          TEXT NOT NULL,
    sending_ip    TEXT NOT NULL,
    mx_hostname   TEXT NOT NULL,
    mx_helo       TEXT NOT NULL,
    mx_ip         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    count         INTEGER NOT NULL,
    PRIMARY KEY (day, report_domain, policy, type, sending_ip, mx_hostname, mx_helo, mx_ip, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE sts_policy (
    domain       TEXT PRIMARY KEY,
    id           TEXT NOT NULL,
    body         BLOB NOT NULL,
    mode         INTEGER NOT NULL,
    fetched_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_failure INTEGER,
    last_error   TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX sts_policy_eviction ON sts_policy (mode, expires_at);
CREATE INDEX sts_policy_refresh ON sts_policy (fetched_at);

PRAGMA user_version = 1;
)sql";

// message.tls: security::MessageTls, 0 by policy (all that was taken before this step), 1 required, 2
// optional.
constexpr const char* migration_2 = R"sql(
ALTER TABLE message ADD COLUMN tls INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 2;
)sql";

// When a policy is fetched again is decided once, when the last fetch ended, so that what is due is an index
// lookup. refresh_at = 0: due at once, which is also right for the rows of schema 1 and 2.
constexpr const char* migration_3 = R"sql(
ALTER TABLE sts_policy ADD COLUMN refresh_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sts_policy ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sts_policy ADD COLUMN failing_since INTEGER;
DROP INDEX sts_policy_refresh;
CREATE INDEX sts_policy_refresh ON sts_policy (refresh_at);
CREATE INDEX sts_policy_failing ON sts_policy (mode, expires_at) WHERE failures > 0;

PRAGMA user_version = 3;
)sql";

// message.ret: 0 not given, 1 FULL, 2 HDRS; envid as given (RFC 3461 §4.3, §4.4). recipient.notified: 1 when
// the sender was told of the delay. reception: a body that is being received; what a crash leaves of it is
// deleted at the next start.
// attempt.shared: the attempt that opened the connection, whose trace holds what was looked up.
constexpr const char* migration_4 = R"sql(
ALTER TABLE message ADD COLUMN envid TEXT NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN ret INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recipient ADD COLUMN notified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN shared INTEGER;
CREATE TABLE reception (
    message    INTEGER PRIMARY KEY,
    body_first INTEGER NOT NULL,
    body_end   INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 4;
)sql";

constexpr std::array migrations{migration_1, migration_2, migration_3, migration_4};
static_assert(migrations.size() == schema_version);

tl::unexpected<Error> newer(const std::filesystem::path& file, std::int64_t version) {
    return fail(
        Errc::configuration,
        fmt::format("database {} has schema {}, this program knows {}: run the newer sealpost or restore a "
                    "backup",
                    file.string(), version, schema_version));
}

tl::unexpected<Error> foreign(const std::filesystem::path& file) {
    return fail(Errc::configuration,
                fmt::format("{} is not a sealpost database: move it away, or set another state_directory",
                            file.string()));
}

Result<std::int64_t> one_integer(Database& db, std::string_view sql) {
    auto statement = db.prepare(sql);
    if (!statement) return tl::unexpected(statement.error());
    auto rows = statement->query();
    if (!rows) return tl::unexpected(rows.error());
    const Result<bool> row = rows->next();
    if (!row) return tl::unexpected(row.error());
    return *row ? rows->integer(0) : 0;
}

using Header = std::array<char, 100>;

/// All zeros for a file that is shorter than a header. Through SQLite's own file layer, because POSIX
/// drops all locks of a process on a file when it closes any descriptor of it: a plain open and close here
/// would unlock the database under the connections that this process has, and the next `sqlite3` shell could
/// then delete the write-ahead log below a running daemon. SQLite puts off such a close.
std::optional<Header> read_header(const std::filesystem::path& file) {
    struct Close {
        void operator()(sqlite3_file* open) const noexcept {
            if (open->pMethods != nullptr) open->pMethods->xClose(open);
        }
    };
    struct FreeName {
        void operator()(const char* name) const noexcept { sqlite3_free_filename(const_cast<char*>(name)); }
    };
    sqlite3_vfs* const vfs = sqlite3_initialize() == SQLITE_OK ? sqlite3_vfs_find(nullptr) : nullptr;
    if (vfs == nullptr) return std::nullopt;
    const std::string path = std::filesystem::absolute(file).string();
    const std::unique_ptr<const char, FreeName> name(
        sqlite3_create_filename(path.c_str(), "", "", 0, nullptr));
    if (name == nullptr) return std::nullopt;

    std::vector<std::max_align_t> memory(static_cast<std::size_t>(vfs->szOsFile) / sizeof(std::max_align_t) +
                                         1);
    auto* const raw = reinterpret_cast<sqlite3_file*>(memory.data());
    const int rc = vfs->xOpen(vfs, name.get(), raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, nullptr);
    const std::unique_ptr<sqlite3_file, Close> open(raw);
    if (rc != SQLITE_OK) return std::nullopt;
    Header header{};
    const int got = raw->pMethods->xRead(raw, header.data(), static_cast<int>(header.size()), 0);
    if (got == SQLITE_IOERR_SHORT_READ) return Header{};
    if (got != SQLITE_OK) return std::nullopt;
    return header;
}

}  // namespace

Result<void> check_header(const std::filesystem::path& file) {
    std::error_code none;
    if (!std::filesystem::exists(file, none)) return {};
    if (std::filesystem::file_size(file, none) == 0)
        return {};  // made, never written: a start that was interrupted
    const std::optional<Header> read = read_header(file);
    if (!read)
        return fail(Errc::configuration,
                    fmt::format("cannot read {}: check its owner and permissions", file.string()));
    const Header& header = *read;
    using namespace std::string_view_literals;
    constexpr auto magic = "SQLite format 3\0"sv;
    if (std::string_view{header.data(), magic.size()} != magic) return foreign(file);

    const auto big_endian = [&header](std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < 4; ++i)
            value = value << 8U | static_cast<unsigned char>(header.at(at + i));
        return value;
    };
    // https://www.sqlite.org/fileformat2.html: user_version at 60, application_id at 68. Both zero: the file
    // was made, but its first migration is still in the WAL or did not happen.
    const std::uint32_t version = big_endian(60);
    const std::uint32_t application = big_endian(68);
    if (application != application_id && (application != 0 || version != 0)) return foreign(file);
    if (version > schema_version) return newer(file, version);
    return {};
}

Result<void> migrate(Database& db, const std::filesystem::path& file) {
    const auto application = one_integer(db, "PRAGMA application_id");
    if (!application) return tl::unexpected(application.error());
    const auto version = one_integer(db, "PRAGMA user_version");
    if (!version) return tl::unexpected(version.error());
    const auto objects = one_integer(db, "SELECT count(*) FROM sqlite_schema");
    if (!objects) return tl::unexpected(objects.error());
    if (*objects == 0 ? *version != 0 : *application != application_id) return foreign(file);
    if (*version > schema_version) return newer(file, *version);
    if (*version < 0 || (*version == 0 && *objects != 0)) return foreign(file);
    if (*version == schema_version) return {};

    for (auto step = static_cast<std::size_t>(*version); step < migrations.size(); ++step) {
        auto done = db.exec("BEGIN IMMEDIATE");
        if (done) done = db.exec(migrations.at(step));
        if (done) done = db.exec("COMMIT");
        if (!done) {
            static_cast<void>(db.exec("ROLLBACK"));
            return fail(fmt::format("bringing {} to schema {}", file.string(), step + 1), done.error());
        }
    }
    // So that the header, which check_header() reads, tells the new version.
    return db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

}  // namespace sealpost::queue
