#include "queue/sqlite.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <limits>

namespace sealpost::queue {

namespace {

constexpr int reader_patience_ms = 5000;
constexpr int checkpoint_pages = 4000;

}  // namespace

tl::unexpected<Error> sqlite_error(sqlite3* db, int rc, std::string_view doing) {
    const Errc code = (rc & 0xFF) == SQLITE_FULL ? Errc::full : Errc::storage;
    const char* words = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    return fail(code, fmt::format("{}: {} (SQLite code {})", doing, words, rc));
}

void Rows::Reset::operator()(sqlite3_stmt* statement) const noexcept {
    sqlite3_reset(statement);
}

Result<bool> Rows::next() {
    const int rc = sqlite3_step(statement_.get());
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) return rc == SQLITE_ROW;
    return sqlite_error(sqlite3_db_handle(statement_.get()), rc, "reading the database");
}

std::int64_t Rows::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Rows::text(int column) const {
    const void* data = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    if (data == nullptr || size <= 0) return {};
    return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

bool Rows::is_null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::optional<std::int64_t> Rows::optional_integer(int column) const {
    if (is_null(column)) return std::nullopt;
    return integer(column);
}

int Statement::bind(int index, std::string_view text, bool copy) {
    // A null pointer would bind NULL instead of the empty string.
    const char* data = text.data() != nullptr ? text.data() : "";
    return sqlite3_bind_text64(handle_.get(), index, data, text.size(),
                               copy ? SQLITE_TRANSIENT : SQLITE_STATIC, SQLITE_UTF8);
}

int Statement::bind(int index, const Blob& blob, bool copy) {
    const char* data = blob.octets.data() != nullptr ? blob.octets.data() : "";
    return sqlite3_bind_blob64(handle_.get(), index, data, blob.octets.size(),
                               copy ? SQLITE_TRANSIENT : SQLITE_STATIC);
}

Result<void> Statement::check_bound(int rc, int count) {
    if (rc == SQLITE_OK && count == sqlite3_bind_parameter_count(handle_.get())) return {};
    if (rc == SQLITE_OK) return fail(Errc::storage, fmt::format("a statement got {} values", count));
    return sqlite_error(sqlite3_db_handle(handle_.get()), rc, "binding a value");
}

Result<void> Statement::finish() {
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW) rc = sqlite3_step(handle_.get());
    Result<void> done;
    if (rc != SQLITE_DONE) done = sqlite_error(sqlite3_db_handle(handle_.get()), rc, "writing the database");
    sqlite3_reset(handle_.get());
    return done;
}

Result<Database> Database::open(const std::filesystem::path& file, Mode mode) {
    const bool writes = mode == Mode::read_write;
    if (writes) {
        // Made here and not by SQLite, so that mail is readable for its owner alone; the WAL inherits the
        // mode.
        const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (descriptor < 0)
            return fail(Errc::configuration, fmt::format("cannot write {}: {}", file.string(),
                                                         std::generic_category().message(errno)));
        ::close(descriptor);
    }
    sqlite3* raw = nullptr;
    const int flags =
        SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (writes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    const int rc = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
    Database db{raw};  // owned before any return
    if (rc != SQLITE_OK) return sqlite_error(raw, rc, fmt::format("opening {}", file.string()));

    sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
    sqlite3_busy_timeout(raw, reader_patience_ms);
    if (auto set = db.exec("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;");
        !set)
        return tl::unexpected(set.error());
    if (!writes) {
        sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        sqlite3_wal_autocheckpoint(raw, 0);
        return db;
    }
    sqlite3_wal_autocheckpoint(raw, checkpoint_pages);
    auto set = db.exec(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;"
        "PRAGMA cache_size = -65536;");
    if (!set) return fail(fmt::format("opening {}", file.string()), set.error());
    auto mode_query = db.prepare("PRAGMA journal_mode");
    if (!mode_query) return tl::unexpected(mode_query.error());
    auto rows = mode_query->query();
    if (!rows) return tl::unexpected(rows.error());
    const Result<bool> row = rows->next();
    if (!row) return tl::unexpected(row.error());
    if (!*row || rows->text(0) != "wal")
        return fail(Errc::configuration,
                    fmt::format("{}: this file system cannot do write-ahead logging; use a local disk",
                                file.string()));
    return db;
}

Result<void> Database::exec(const char* sql) {
    const int rc = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
    if (rc != SQLITE_OK) return sqlite_error(handle_.get(), rc, "writing the database");
    return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* raw = nullptr;
    const int rc = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    Statement statement{raw};  // owned before any return
    if (rc != SQLITE_OK) return sqlite_error(handle_.get(), rc, "preparing a statement");
    return statement;
}

Result<void> Database::prepare_all(std::initializer_list<Preparation> list) {
    for (const Preparation& each : list) {
        auto statement = prepare(each.sql);
        if (!statement) return fail(each.sql, statement.error());
        *each.into = std::move(*statement);
    }
    return {};
}

std::int64_t Database::changes() const {
    return sqlite3_changes64(handle_.get());
}
std::int64_t Database::last_insert_rowid() const {
    return sqlite3_last_insert_rowid(handle_.get());
}
bool Database::in_transaction() const {
    return sqlite3_get_autocommit(handle_.get()) == 0;
}
void Database::release_memory() {
    sqlite3_db_release_memory(handle_.get());
}

}  // namespace sealpost::queue
