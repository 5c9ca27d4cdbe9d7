// Store: bodies of more than one row - how they come in, piece by piece, and how they go away.
#include <algorithm>

#include "queue/message_checksum.hpp"
#include "queue/rows.hpp"
#include "queue/store_impl.hpp"

namespace sealpost::queue {

namespace {

std::int64_t rows_of(std::uint64_t size) {
    return static_cast<std::int64_t>((size + body_chunk - 1) / body_chunk);
}

}  // namespace

Result<Reception> Store::begin_reception(MessageId id, std::uint64_t limit) {
    Impl& s = *impl_;
    // Ids are plenty: a whole range for each, so that the rows of a body are consecutive however many come
    // in at once.
    const Reception reception{.message = id,
                              .first = s.next_body,
                              .end = s.next_body + rows_of(std::min(limit, max_body_size)) + 1};
    s.next_body = reception.end;
    if (auto done = s.add_reception.run(id.value(), reception.first, reception.end); !done)
        return tl::unexpected(done.error());
    return reception;
}

Result<void> Store::add_body(const Reception& reception, std::uint64_t number, std::string_view piece) {
    Impl& s = *impl_;
    const auto open = s.reception_of(reception.message);
    if (!open) return tl::unexpected(open.error());
    if (!*open || (*open)->first != reception.first)
        return fail(Errc::not_found, fmt::format("the reception of {} has ended", reception.message));
    if (piece.empty() || piece.size() > body_chunk ||
        number >= static_cast<std::uint64_t>(reception.end - reception.first))
        return fail(Errc::invalid, "a piece of a body that has no place in it");
    s.body_octets_moved += piece.size();
    return s.add_body.run(reception.first + static_cast<std::int64_t>(number), reception.message.value(),
                          Blob{piece});
}

void Store::abandon(MessageId id) {
    impl_->leftovers.push_back(id);
}

bool Store::has_leftovers() const {
    return !impl_->leftovers.empty();
}

void Store::skip_leftover() {
    if (has_leftovers()) impl_->leftovers.pop_front();
}

Result<void> Store::sweep(std::size_t limit) {
    Impl& s = *impl_;
    if (s.leftovers.empty()) return {};
    const MessageId id = s.leftovers.front();
    const auto left = s.reception_of(id);
    if (!left) return tl::unexpected(left.error());
    if (!*left) {  // enqueued after all, or all of it is deleted and that is committed
        s.leftovers.pop_front();
        return {};
    }
    const auto chunks = s.chunks_of(**left, limit);
    if (!chunks) return tl::unexpected(chunks.error());
    for (const std::int64_t chunk : *chunks)
        if (auto done = s.drop_chunk.run(chunk, id.value()); !done) return done;
    s.body_octets_moved += chunks->size() * body_chunk;
    if (chunks->size() == limit) return {};
    return s.drop_reception.run(id.value());
}

Result<std::optional<Reception>> Store::Impl::reception_of(MessageId id) {
    auto rows = get_reception.query(id.value());
    if (!rows) return tl::unexpected(rows.error());
    const Result<bool> row = rows->next();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return std::nullopt;
    return Reception{.message = id, .first = rows->integer(0), .end = rows->integer(1)};
}

Result<std::vector<std::int64_t>> Store::Impl::chunks_of(const Reception& reception, std::size_t limit) {
    auto rows = some_chunks.query(reception.first, reception.end, reception.message.value(), limit);
    if (!rows) return tl::unexpected(rows.error());
    std::vector<std::int64_t> chunks;
    for (;;) {
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return chunks;
        chunks.push_back(rows->integer(0));
    }
}

/// The reception becomes the message's body. Looked at once more, because an acknowledgement hangs on it: a
/// store that was opened anew has given up what was being received.
Result<void> Store::Impl::take_over(const NewMessage& message) {
    const StoredBody& body = *message.stored_body;
    const auto open = reception_of(message.id);
    if (!open) return tl::unexpected(open.error());
    if (!*open || (*open)->first != body.first)
        return fail(Errc::not_found, fmt::format("the reception of {} has ended", message.id));
    if (!message.body.empty() || body.digest.size() != digest_size)
        return fail(Errc::invalid, "a body that is stored has a digest, and there is no other");
    {
        auto rows = count_chunks.query(body.first, (*open)->end, message.id.value());
        if (!rows) return tl::unexpected(rows.error());
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row || rows->integer(0) != rows_of(body.size) ||
            rows->integer(1) != static_cast<std::int64_t>(body.size))
            return fail(Errc::not_found, fmt::format("pieces of the body of {} are missing", message.id));
    }
    return drop_reception.run(message.id.value());
}

Result<void> Store::Impl::remove_body(MessageId id, std::int64_t first, std::int64_t size) {
    if (size >= 0 && size <= static_cast<std::int64_t>(body_chunk)) return drop_chunk.run(first, id.value());
    // Later, in steps: all that waits for the disk would wait for it.
    const std::uint64_t octets =
        std::min(unsigned_from_row<std::uint64_t>(size).value_or(max_body_size), max_body_size);
    auto left = add_reception.run(id.value(), first, first + rows_of(octets));
    if (left) leftovers.push_back(id);
    return left;
}

Result<bool> Store::Impl::read_body(MessageId id, std::int64_t first, std::uint64_t size,
                                    const std::function<void(std::string_view)>& take) {
    auto rows = get_body.query(first, id.value(), rows_of(size));
    if (!rows) return tl::unexpected(rows.error());
    std::uint64_t read = 0;
    for (;;) {
        const Result<bool> row = rows->next();
        if (!row) return tl::unexpected(row.error());
        if (!*row) return read == size;
        const std::string_view chunk = rows->text(0);
        read += chunk.size();
        if (read > size) return false;
        take(chunk);
    }
}

Result<bool> Store::Impl::verify(StoredMessage& message, std::int64_t first, std::uint64_t size,
                                 std::string_view checksum) {
    const bool large = size > body_chunk;
    if (checksum.size() == checksum_size) {
        const std::string_view digest = checksum.substr(0, digest_size);
        if (message_checksum(message.id, message.envelope, size, digest) != checksum) return false;
        if (large) {
            message.stored_body = StoredBody{.first = first, .size = size, .digest = std::string{digest}};
            return true;
        }
        message.body.reserve(size);
        const auto whole =
            read_body(message.id, first, size, [&message](std::string_view chunk) { message.body += chunk; });
        if (!whole) return tl::unexpected(whole.error());
        return *whole && body_digest(message.body) == digest;
    }
    SingleChecksum sum(message.id, message.envelope, size);
    Checksum digest;
    const auto whole = read_body(message.id, first, size, [&](std::string_view chunk) {
        sum.append(chunk);
        if (large)
            digest.append(chunk);
        else
            message.body += chunk;
    });
    if (!whole) return tl::unexpected(whole.error());
    if (!*whole || sum.finish() != checksum) return false;
    if (large) message.stored_body = StoredBody{.first = first, .size = size, .digest = digest.finish()};
    return true;
}

}  // namespace sealpost::queue
