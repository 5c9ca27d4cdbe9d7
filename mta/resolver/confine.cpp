#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "mta/resolver/process.hpp"

namespace sealpost::resolver {

Result<void> confine_process() {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(Errc::unavailable, fmt::format("PR_SET_NO_NEW_PRIVS: {}", std::strerror(errno)));
    // What is not named below fails with EPERM: libunbound treats that as any other failed call, so an
    // unforeseen one costs an answer and not the process.
    const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                                   &seccomp_release);
    if (!filter) return fail(Errc::unavailable, "seccomp_init failed");
    int rc = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
    for (const int call : {SCMP_SYS(read),
                           SCMP_SYS(write),
                           SCMP_SYS(readv),
                           SCMP_SYS(writev),
                           SCMP_SYS(recvfrom),
                           SCMP_SYS(recvmsg),
                           SCMP_SYS(recvmmsg),
                           SCMP_SYS(sendto),
                           SCMP_SYS(sendmsg),
                           SCMP_SYS(sendmmsg),
                           SCMP_SYS(bind),
                           SCMP_SYS(connect),
                           SCMP_SYS(shutdown),
                           SCMP_SYS(getsockname),
                           SCMP_SYS(getpeername),
                           SCMP_SYS(getsockopt),
                           SCMP_SYS(setsockopt),
                           SCMP_SYS(close),
                           SCMP_SYS(pipe),
                           SCMP_SYS(pipe2),
                           SCMP_SYS(poll),
                           SCMP_SYS(ppoll),
                           SCMP_SYS(select),
                           SCMP_SYS(pselect6),
                           SCMP_SYS(epoll_create1),
                           SCMP_SYS(epoll_ctl),
                           SCMP_SYS(epoll_wait),
                           SCMP_SYS(epoll_pwait),
                           SCMP_SYS(eventfd2),
                           SCMP_SYS(fcntl),
                           SCMP_SYS(ioctl),
                           SCMP_SYS(lseek),
                           SCMP_SYS(fstat),
                           SCMP_SYS(newfstatat),
                           SCMP_SYS(mmap),
                           SCMP_SYS(munmap),
                           SCMP_SYS(mremap),
                           SCMP_SYS(mprotect),
                           SCMP_SYS(madvise),
                           SCMP_SYS(brk),
                           SCMP_SYS(futex),
                           SCMP_SYS(sched_yield),
                           SCMP_SYS(set_robust_list),
                           SCMP_SYS(rseq),
                           SCMP_SYS(gettid),
                           SCMP_SYS(getpid),
                           SCMP_SYS(tgkill),
                           SCMP_SYS(getrandom),
                           SCMP_SYS(clock_gettime),
                           SCMP_SYS(clock_getres),
                           SCMP_SYS(clock_nanosleep),
                           SCMP_SYS(nanosleep),
                           SCMP_SYS(gettimeofday),
                           SCMP_SYS(time),
                           SCMP_SYS(rt_sigaction),
                           SCMP_SYS(rt_sigprocmask),
                           SCMP_SYS(rt_sigreturn),
                           SCMP_SYS(sigaltstack),
                           SCMP_SYS(restart_syscall),
                           SCMP_SYS(getuid),
                           SCMP_SYS(geteuid),
                           SCMP_SYS(getgid),
                           SCMP_SYS(getegid),
                           SCMP_SYS(getrusage),
                           SCMP_SYS(exit),
                           SCMP_SYS(exit_group)})
        if (rc == 0) rc = seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
    // Sockets of the Internet alone: no netlink, no raw packets, no Unix socket to another service.
    for (const scmp_datum_t family : {scmp_datum_t{AF_INET}, scmp_datum_t{AF_INET6}}) {
        // Not SCMP_A0(): it is a C compound literal with fields left out.
        const scmp_arg_cmp is_family{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = family, .datum_b = 0};
        if (rc == 0)
            rc = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, &is_family);
    }
    if (rc == 0) rc = seccomp_load(filter.get());
    if (rc != 0)
        return fail(Errc::unavailable, fmt::format("the system call filter: {}", std::strerror(-rc)));
    return {};
}

}  // namespace sealpost::resolver
