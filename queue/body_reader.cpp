#include "queue/body_reader.hpp"

#include <algorithm>
#include <utility>

#include "queue/schema.hpp"
#include "queue/sqlite.hpp"

namespace sealpost::queue {

struct BodyReader::Impl {
    explicit Impl(Database d) : db(std::move(d)) {}
    Database db;
    Statement block;
};

BodyReader::BodyReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BodyReader::BodyReader(BodyReader&&) noexcept = default;
BodyReader& BodyReader::operator=(BodyReader&&) noexcept = default;
BodyReader::~BodyReader() = default;

Result<BodyReader> BodyReader::open(const std::filesystem::path& state_directory) {
    const std::filesystem::path file = state_directory / "sealpost.db";
    if (auto ours = check_header(file); !ours) return tl::unexpected(ours.error());
    auto db = Database::open(file, Database::Mode::read_only);
    if (!db) return tl::unexpected(db.error());
    auto impl = std::make_unique<Impl>(std::move(*db));
    // No row is read twice: a block and the way to it is all that is worth keeping.
    auto ready = impl->db.exec("PRAGMA cache_size = -256");
    if (ready)
        ready = impl->db.prepare_all({
            {&impl->block,
             "SELECT b.data FROM message m LEFT JOIN body b ON b.id = ?2 AND b.message = m.id"
             " WHERE m.id = ?1"},
        });
    if (!ready) return tl::unexpected(ready.error());
    return BodyReader{std::move(impl)};
}

Result<std::string> BodyReader::block(MessageId message, const StoredBody& body, std::uint64_t number) {
    auto rows = impl_->block.query(message.value(), body.first + static_cast<std::int64_t>(number));
    if (!rows) return tl::unexpected(rows.error());
    const Result<bool> row = rows->next();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return fail(Errc::not_found, fmt::format("message {} is gone", message));
    const std::uint64_t before = number * body_chunk;
    const std::string_view data = rows->text(0);
    if (before >= body.size || data.size() != std::min<std::uint64_t>(body_chunk, body.size - before))
        return fail(Errc::invalid, fmt::format("a row of the body of {} is not what was accepted", message));
    return std::string{data};
}

Result<std::string> BodyReader::prefix(MessageId message, const StoredBody& body, std::uint64_t octets) {
    const std::uint64_t wanted = std::min(octets, body.size);
    std::string out;
    for (std::uint64_t number = 0; out.size() < wanted; ++number) {
        Result<std::string> next = block(message, body, number);
        if (!next) return next;
        out += *next;
    }
    out.resize(wanted);
    return out;
}

BodyStream::BodyStream(BodyReader& reader, MessageId message, StoredBody body)
    : reader_(reader), message_(message), body_(std::move(body)) {}

Result<std::string> BodyStream::next() {
    if (read_ == body_.size) return std::string{};
    Result<std::string> block = reader_.block(message_, body_, number_++);
    if (!block) return block;
    digest_.append(*block);
    read_ += block->size();
    if (read_ == body_.size && digest_.finish() != body_.digest)
        return fail(
            Errc::invalid,
            fmt::format("the body of {} does not match its checksum: it is not what was accepted", message_));
    return block;
}

}  // namespace sealpost::queue
