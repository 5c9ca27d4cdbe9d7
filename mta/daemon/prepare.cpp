#include "mta/daemon/prepare.hpp"

#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

namespace sealpost {
namespace {

struct Account {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
};

std::optional<Account> find_account(const std::string& name) {
    std::array<char, 16384> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return std::nullopt;
    return Account{name, entry.pw_uid, entry.pw_gid};
}

Result<Account> account_of(const DaemonSettings& settings) {
    if (settings.user.empty()) {
        for (const char* name : {"sealpost", "nobody"})
            if (std::optional<Account> account = find_account(name); account && account->uid != 0)
                return *account;
        return fail(Errc::configuration,
                    "started as root, and there is no user 'sealpost' to become: create it "
                    "(deploy/sealpost.sysusers) or set daemon.user");
    }
    const std::optional<Account> account = find_account(settings.user);
    if (!account)
        return fail(Errc::configuration,
                    fmt::format("daemon.user '{}' does not exist: create it or name another", settings.user));
    if (account->uid == 0)
        return fail(Errc::configuration, "daemon.user may not be root: the network is never read as root");
    return *account;
}

Result<void> make_directory(const std::string& key, const std::filesystem::path& path, mode_t mode,
                            const Account* owner) {
    std::error_code ec;
    if (std::filesystem::is_directory(path, ec)) {
        // Ours already? As root we cannot tell by access(): look at owner and mode.
        struct stat info{};
        if (owner != nullptr && stat(path.c_str(), &info) == 0) {
            const bool writable = info.st_uid == owner->uid   ? (info.st_mode & S_IWUSR) != 0
                                  : info.st_gid == owner->gid ? (info.st_mode & S_IWGRP) != 0
                                                              : (info.st_mode & S_IWOTH) != 0;
            if (!writable)
                return fail(Errc::configuration,
                            fmt::format("{} '{}' cannot be written by user '{}': chown {} '{}', or set {}",
                                        key, path.string(), owner->name, owner->name, path.string(), key));
            return {};
        }
        if (owner == nullptr && access(path.c_str(), W_OK | X_OK) != 0)
            return fail(Errc::configuration,
                        fmt::format("{} '{}' cannot be written ({}): give it to this user, or set "
                                    "{} to a folder of its own",
                                    key, path.string(), std::strerror(errno), key));
        return {};
    }
    if (!std::filesystem::create_directories(path, ec) && ec)
        return fail(Errc::configuration,
                    fmt::format("{} '{}' cannot be created ({}): create it for this user, or set "
                                "{} to a folder that can be written",
                                key, path.string(), ec.message(), key));
    if (chmod(path.c_str(), mode) != 0 ||
        (owner != nullptr && chown(path.c_str(), owner->uid, owner->gid) != 0))
        return fail(Errc::configuration,
                    fmt::format("{} '{}': {}", key, path.string(), std::strerror(errno)));
    return {};
}

/// The canonical name that /etc/hosts or DNS gives our host name, when that one has no dot.
std::string qualified(const std::string& name) {
    addrinfo hints{};
    hints.ai_flags = AI_CANONNAME;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* raw = nullptr;
    if (getaddrinfo(name.c_str(), nullptr, &hints, &raw) != 0) return name;
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> found(raw, &freeaddrinfo);
    const std::string canonical = found->ai_canonname != nullptr ? found->ai_canonname : "";
    return canonical.find('.') != std::string::npos ? canonical : name;
}

}  // namespace

Result<Domain> own_hostname(const DaemonSettings& settings) {
    std::string name = settings.hostname;
    if (name.empty()) {
        std::array<char, 256> buffer{};
        if (gethostname(buffer.data(), buffer.size() - 1) != 0)
            return fail(Errc::configuration, "this host has no name: set daemon.hostname");
        name = buffer.data();
        if (name.find('.') == std::string::npos) name = qualified(name);
    }
    Result<Domain> domain = Domain::parse(name);
    if (!domain)
        return fail(Errc::configuration,
                    fmt::format("the host name '{}' is no domain name ({}): set daemon.hostname", name,
                                domain.error().text));
    return domain;
}

Result<void> prepare_directories(const DaemonSettings& settings) {
    std::optional<Account> owner;
    if (geteuid() == 0) {
        Result<Account> account = account_of(settings);
        if (!account) return tl::unexpected(account.error());
        owner = std::move(*account);
    }
    const Account* const as = owner ? &*owner : nullptr;
    const std::filesystem::path run = std::filesystem::path(settings.admin_socket).parent_path();
    if (Result<void> made = make_directory("daemon.state_directory", settings.state_directory, 0700, as);
        !made)
        return made;
    return make_directory("the folder of daemon.admin_socket", run, 0755, as);
}

Result<void> drop_privileges(const DaemonSettings& settings) {
    if (geteuid() == 0) {
        const Result<Account> account = account_of(settings);
        if (!account) return tl::unexpected(account.error());
        if (settings.user.empty() && account->name == "nobody")
            std::fputs(
                "sealpost: warning: running as 'nobody', who may also run other programs; create the user "
                "'sealpost' (deploy/sealpost.sysusers)\n",
                stderr);
        if (setgroups(0, nullptr) != 0 || setresgid(account->gid, account->gid, account->gid) != 0 ||
            setresuid(account->uid, account->uid, account->uid) != 0)
            return fail(Errc::configuration,
                        fmt::format("cannot become user '{}': {}", account->name, std::strerror(errno)));
        if (setuid(0) == 0) return fail(Errc::configuration, "root could be had back after giving it up");
    }
    // Ports are bound: what systemd lent us for that is not passed on to the resolver process.
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return {};
}

}  // namespace sealpost
