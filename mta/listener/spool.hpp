/// \file Spool: a body of more than one row on its way into the store, row by row.
///
/// Owns     the reception in the store: it is abandoned with this, unless the message was enqueued.
/// Limits   max_in_flight rows on their way; add() suspends while there are so many.
/// Errors   finish() says the first one; after it what comes is dropped, so that the caller can read on to
/// the
///          end of the data. Errc::full - the disk or the queue of jobs.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "mta/daemon/store_thread.hpp"
#include "queue/checksum.hpp"
#include "queue/store.hpp"

namespace sealpost {

class Spool {
public:
    /// `limit`: octets of the body, at most.
    Spool(StoreThread& store, asio::any_io_executor executor, queue::MessageId id, std::uint64_t limit);
    ~Spool();
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;

    [[nodiscard]] Async<void> add(std::string piece);
    /// All of it is committed, and belongs to no message yet.
    [[nodiscard]] Async<Result<queue::StoredBody>> finish();
    /// The message was enqueued.
    void keep() { kept_ = true; }
    /// Octets in memory.
    [[nodiscard]] std::size_t held() const;

private:
    using Pending = std::shared_ptr<Completion<Result<void>>>;
    static constexpr std::size_t max_in_flight = 4;
    static constexpr std::chrono::seconds answer_limit{60};

    void store_row(std::string row);
    [[nodiscard]] Async<void> await_oldest();

    StoreThread& store_;
    asio::any_io_executor executor_;
    queue::MessageId id_;
    /// Written by the first job, read by the others and, when they have ended, by finish().
    std::shared_ptr<std::optional<queue::Reception>> reception_;
    queue::Checksum digest_;
    std::string pending_;
    std::deque<Pending> in_flight_;
    std::optional<Error> failed_;
    std::uint64_t size_ = 0;
    std::uint64_t rows_ = 0;
    bool kept_ = false;
};

}  // namespace sealpost
