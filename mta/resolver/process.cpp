#include "mta/resolver/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unbound.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>

#include "mta/resolver/answer_packet.hpp"
#include "mta/resolver/frame.hpp"
#include "security/extended_error.hpp"
#include "security/remote_text.hpp"
#include "security/trust_anchor.hpp"

namespace sealpost::resolver {
namespace {

using security::DnsAnswer;
using security::DnsData;
using security::DnsStatus;
using security::RrType;

constexpr std::size_t max_config = 4 << 20;
constexpr std::size_t max_output = 16 << 20;  // unread answers; the daemon is stuck beyond it

struct DeleteContext {
    void operator()(ub_ctx* ctx) const { ub_ctx_delete(ctx); }
};
using Context = std::unique_ptr<ub_ctx, DeleteContext>;

struct FreeResult {
    void operator()(ub_result* result) const { ub_resolve_free(result); }
};

Result<Context> make_context(const ProcessConfig& config) {
    Context ctx(ub_ctx_create());
    if (!ctx) return fail(Errc::unavailable, "ub_ctx_create failed");
    int rc = ub_ctx_async(ctx.get(), 1);
    const std::string quarter = std::to_string(std::max<std::uint64_t>(config.dns.cache_size / 4, 1 << 16));
    const std::string half = std::to_string(std::max<std::uint64_t>(config.dns.cache_size / 2, 1 << 16));
    const std::string range = std::to_string(config.dns.outgoing_range);
    const std::string max_ttl =
        std::to_string(std::chrono::ceil<std::chrono::seconds>(config.dns.cache_max_ttl).count());
    // "KEYSIZE LIMIT ...": one threshold whatever the key [DNS-24]; its signature is checked all the same.
    const std::string nsec3 = fmt::format("1024 {0} 2048 {0} 4096 {0}", config.dns.nsec3_iterations);
    const std::pair<const char*, std::string> options[] = {
        {"root-hints:", config.dns.root_hints_file},
        {"outgoing-range:", range},
        {"num-queries-per-thread:", range},
        {"do-ip4:", config.dns.ipv4 ? "yes" : "no"},
        {"do-ip6:", config.dns.ipv6 ? "yes" : "no"},
        {"msg-cache-size:", quarter},
        {"rrset-cache-size:", half},
        {"key-cache-size:", quarter},
        // A TTL is kept as it was published, never prolonged: a TLSA record that is gone must be gone for us.
        // A ceiling bounds what a mistake of theirs, or poison, can last.
        {"cache-min-ttl:", "0"},
        {"cache-max-ttl:", max_ttl},
        {"cache-max-negative-ttl:", "900"},
        {"infra-host-ttl:", "900"},
        {"infra-cache-numhosts:", "10000"},
        // As a library it has two TCP connections; large TLSA and DNSKEY sets need TCP [DNS-14].
        {"do-tcp:", "yes"},
        {"outgoing-num-tcp:", "64"},
        // Under overload old questions make room after one round trip round the world, not after 200 ms: what
        // is cut off is an error, and mail waits for it.
        {"jostle-timeout:", "1000"},
        // Addresses of name servers only as they are needed: a hostile delegation must not multiply queries.
        {"target-fetch-policy:", "0 0 0 0 0"},
        {"max-sent-count:", "32"},
        {"max-query-restarts:", "11"},  // links of a CNAME chain [DNS-12]
        {"outbound-msg-retry:", "5"},
        // After so many replies that nobody asked for the caches are thrown away: somebody is guessing
        // [DNS-15].
        {"unwanted-reply-threshold:", "100000"},
        // Fetched when a DS is seen: one round trip less for each signed destination.
        {"prefetch-key:", "yes"},
        // RFC 9156 and the hardening that libunbound leaves off; a downgraded algorithm is an attack until
        // proven not.
        {"qname-minimisation:", "yes"},
        {"qname-minimisation-strict:", "no"},  // too many servers answer NXDOMAIN for an empty name
        {"harden-algo-downgrade:", "yes"},
        {"harden-referral-path:", "no"},
        {"harden-below-nxdomain:", "yes"},
        {"harden-dnssec-stripped:", "yes"},
        {"harden-glue:", "yes"},
        {"harden-large-queries:", "yes"},
        {"harden-short-bufsize:", "yes"},
        {"aggressive-nsec:", "yes"},
        {"val-clean-additional:", "yes"},
        {"val-permissive-mode:", "no"},
        // Bogus is remembered for a minute, so that a repaired zone gets its mail soon; RFC 4035 §4.7 and
        // RFC 2308 §7.1 allow five. SERVFAIL is remembered for 5 s, which is not configurable [DNS-16].
        {"val-bogus-ttl:", "60"},
        // A tenth of a signature's life is forgiven to clocks, but at most an hour and not the default of a
        // day: an expired signature is what a replayed TLSA record has [DNS-19].
        {"val-sig-skew-min:", "300"},
        {"val-sig-skew-max:", "3600"},
        {"val-nsec3-keysize-iterations:", nsec3},
        {"val-max-restart:", "5"},
        // RFC 8145: tells the root which keys are trusted here, so that rollovers can be planned. RFC 8509's
        // sentinel is for clients of a resolver, and this one has none.
        {"trust-anchor-signaling:", "yes"},
        {"root-key-sentinel:", "no"},
        {"serve-expired:", "no"},
        {"use-caps-for-id:", "no"},
        {"edns-buffer-size:", "1232"},
        {"use-syslog:", "no"},
        {"verbosity:", "0"},
    };
    for (const auto& [key, value] : options)
        if (rc == 0)
            if (rc = ub_ctx_set_option(ctx.get(), key, value.c_str()); rc != 0)
                return fail(Errc::configuration, fmt::format("libunbound refuses {} {}", key, value));
    for (const StubZone& stub : config.dns.stub_zones)
        for (const Endpoint& server : stub.servers) {
            const std::string at = fmt::format("{}@{}", server.address.str(), server.port);
            if (rc == 0) rc = ub_ctx_set_stub(ctx.get(), stub.zone.str().c_str(), at.c_str(), 0);
        }
    std::istringstream anchors(config.trust_anchor);
    for (std::string line; std::getline(anchors, line);)
        if (rc == 0) rc = ub_ctx_add_ta(ctx.get(), line.c_str());
    if (rc != 0) return fail(Errc::configuration, fmt::format("libunbound: {}", ub_strerror(rc)));
    return ctx;
}

DnsStatus status_of(int error, const ub_result& result) {
    if (error != 0) return DnsStatus::error;
    if (result.bogus != 0) return DnsStatus::bogus;
    // NOERROR and NXDOMAIN are answers, everything else is none (RFC 7672 §2.1.1).
    if (result.rcode != 0 && result.rcode != 3) return DnsStatus::error;
    return result.secure != 0 ? DnsStatus::secure : DnsStatus::insecure;
}

std::string rcode_name(int rcode) {
    static constexpr const char* names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                            "NXDOMAIN", "NOTIMP",  "REFUSED"};
    return rcode >= 0 && rcode < 6 ? names[rcode] : fmt::format("RCODE {}", rcode);
}

std::string without_final_dot(const char* name) {
    std::string out = name != nullptr ? name : "";
    if (out.size() > 1 && out.back() == '.') out.pop_back();
    return out;
}

DnsAnswer to_answer(const Question& question, int error, const ub_result* result) {
    DnsAnswer answer;
    answer.name = question.name;
    answer.canonical = question.name;
    answer.type = question.type;
    answer.status = DnsStatus::error;
    if (error != 0 || result == nullptr) {
        answer.why = error != 0 ? ub_strerror(error) : "no result";
        return answer;
    }
    answer.status = status_of(error, *result);
    answer.ttl = std::chrono::seconds(std::max(result->ttl, 0));
    if (answer.status == DnsStatus::bogus) {
        answer.why = security::with_extended_error(security::printable(
            result->why_bogus != nullptr ? result->why_bogus : "validation failed", max_why - 64));
        return answer;
    }
    if (answer.status == DnsStatus::error) {
        answer.why = rcode_name(result->rcode);
        return answer;
    }
    if (result->canonname != nullptr) answer.canonical = without_final_dot(result->canonname);
    answer.data = result->nxdomain != 0 ? DnsData::nxdomain : DnsData::nodata;
    if (result->havedata != 0) {
        for (int i = 0; result->data[i] != nullptr; ++i) {
            const auto* octets = reinterpret_cast<const std::uint8_t*>(result->data[i]);
            answer.rdata.emplace_back(octets, octets + std::max(result->len[i], 0));
        }
        answer.data = answer.rdata.empty() ? DnsData::nodata : DnsData::data;
    }
    if (question.type == security::dnskey_type && result->answer_packet != nullptr) {
        const auto* octets = static_cast<const std::uint8_t*>(result->answer_packet);
        auto signatures = signatures_in({octets, static_cast<std::size_t>(std::max(result->answer_len, 0))},
                                        question.type, security::max_root_signatures);
        if (signatures) answer.rrsig = std::move(*signatures);  // without them nothing is followed
    }
    return answer;
}

/// Questions under way and answers not yet written. Lives as long as the process.
class Loop {
public:
    /// `input`: what was read already.
    Loop(int fd, Context ctx, unsigned max_pending, std::string input)
        : fd_(fd), ctx_(std::move(ctx)), max_outstanding_(2UL * max_pending), input_(std::move(input)) {}

