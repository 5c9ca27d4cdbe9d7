#include "mta/daemon/prepare.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/queue/temp_store.hpp"

namespace sealpost {
namespace {

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

bool root() {
    return ::geteuid() == 0;
}

struct Scene {
    Scene() {
        settings.state_directory = (directory.path() / "var" / "state").string();
        settings.admin_socket = (directory.path() / "run" / "admin.sock").string();
        if (root()) settings.user = "nobody";
    }
    [[nodiscard]] std::string error() const {
        const auto made = prepare_directories(settings);
        REQUIRE_FALSE(made);
        CHECK(made.error().code == Errc::configuration);
        return made.error().text;
    }
    queue::test::TempDirectory directory;
    DaemonSettings settings;
};

struct stat status_of(const std::filesystem::path& path) {
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info;
}

/// Runs `body` in a process of its own, whose identity it may give up; what it returns is the exit code.
template <class Body>
int in_child(Body body) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(body());
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_SUITE("mta/daemon/prepare") {
    TEST_CASE("the configured host name counts in A-labels and lower case") {
        DaemonSettings settings;
        settings.hostname = "MTA.Example.ORG";
        CHECK(own_hostname(settings).value().str() == "mta.example.org");
        settings.hostname =
            "b\xc3\xbc"
            "cher.example";
        CHECK(own_hostname(settings).value().str() == "xn--bcher-kva.example");
    }

    TEST_CASE("a host name that is no domain names the setting that mends it") {
        DaemonSettings settings;
        for (const std::string name : {"-x", "a..b", "mta example", "[192.0.2.1]"}) {
            settings.hostname = name;
            const auto got = own_hostname(settings);
            REQUIRE_FALSE(got);
            CHECK(got.error().code == Errc::configuration);
            CHECK(holds(got.error().text, "'" + name + "'"));
            CHECK(holds(got.error().text, "set daemon.hostname"));
        }
    }

    TEST_CASE("without a setting the host's own name is taken or the setting named") {
        const auto got = own_hostname(DaemonSettings{});
        if (got)
            CHECK_FALSE(got->str().empty());
        else
            CHECK(holds(got.error().text, "daemon.hostname"));
    }

    TEST_CASE("missing folders are made: the state for us alone and the socket's for all to enter") {
        const Scene scene;
        REQUIRE(prepare_directories(scene.settings));
        const auto state = status_of(scene.settings.state_directory);
        const auto run = status_of(scene.directory.path() / "run");
        CHECK((state.st_mode & 07777) == 0700);
        CHECK((run.st_mode & 07777) == 0755);
        if (root()) {
            const passwd* nobody = ::getpwnam("nobody");
            REQUIRE(nobody != nullptr);
            CHECK(state.st_uid == nobody->pw_uid);
            CHECK(run.st_uid == nobody->pw_uid);
        }
        CHECK(prepare_directories(scene.settings));  // once more is nothing
    }

    TEST_CASE("a folder that is a file names the setting") {
        Scene scene;
        const std::filesystem::path file = scene.directory.path() / "file";
        REQUIRE(::close(::creat(file.c_str(), 0600)) == 0);
        for (const std::filesystem::path& path : {file, file / "below"}) {
            scene.settings.state_directory = path.string();
            const std::string error = scene.error();
            CHECK(holds(error, "daemon.state_directory"));
            CHECK(holds(error, "'" + path.string() + "'"));
        }
    }

    TEST_CASE("a folder that is not writable names the setting and the remedy") {
        Scene scene;
        const std::filesystem::path taken = scene.directory.path() / "taken";
        REQUIRE(::mkdir(taken.c_str(), 0555) == 0);
        scene.settings.state_directory = taken.string();
        const std::string error = scene.error();
        CHECK(holds(error, "daemon.state_directory '" + taken.string() + "' cannot be written"));
        CHECK(holds(error, root() ? "chown nobody" : "give it to this user"));
    }

    TEST_CASE("the user to become exists and is not root") {
        if (!root()) return;
        Scene scene;
        scene.settings.user = "no-such-user-here";
        CHECK(scene.error() == "daemon.user 'no-such-user-here' does not exist: create it or name another");
        scene.settings.user = "root";
        CHECK(holds(scene.error(), "daemon.user may not be root"));
        CHECK_FALSE(drop_privileges(scene.settings));
        CHECK(root());
    }

    TEST_CASE("root is given up for good and no program that is started gets more") {
        const Scene scene;
        const bool was_root = root();
        CHECK(in_child([&] {
                  if (!drop_privileges(scene.settings)) return 1;
                  if (::getuid() == 0 || ::geteuid() == 0 || ::getgid() == 0 || ::getegid() == 0) return 2;
                  if (was_root && ::getgroups(0, nullptr) != 0) return 3;
                  if (::setuid(0) == 0 || ::setgid(0) == 0) return 4;
                  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 5;
                  return 0;
              }) == 0);
    }
}

}  // namespace sealpost
