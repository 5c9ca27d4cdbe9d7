// Listener: a message from 354 to the reply that tells what became of it. A small one is stored with its
// envelope in one job; of a large one the rows go into the store while it comes in.
#include <spdlog/spdlog.h>

#include <filesystem>

#include "mta/daemon/clock.hpp"
#include "mta/daemon/log.hpp"
#include "mta/listener/listener_session.hpp"
#include "mta/listener/spool.hpp"
#include "mta/smtp/received.hpp"
#include "queue/retry.hpp"
#include "security/remote_text.hpp"
#include "security/tls_required.hpp"

namespace sealpost {
namespace {

using Next = ServerAction::Next;

// Our Received field, which stands before what the limit of a message counts.
constexpr std::uint64_t field_room = 4096;

}  // namespace

/// What is known of a message before its end.
struct Listener::Incoming {
    Incoming(queue::MessageId i, queue::Time t) : id(i), time(t) {}

    [[nodiscard]] std::size_t held() const { return header.size() + (spool ? spool->held() : 0); }
    /// The header can be longer than a block.
    void read_header(std::string_view block, bool ended) {
        if (header_read) return;
        if (!ended || !header.empty()) header += block;
        if (!ended) return;
        tls_required = security::parse_tls_required(header.empty() ? block : std::string_view(header));
        header = std::string();
        header_read = true;
    }

    queue::MessageId id;
    queue::Time time;
    std::string received;  ///< the field
    std::string protocol;
    std::unique_ptr<Spool> spool;  ///< of a large message
    bool no_room = false;          ///< found while it came in
    std::string header;            ///< so much of it as came, until it is read
    bool header_read = false;
    security::TlsRequiredField tls_required = security::TlsRequiredField::absent;
};

Async<ServerAction> Listener::read_message(Session& session) {
    DataReader reader(session.smtp.data_limits());
    std::optional<Incoming> large;
    for (;;) {
        if (!session.input.empty()) {
            const DataReader::Progress progress = reader.feed(session.input);
            session.input.erase(0, progress.consumed);
            if (progress.state == DataReader::State::failed) {
                session.give_back();
                co_return session.smtp.data_refused(reader.error());
            }
            if (!session.hold(reader.held() + (large ? large->held() : 0))) {
                spdlog::warn("listener: more than {} octets of mail in reception, closing {}",
                             Session::max_buffered, session.address.str());
                co_return session.smtp.shutting_down();
            }
            if (progress.state == DataReader::State::done) {
                // From here to the reply nothing is cut off: a client that is not told of the commit sends
                // the message again. talk() ends the session behind it.
                co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
                if (!large) large.emplace(arrive(session));
                ServerAction stored = co_await store_message(session, *large, reader);
                session.give_back();
                co_return stored;
            }
            if (reader.held() >= queue::body_chunk) {
                if (!large) large.emplace(arrive(session));
                co_await spool(session, *large, reader);
            }
        }
        if (co_await session.fill(context_.settings.data_timeout)) continue;
        ServerAction gone{.reply = {}, .next = Next::close};
        if (session.timed_out) gone = session.smtp.timed_out();
        co_return gone;
    }
}

bool Listener::queue_is_full() {
    if (context_.store->messages() >= context_.queue.max_messages) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now - space_checked_ > std::chrono::seconds(1)) {
        space_checked_ = now;
        std::error_code ec;
        const std::filesystem::space_info space = std::filesystem::space(context_.state_directory, ec);
        space_left_ = !ec && space.available >= context_.queue.min_free_space;
    }
    return !space_left_;
}

/// While the transaction is still the session's.
Listener::Incoming Listener::arrive(const Session& session) {
    const ServerTransaction& transaction = session.smtp.transaction();
    const queue::Time now = wall_clock();
    Incoming incoming(context_.ids->next(now), now);
    ReceivedFacts facts{.helo = transaction.helo,
                        .client = session.address,
                        .by = context_.hostname,
                        .esmtp = transaction.esmtp,
                        .smtputf8 = transaction.smtputf8,
                        .tls_cipher = session.cipher,
                        .queue_id = incoming.id.str(),
                        .only_recipient = {},
                        .time = now};
    if (transaction.recipients.size() == 1) facts.only_recipient = transaction.recipients.front().address;
    incoming.received = received_field(facts);
    incoming.protocol = transmission_type(facts);
    return incoming;
}

/// Takes a block off the reader. Where there is no room it is dropped, and the client hears of it at the end.
Async<void> Listener::spool(Session& session, Incoming& incoming, DataReader& reader) {
    std::string block = reader.take_block();
    incoming.read_header(block, reader.header_ended());
    if (!incoming.no_room && queue_is_full()) {
        incoming.no_room = true;
        incoming.spool.reset();
    }
    if (incoming.no_room) co_return;
    if (!incoming.spool) {
        incoming.spool = std::make_unique<Spool>(*context_.store, io_.get_executor(), incoming.id,
                                                 session.smtp.data_limits().message + field_room);
        block.insert(0, incoming.received);
    }
    co_await incoming.spool->add(std::move(block));
}