    int run() {
        if (!take_questions()) return 0;
        for (;;) {
            pollfd fds[2] = {{fd_, 0, 0}, {ub_fd(ctx_.get()), POLLIN, 0}};
            if (output_.size() < max_output) fds[0].events |= POLLIN;
            if (!output_.empty()) fds[0].events |= POLLOUT;
            if (poll(fds, 2, -1) < 0) {
                if (errno == EINTR) continue;
                return 1;
            }
            if ((fds[1].revents & (POLLERR | POLLHUP)) != 0) return 1;
            if ((fds[1].revents & POLLIN) != 0 && ub_process(ctx_.get()) != 0) return 1;
            if ((fds[0].revents & POLLIN) != 0 && !read_questions()) return 0;
            if ((fds[0].revents & (POLLERR | POLLHUP)) != 0) return 0;
            if (!output_.empty() && !write_answers()) return 0;
            if (output_.size() > 2 * max_output) return 1;  // answers to what was asked before it got stuck
        }
    }

private:
    struct Pending {
        Loop* loop;
        QuestionFrame frame;
    };

    static void on_result(void* data, int error, ub_result* raw) {
        const std::unique_ptr<ub_result, FreeResult> result(raw);
        const std::unique_ptr<Pending> pending(static_cast<Pending*>(data));
        --pending->loop->outstanding_;
        pending->loop->answer({pending->frame.id, to_answer(pending->frame.question, error, result.get())});
    }

