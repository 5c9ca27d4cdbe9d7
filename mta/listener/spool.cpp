#include "mta/listener/spool.hpp"

#include <utility>

namespace sealpost {

Spool::Spool(StoreThread& store, asio::any_io_executor executor, queue::MessageId id, std::uint64_t limit)
    : store_(store),
      executor_(std::move(executor)),
      id_(id),
      reception_(std::make_shared<std::optional<queue::Reception>>()) {
    std::function<Result<void>(queue::Store&)> work = [id, limit,
                                                       reception = reception_](queue::Store& writer) {
        return writer.begin_reception(id, limit).map(
            [&reception](const queue::Reception& begun) { *reception = begun; });
    };
    in_flight_.push_back(store_.start<void>(std::move(work), executor_));
}

Spool::~Spool() {
    if (kept_) return;
    // Behind its own jobs, in the order in which they were started. Best effort: the next start does it too.
    std::function<Result<void>(queue::Store&)> work = [id = id_](queue::Store& store) -> Result<void> {
        store.abandon(id);
        return {};
    };
    store_.start<void>(std::move(work), executor_);
}

std::size_t Spool::held() const {
    return pending_.size() + in_flight_.size() * queue::body_chunk;
}

Async<void> Spool::add(std::string piece) {
    if (failed_) co_return;
    digest_.append(piece);
    size_ += piece.size();
    pending_ += piece;
    while (!failed_ && pending_.size() >= queue::body_chunk) {
        std::string row = pending_.substr(0, queue::body_chunk);
        pending_.erase(0, queue::body_chunk);
        store_row(std::move(row));
        while (in_flight_.size() >= max_in_flight) co_await await_oldest();
    }
}

Async<Result<queue::StoredBody>> Spool::finish() {
    if (!failed_ && !pending_.empty()) store_row(std::exchange(pending_, std::string()));
    while (!in_flight_.empty()) co_await await_oldest();
    if (failed_) co_return tl::unexpected(*failed_);
    queue::StoredBody body{.first = (*reception_)->first, .size = size_, .digest = digest_.finish()};
    co_return body;
}

void Spool::store_row(std::string row) {
    std::function<Result<void>(queue::Store&)> work =
        [reception = reception_, number = rows_++,
         row = std::make_shared<const std::string>(std::move(row))](queue::Store& store) -> Result<void> {
        if (!*reception) return fail(Errc::not_found, "the reception did not begin");
        return store.add_body(**reception, number, *row);
    };
    in_flight_.push_back(store_.start<void>(std::move(work), executor_));
}

Async<void> Spool::await_oldest() {
    const Pending oldest = in_flight_.front();
    in_flight_.pop_front();
    const Result<Result<void>> answer = co_await oldest->wait(answer_limit);
    if (answer && *answer) co_return;
    failed_ = answer ? answer->error() : answer.error();
    pending_ = std::string();
    in_flight_.clear();
}

}  // namespace sealpost