Async<void> Listener::remove(queue::MessageId id, std::size_t recipients) {
    std::function<Result<queue::Removed>(queue::Store&)> work = [id, recipients](queue::Store& store) {
        std::vector<queue::RecipientId> ids;
        ids.reserve(recipients);
        for (std::size_t i = 0; i < recipients; ++i) ids.push_back({id, static_cast<std::uint32_t>(i)});
        return store.remove(ids);
    };
    for (;;) {
        const Result<queue::Removed> done = co_await context_.store->run(work, StoreThread::until_done);
        if (done || stopping_) co_return;
        asio::steady_timer pause(io_, std::chrono::seconds(5));
        co_await pause.async_wait(asio::use_awaitable);
    }
}

/// What has just been stored is delivered from memory where it fits.
void Listener::hand_over(queue::NewMessage message) {
    std::vector<queue::DueRecipient> recipients = queue::due_recipients(message);
    queue::StoredMessage kept{.id = message.id,
                              .envelope = std::move(message.envelope),
                              .body = std::move(message.body),
                              .stored_body = std::move(message.stored_body)};
    context_.accepted(std::move(recipients), context_.memory->keep(std::move(kept)));
}

/// After the end of the data.
Async<ServerAction> Listener::store_message(Session& session, Incoming& incoming, DataReader& reader) {
    if (incoming.spool) co_await spool(session, incoming, reader);
    ServerTransaction transaction = session.smtp.take_transaction();
    if (incoming.no_room || queue_is_full()) {
        spdlog::warn("listener: the queue or the disk is full, mail of {} is answered 452",
                     session.address.str());
        co_return session.smtp.queue_full();
    }
    const queue::MessageId id = incoming.id;
    auto message = std::make_shared<queue::NewMessage>(
        queue::NewMessage{.id = id, .envelope = {}, .recipients = {}, .body = {}});
    Result<void> stored;
    if (incoming.spool) {
        incoming.read_header({}, true);
        Result<queue::StoredBody> body = co_await incoming.spool->finish();
        if (body)
            message->stored_body = std::move(*body);
        else
            stored = tl::unexpected(body.error());
    } else {
        incoming.read_header(reader.message(), true);
        message->body = std::move(incoming.received) + reader.message();
    }
    queue::Envelope& envelope = message->envelope;
    if (transaction.sender) envelope.sender = transaction.sender->str();
    envelope.body = reader.eight_bit() ? queue::BodyType::eight_bit_mime : queue::BodyType::seven_bit;
    envelope.client_ip = session.address.str();
    envelope.client_helo = security::printable(transaction.helo, 255);
    envelope.protocol = incoming.protocol;
    envelope.tls = security::tag_message(transaction.requiretls, incoming.tls_required);
    envelope.received_at = incoming.time;
    envelope.expires_at = queue::expiry(context_.queue, !transaction.sender, incoming.time);
    envelope.smtputf8 = transaction.smtputf8;
    envelope.ret = transaction.ret;
    envelope.envid = std::move(transaction.envid);
    for (ServerRecipient& recipient : transaction.recipients)
        message->recipients.push_back({.address = recipient.address.str(),
                                       .domain = recipient.address.host_str(),
                                       .orcpt = std::move(recipient.orcpt),
                                       .notify = std::move(recipient.notify)});
    const queue::Lease lease = context_.roomy() ? queue::Lease::yes : queue::Lease::no;
    if (stored) {
        std::function<Result<void>(queue::Store&)> work = [message, lease](queue::Store& store) {
            return store.enqueue(*message, lease);
        };
        stored = co_await context_.store->run(std::move(work));
    }
    if (!stored) {
        // The disk may still do it, long after the answer: the client will send it again.
        if (stored.error().code == Errc::timed_out) tasks_.spawn(remove(id, message->recipients.size()));
        spdlog::error("{}: not stored, answered 4xx: {}", id.str(), stored.error().text);
        ServerAction refused =
            stored.error().code == Errc::full ? session.smtp.queue_full() : session.smtp.storage_failed();
        co_return refused;
    }
    if (incoming.spool) incoming.spool->keep();
    log_line("qmgr", fmt::format("{}: client=[{}], from=<{}>, size={}, nrcpt={} (queue active)", id.str(),
                                 session.address.str(), envelope.sender, message->size(),
                                 message->recipients.size()));
    if (lease == queue::Lease::yes)
        hand_over(std::move(*message));
    else
        context_.on_stored();
    co_return session.smtp.stored(id.str());
}

}  // namespace sealpost
