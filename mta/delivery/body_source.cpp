#include "mta/delivery/body_source.hpp"

#include <algorithm>
#include <utility>

namespace sealpost {

BodySource::BodySource(std::shared_ptr<queue::BodyReader> reader, queue::MessageId message,
                       queue::StoredBody body)
    : stored_(Stored{.reader = std::move(reader), .message = message, .body = std::move(body)}),
      size_(stored_->body.size) {
    rewind();
}

void BodySource::rewind() {
    rest_ = whole_;
    error_.reset();
    if (stored_) stream_.emplace(*stored_->reader, stored_->message, stored_->body);
}

Result<std::string_view> BodySource::next() {
    if (!stored_) {
        const std::string_view block = rest_.substr(0, queue::body_chunk);
        rest_.remove_prefix(block.size());
        return block;
    }
    Result<std::string> block = stream_->next();
    if (!block) {
        error_ = block.error();
        return tl::unexpected(block.error());
    }
    block_ = std::move(*block);
    return block_;
}

}  // namespace sealpost
