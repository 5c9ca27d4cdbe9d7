/// \file Resolver: asks the resolver process, with deadlines of our own.
///
/// Owns     the process (started, and started again when it dies) and the table of questions under way.
/// Errors   none: what could not be answered is DnsStatus::error with why - a question past its deadline, a
/// table
///          that is full, a process that died. Error is never absence.
/// Threads  `resolve` from any executor; everything else on the executor given at construction.
/// Source   RFC 7672 §2.1.
#pragma once
#include <sys/types.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "mta/net/async.hpp"
#include "mta/net/task_group.hpp"
#include "mta/resolver/frame.hpp"
#include "mta/resolver/process.hpp"

namespace sealpost::resolver {

struct ResolverState {
    bool running = false;
    pid_t pid = 0;
    std::uint64_t questions = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t restarts = 0;
    std::size_t pending = 0;
};

class Resolver {
public:
    Resolver(asio::any_io_executor executor, TaskGroup& tasks, ProcessConfig config);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    /// Starts the process and keeps one running until the task group stops.
    void start();

    [[nodiscard]] Async<security::DnsAnswer> resolve(Question question);
    /// The same for the watch: answered also while answers are held.
    [[nodiscard]] Async<security::DnsAnswer> probe(Question question);

    /// Each question, those under way too, is answered with an error that says `why`. Empty: no longer.
    void hold(const std::string& why);
    /// Starts the process again with other anchors: lines of DNSKEY or DS records.
    void set_trust_anchor(std::string lines);

    /// Lets go of every question under way, whose executors are about to end.
    void abandon() { fail_all("the daemon is ending"); }

    [[nodiscard]] ResolverState state() const;

private:
    struct Pending {
        Question question;
        std::shared_ptr<Completion<security::DnsAnswer>> done;
        bool is_probe = false;
    };
    using Socket = asio::local::stream_protocol::socket;

    Async<void> keep_running();
    Async<void> run_once();
    Async<void> read_answers();
    Async<void> write_questions();
    Async<security::DnsAnswer> ask(Question question, bool is_probe);
    void submit(Pending asked, const std::shared_ptr<std::uint32_t>& id);
    void fail_all(std::string_view why);
    void end_process();

    asio::any_io_executor executor_;
    TaskGroup& tasks_;
    ProcessConfig config_;
    Socket socket_;
    asio::steady_timer output_ready_;
    std::string output_;
    std::string input_;
    std::unordered_map<std::uint32_t, Pending> pending_;
    std::uint32_t next_id_ = 1;
    ResolverState state_;
    std::string held_;          // why answers are held; empty: they are not
    bool is_replaced_ = false;  // the process ends because it was told to
};

/// An answer that says only that there is none, and why.
[[nodiscard]] security::DnsAnswer no_answer(const Question& question, std::string why);

}  // namespace sealpost::resolver
