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
    if (plan_) converter_.emplace(*plan_);
    converted_all_ = false;
}

void BodySource::convert(SevenBitPlan plan, std::uint64_t size) {
    plan_ = std::move(plan);
    converted_size_ = size;
    rewind();
}

void BodySource::as_stored() {
    plan_.reset();
    rewind();
}

Result<std::string_view> BodySource::next() {
    if (!plan_) return next_stored();
    converted_.clear();
    while (converted_.empty() && !converted_all_) {
        const Result<std::string_view> block = next_stored();
        if (!block) return tl::unexpected(block.error());
        if (!block->empty()) {
            converter_->append(*block, converted_);
            continue;
        }
        converter_->finish(converted_);
        converted_all_ = true;
        if (converter_->failure() || converter_->plan_grew()) {  // it is not what was measured
            error_ = Error{Errc::storage, "the body changed while it was converted to 7 bits"};
            return tl::unexpected(*error_);
        }
    }
    return converted_;
}

Result<std::string_view> BodySource::next_stored() {
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
