/// \file Database, Statement, Rows: SQLite handles that close themselves.
///
/// Owns     the connection, its safety switches, its prepared statements.
/// Errors   Errc::full - the disk is full; Errc::storage - anything else SQLite says, with its own words.
/// Never    shared by two threads at once (opened without SQLite's mutex); nothing is ever pasted into SQL.
/// Source   SQLite 3.40: of two connections that write or checkpoint one can lose pages (the WAL-reset race).
///          So one connection writes and checkpoints; a `read_only` one can do neither.
#pragma once
#include <sqlite3.h>

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/result.hpp"

namespace sealpost::queue {

/// Octets that are bound as a BLOB; a plain string is bound as TEXT.
struct Blob {
    std::string_view octets;
};

/// The rows of one run of a statement. The statement is reset when this ends, so that no early return can
/// leave a read transaction open. Views are valid until the next `next()`.
class Rows {
public:
    /// true: a row is ready. false: done.
    [[nodiscard]] Result<bool> next();
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string_view text(int column) const;  ///< TEXT or BLOB; empty for NULL
    [[nodiscard]] bool is_null(int column) const;
    [[nodiscard]] std::optional<std::int64_t> optional_integer(int column) const;

private:
    friend class Statement;
    struct Reset {
        void operator()(sqlite3_stmt* statement) const noexcept;
    };
    explicit Rows(sqlite3_stmt* statement) : statement_(statement) {}
    std::unique_ptr<sqlite3_stmt, Reset> statement_;
};

/// One prepared statement. Must not outlive its Database.
class Statement {
public:
    Statement() = default;  ///< empty, to be assigned
    /// Runs to the end. The values need to live only during the call.
    template <class... Values>
    [[nodiscard]] Result<void> run(const Values&... values) {
        return bind_all(false, values...).and_then([this] { return finish(); });
    }
    /// Starts a query; values are copied.
    template <class... Values>
    [[nodiscard]] Result<Rows> query(const Values&... values) {
        return bind_all(true, values...).map([this] { return Rows{handle_.get()}; });
    }

private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
    };
    explicit Statement(sqlite3_stmt* raw) : handle_(raw) {}

    template <class... Values>
    [[nodiscard]] Result<void> bind_all([[maybe_unused]] bool copy, const Values&... values) {
        int index = 0;
        int rc = SQLITE_OK;
        static_cast<void>(((rc = bind(++index, values, copy), rc == SQLITE_OK) && ...));
        return check_bound(rc, index);
    }
    template <std::integral Integer>
    int bind(int index, Integer value, bool) {
        return sqlite3_bind_int64(handle_.get(), index, static_cast<sqlite3_int64>(value));
    }
    int bind(int index, std::string_view text, bool copy);
    int bind(int index, const std::string& text, bool copy) {
        return bind(index, std::string_view{text}, copy);
    }
    int bind(int index, const char* text, bool copy) { return bind(index, std::string_view{text}, copy); }
    int bind(int index, const Blob& blob, bool copy);
    int bind(int index, std::nullptr_t, bool) { return sqlite3_bind_null(handle_.get(), index); }
    template <class T>
    int bind(int index, const std::optional<T>& value, bool copy) {
        return value ? bind(index, *value, copy) : bind(index, nullptr, copy);
    }
    [[nodiscard]] Result<void> check_bound(int rc, int count);
    [[nodiscard]] Result<void> finish();

    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

class Database {
public:
    enum class Mode {
        read_write,  ///< creates the file; the one connection that writes and checkpoints
        read_only    ///< for listings; waits a little for a lock, never checkpoints, not even on close
    };
    [[nodiscard]] static Result<Database> open(const std::filesystem::path& file, Mode mode);

    /// One or more statements that are part of the program text.
    [[nodiscard]] Result<void> exec(const char* sql);
    [[nodiscard]] Result<Statement> prepare(std::string_view sql);
    struct Preparation {
        Statement* into;
        std::string_view sql;
    };
    [[nodiscard]] Result<void> prepare_all(std::initializer_list<Preparation> list);
    /// Rows changed by the last INSERT, UPDATE or DELETE.
    [[nodiscard]] std::int64_t changes() const;
    [[nodiscard]] std::int64_t last_insert_rowid() const;
    /// False also after SQLite itself rolled back because the disk failed or is full.
    [[nodiscard]] bool in_transaction() const;
    /// Gives back the pages that are only kept in case they are read again.
    void release_memory();

private:
    struct Close {
        void operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }
    };
    explicit Database(sqlite3* raw) : handle_(raw) {}
    std::unique_ptr<sqlite3, Close> handle_;
};

/// What SQLite says, as an Error.
[[nodiscard]] tl::unexpected<Error> sqlite_error(sqlite3* db, int rc, std::string_view doing);

}  // namespace sealpost::queue