    void answer(const AnswerFrame& frame) { output_ += encode(frame); }

    void answer_error(const QuestionFrame& frame, std::string why) {
        AnswerFrame out{frame.id, to_answer(frame.question, 0, nullptr)};
        out.answer.why = std::move(why);
        answer(out);
    }

    void ask(const QuestionFrame& frame) {
        if (outstanding_ >= max_outstanding_) return answer_error(frame, "too many questions under way");
        auto pending = std::make_unique<Pending>(Pending{this, frame});
        const int rc =
            ub_resolve_async(ctx_.get(), frame.question.name.c_str(), static_cast<int>(frame.question.type),
                             1, pending.get(), &Loop::on_result, nullptr);
        if (rc != 0) return answer_error(frame, ub_strerror(rc));
        ++outstanding_;
        static_cast<void>(pending.release());  // on_result takes it back
    }

    bool read_questions() {
        char block[64 * 1024];
        const ssize_t n = read(fd_, block, sizeof block);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        if (n == 0) return false;
        input_.append(block, static_cast<std::size_t>(n));
        return take_questions();
    }

    bool take_questions() {
        for (;;) {
            Result<std::optional<std::string>> payload = take_frame(input_, max_question);
            if (!payload) return false;
            if (!*payload) return true;
            const Result<QuestionFrame> frame = decode_question(**payload);
            if (!frame) return false;
            ask(*frame);
        }
    }

    bool write_answers() {
        const ssize_t n = write(fd_, output_.data(), output_.size());
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        output_.erase(0, static_cast<std::size_t>(n));
        return true;
    }

    int fd_;
    Context ctx_;
    std::size_t max_outstanding_;
    std::string input_;
    std::size_t outstanding_ = 0;
    std::string output_;
};

/// The daemon asks its first questions without waiting for us: those that are read here stay in `buffer`.
Result<std::string> read_config_frame(int fd, std::string& buffer) {
    for (;;) {
        char block[4096];
        const ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(Errc::unavailable, "the daemon closed the channel");
        buffer.append(block, static_cast<std::size_t>(n));
        Result<std::optional<std::string>> payload = take_frame(buffer, max_config);
        if (!payload) return tl::unexpected(payload.error());
        if (*payload) return std::move(**payload);
    }
}

/// The first question starts libunbound's thread and makes it read its files: both must happen before the
/// filter.
Result<void> warm_up(ub_ctx* ctx) {
    const auto discard = [](void*, int, ub_result* result) { ub_resolve_free(result); };
    const int rc = ub_resolve_async(ctx, "localhost", 1, 1, nullptr, discard, nullptr);
    if (rc != 0) return fail(Errc::configuration, fmt::format("libunbound: {}", ub_strerror(rc)));
    if (const int waited = ub_wait(ctx); waited != 0)
        return fail(Errc::configuration, fmt::format("libunbound: {}", ub_strerror(waited)));
    return {};
}

Result<int> serve(int fd) {
    std::string input;
    const Result<std::string> text = read_config_frame(fd, input);
    if (!text) return tl::unexpected(text.error());
    const Result<ProcessConfig> config = decode_process_config(*text);
    if (!config) return tl::unexpected(config.error());
    Result<Context> ctx = make_context(*config);
    if (!ctx) return tl::unexpected(ctx.error());
    if (const Result<void> warm = warm_up(ctx->get()); !warm) return tl::unexpected(warm.error());
    if (const Result<void> confined = confine_process(); !confined) return tl::unexpected(confined.error());
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return fail(Errc::unavailable, std::strerror(errno));
    Loop loop(fd, std::move(*ctx), config->dns.max_pending, std::move(input));
    return loop.run();
}

}  // namespace

int run_process(int fd) {
    prctl(PR_SET_NAME, "sealpost-dns", 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);  // libunbound writes to a worker that may be gone
    signal(SIGINT, SIG_IGN);   // the daemon decides when we end
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const Result<int> code = serve(fd);
    if (!code) std::fprintf(stderr, "sealpost resolver: %s\n", code.error().text.c_str());
    // Not exit(): libunbound's thread is still running, and destructors would race with it.
    _exit(code ? *code : 1);
}

}  // namespace sealpost::resolver
