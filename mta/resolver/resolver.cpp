#include "mta/resolver/resolver.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace sealpost::resolver {
namespace {

using security::DnsAnswer;
using security::DnsStatus;

constexpr int child_fd = 3;
constexpr std::size_t max_output = 4 << 20;
constexpr Millis restart_first{100};
constexpr Millis restart_max{5000};

class SpawnActions {
public:
    SpawnActions() { posix_spawn_file_actions_init(&actions_); }
    ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    posix_spawn_file_actions_t* get() { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

struct Child {
    pid_t pid = 0;
    int fd = -1;
};

/// Our own binary again, with one end of a socketpair as descriptor 3 and nothing else but standard error.
Result<Child> spawn_child() {
    int pair[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return fail(Errc::unavailable, fmt::format("socketpair: {}", std::strerror(errno)));
    SpawnActions actions;
    // dup2 onto itself would keep close-on-exec; the high copy keeps source and target apart.
    const int high = fcntl(pair[1], F_DUPFD_CLOEXEC, 10);
    posix_spawn_file_actions_adddup2(actions.get(), high, child_fd);
    posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(actions.get(), 2, 1);
    posix_spawn_file_actions_addclosefrom_np(actions.get(), child_fd + 1);
    std::string name = "sealpost";
    std::string verb = "resolver-process";
    char* argv[] = {name.data(), verb.data(), nullptr};
    std::string asan = "ASAN_OPTIONS=detect_leaks=0";  // a build without the sanitizer ignores it
    char* envp[] = {asan.data(), nullptr};
    Child child{.pid = 0, .fd = pair[0]};
    const int rc =
        high < 0 ? errno : posix_spawn(&child.pid, "/proc/self/exe", actions.get(), nullptr, argv, envp);
    close(pair[1]);
    if (high >= 0) close(high);
    if (rc != 0) {
        close(pair[0]);
        return fail(Errc::unavailable, fmt::format("starting the resolver process: {}", std::strerror(rc)));
    }
    return child;
}

std::string config_frame(const ProcessConfig& config) {
    const std::string text = encode(config);
    std::string frame;
    for (int shift = 24; shift >= 0; shift -= 8)
        frame.push_back(static_cast<char>((text.size() >> shift) & 0xff));
    return frame + text;
}

}  // namespace

DnsAnswer no_answer(const Question& question, std::string why) {
    DnsAnswer answer;
    answer.name = question.name;
    answer.canonical = question.name;
    answer.type = question.type;
    answer.status = DnsStatus::error;
    answer.why = std::move(why);
    return answer;
}

Resolver::Resolver(asio::any_io_executor executor, TaskGroup& tasks, ProcessConfig config)
    : executor_(std::move(executor)),
      tasks_(tasks),
      config_(std::move(config)),
      socket_(executor_),
      output_ready_(executor_) {}

Resolver::~Resolver() {
    end_process();
}

void Resolver::start() {
    tasks_.spawn(keep_running());
}

Async<DnsAnswer> Resolver::resolve(Question question) {
    return ask(std::move(question), false);
}

Async<DnsAnswer> Resolver::probe(Question question) {
    return ask(std::move(question), true);
}

void Resolver::hold(const std::string& why) {
    held_ = why;
    if (held_.empty()) return;
    std::erase_if(pending_, [this](const auto& entry) {
        const Pending& pending = entry.second;
        if (!pending.is_probe) pending.done->set(no_answer(pending.question, "resolver: " + held_));
        return !pending.is_probe;
    });
}

void Resolver::set_trust_anchor(std::string lines) {
    config_.trust_anchor = std::move(lines);
    if (!state_.running) return;  // the next one starts with them
    is_replaced_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
}

Async<DnsAnswer> Resolver::ask(Question question, bool is_probe) {
    const asio::any_io_executor caller = co_await asio::this_coro::executor;
    auto done = Completion<DnsAnswer>::create(caller);
    auto id = std::make_shared<std::uint32_t>(0);  // touched on our executor only
    Pending asked{.question = question, .done = done, .is_probe = is_probe};
    asio::post(executor_, [this, asked = std::move(asked), id] { submit(asked, id); });
    Result<DnsAnswer> answer = co_await done->wait(config_.dns.timeout);
    if (answer) co_return std::move(*answer);
    asio::post(executor_, [this, id] {
        ++state_.timeouts;
        pending_.erase(*id);
    });
    std::string why = fmt::format("no answer within {} ms", config_.dns.timeout.count());
    co_return no_answer(question, std::move(why));
}

void Resolver::submit(Pending asked, const std::shared_ptr<std::uint32_t>& id) {
    const auto refuse = [&asked](std::string why) {
        asked.done->set(no_answer(asked.question, std::move(why)));
    };
    ++state_.questions;
    if (!held_.empty() && !asked.is_probe) return refuse("resolver: " + held_);
    if (!state_.running) return refuse("the resolver process is not running");
    if (pending_.size() >= config_.dns.max_pending || output_.size() > max_output)
        return refuse("too many questions under way");
    while (next_id_ == 0 || pending_.contains(next_id_)) ++next_id_;
    *id = next_id_++;
    output_ += encode(QuestionFrame{.id = *id, .question = asked.question});
    pending_.emplace(*id, std::move(asked));
    output_ready_.cancel();
}

Async<void> Resolver::keep_running() {
    Millis pause = restart_first;
    while (!tasks_.stopping()) {
        const auto started = std::chrono::steady_clock::now();
        co_await run_once();
        fail_all("the resolver process ended");
        end_process();
        if (tasks_.stopping()) break;
        if (std::exchange(is_replaced_, false)) continue;
        ++state_.restarts;
        const bool lived = std::chrono::steady_clock::now() - started > std::chrono::seconds(10);
        pause = lived ? restart_first : std::min(pause * 2, restart_max);
        spdlog::error("resolver process ended; starting it again in {} ms", pause.count());
        asio::steady_timer timer(executor_, pause);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

Async<void> Resolver::run_once() {
    const Result<Child> child = spawn_child();
    if (!child) {
        spdlog::error("{}", child.error().text);
        co_return;
    }
    state_.pid = child->pid;
    socket_.assign(asio::local::stream_protocol(), child->fd);
    input_.clear();
    output_ = config_frame(config_);
    state_.running = true;
    using asio::experimental::awaitable_operators::operator||;
    auto both = read_answers() || write_questions();
    co_await std::move(both);
}

Async<void> Resolver::read_answers() {
    std::vector<char> block(64UL * 1024);
    for (;;) {
        const auto [ec, n] =
            co_await socket_.async_read_some(asio::buffer(block), asio::as_tuple(asio::use_awaitable));
        if (ec) co_return;
        input_.append(block.data(), n);
        for (;;) {
            Result<std::optional<std::string>> payload = take_frame(input_, max_answer);
            if (!payload) co_return;
            if (!*payload) break;
            Result<AnswerFrame> frame = decode_answer(**payload);
            if (!frame) co_return;
            const auto found = pending_.find(frame->id);
            if (found == pending_.end()) continue;  // its deadline passed
            // The process counts as hostile: an answer must be to the question that was asked.
            const bool fits = frame->answer.name == found->second.question.name &&
                              frame->answer.type == found->second.question.type;
            found->second.done->set(
                fits ? std::move(frame->answer)
                     : no_answer(found->second.question, "the answer is to another question"));
            pending_.erase(found);
        }
    }
}

Async<void> Resolver::write_questions() {
    for (;;) {
        if (output_.empty()) {
            output_ready_.expires_at(asio::steady_timer::time_point::max());
            co_await output_ready_.async_wait(asio::as_tuple(asio::use_awaitable));
            const asio::cancellation_state cancelled = co_await asio::this_coro::cancellation_state;
            if (cancelled.cancelled() != asio::cancellation_type::none) co_return;
            continue;
        }
        std::string block;
        block.swap(output_);
        const auto [ec, n] =
            co_await asio::async_write(socket_, asio::buffer(block), asio::as_tuple(asio::use_awaitable));
        if (ec) co_return;
    }
}

void Resolver::fail_all(std::string_view why) {
    state_.running = false;
    output_.clear();
    for (auto& [id, pending] : pending_) pending.done->set(no_answer(pending.question, std::string(why)));
    pending_.clear();
}

void Resolver::end_process() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    if (state_.pid == 0) return;
    kill(state_.pid, SIGKILL);  // it holds no state worth a farewell
    waitpid(state_.pid, nullptr, 0);
    state_.pid = 0;
}

ResolverState Resolver::state() const {
    ResolverState out = state_;
    out.pending = pending_.size();
    return out;
}

}  // namespace sealpost::resolver
