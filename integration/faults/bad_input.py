"""What the daemon does where it cannot start: one line that names the remedy, the right exit code, nothing changed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

from harness import World, require, same, test, tree

CONFIGURATION, TEMPORARY = 78, 75
TIMEOUT = 30
MAX_LINE = 600
# An ordinary user may not read the key of the lab's listener, which would be refused first.
NO_KEY = 'tls_certificate = ""\ntls_key = ""\n'
AS_NOBODY = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")


def serve(world: World, config: Path, user: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*user, world.binary, "serve", "-c", config],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd="/",
    )  # fmt: skip


def refused(world: World, config: Path, code: int, pattern: str, user: tuple[str, ...] = ()) -> None:
    """The daemon must not start, must say why in one line, and must leave every file as it was."""
    home = config.parent
    before = tree(home) if home.exists() else {}
    done = serve(world, config, user)
    said = done.stderr.strip()
    same(f"the exit code (it said: {said[-300:]})", done.returncode, code)
    same(f"the number of lines on standard error ({said})", len(said.splitlines()), 1)
    require(len(said) <= MAX_LINE, f"the line is too long: {said}")
    require(re.search(pattern, said), f"'{said}' does not match {pattern}")
    same("standard output", done.stdout, "")
    same("the files afterwards", tree(home) if home.exists() else {}, before)


# settings, and what the line must say: where, the key, and what is allowed or meant
WRONG: dict[str, tuple[str, str]] = {
    "an unknown key": ('[queue]\nretry_frist = "1min"\n', r"test\.toml:2:\d+: .*retry_frist.*retry_first"),
    "an unknown section": ("[delivry]\nport = 25\n", r"test\.toml:1:\d+: .*delivry.*delivery"),
    "a wrong type": ('[daemon]\nworkers = "two"\n', r"test\.toml:2:\d+: .*workers.*whole number"),
    "a duration without a unit": ("[queue]\nretry_first = 60\n", r"test\.toml:2:\d+: .*retry_first.*no unit.*min"),
    "a bad unit": ('[queue]\nretry_first = "3 fortnights"\n', r"test\.toml:2:\d+: .*retry_first.*(ms|min)"),
    "a value out of range": ("[daemon]\nworkers = 100000\n", r"test\.toml:2:\d+: .*workers.*256"),
    "a syntax error": ("[daemon\n", r"test\.toml:\d+:\d+: "),
    "a host name that is none": ('[daemon]\nhostname = "not a name"\n', r"hostname"),
    "a rule of an unknown level": ('[domain."a.example"]\ntls = "dane"\n', r"test\.toml:2:\d+: .*tls.*dane-only"),
    "a user that does not exist": ('[daemon]\nuser = "nobody-at-all"\n', r"daemon\.user.*nobody-at-all"),
    "a missing trust anchor": ('[dns]\ntrust_anchor_file = "/nonexistent/root.key"\n', r"/nonexistent/root\.key.*: .+"),
    "missing root hints": ('[dns]\nroot_hints_file = "/nonexistent/root.hints"\n', r"/nonexistent/root\.hints.*: .+"),
    "a trust anchor that is none": ('[dns]\ntrust_anchor_file = "/etc/passwd"\n', r"trust_anchor_file.*/etc/passwd"),
    "a missing CA file": ('[tls]\nca_file = "/nonexistent/ca.pem"\n', r"ca_file.*/nonexistent/ca\.pem"),
    "a CA file without a certificate": ('[tls]\nca_file = "/etc/passwd"\n', r"ca_file.*/etc/passwd"),
}


def wrong_settings(what: str) -> Callable[[World], None]:
    settings, pattern = WRONG[what]

    def run(world: World) -> None:
        refused(world, world.configuration(settings), CONFIGURATION, pattern)

    return run


for name in WRONG:
    test(f"{name} is refused with its remedy, code 78, and nothing is changed")(wrong_settings(name))


@test("a log that cannot be written is refused with code 78 and one line")
def unwritable_log(world: World) -> None:
    done = serve(world, world.configuration('[log]\nfile = "/proc/sealpost.log"\n'))
    same("the exit code", done.returncode, CONFIGURATION)
    require(re.fullmatch(r"sealpost: log\.file '/proc/sealpost\.log' .*\n", done.stderr), f"it said: {done.stderr}")


@test("a configuration file that is named and missing is refused with code 78")
def missing_file(world: World) -> None:
    refused(world, Path("/nonexistent/sealpost.toml"), CONFIGURATION, r"/nonexistent/sealpost\.toml")


@test("a port that is taken is refused with code 75 and no state directory is made")
def busy_port(world: World) -> None:
    with socket.create_server(("127.0.0.1", 2525)):
        refused(world, world.configuration(), TEMPORARY, r"127\.0\.0\.1:2525.*(in use|taken)")


@test("a port below 1024 without the right to it is refused with code 78 or 75")
def low_port(world: World) -> None:
    config = world.configuration('[listener]\nlisten = ["127.0.0.1:26"]\n' + NO_KEY)
    give_to_nobody(config.parent)
    floor = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if int(floor.read_text()) > 26:
        refused(world, config, serve_code(world, config), r"127\.0\.0\.1:26.*", AS_NOBODY)


def serve_code(world: World, config: Path) -> int:
    code = serve(world, config, AS_NOBODY).returncode
    require(code in (CONFIGURATION, TEMPORARY), f"the exit code is {code}")
    return code


def give_to_nobody(home: Path) -> None:
    shutil.chown(home, "nobody", "nogroup")


@test("a state directory of somebody else is refused with code 78 by root")
def foreign_state(world: World) -> None:
    config = world.configuration()
    (config.parent / "state").mkdir(mode=0o755)
    refused(world, config, CONFIGURATION, r"daemon\.state_directory.*/state'? .*chown")


@test("a state directory that cannot be written is refused with code 78 by an ordinary user")
def unwritable_state(world: World) -> None:
    config = world.configuration('[listener]\n' + NO_KEY)
    (config.parent / "state").mkdir(mode=0o755)
    refused(world, config, CONFIGURATION, r"daemon\.state_directory.*/state", AS_NOBODY)


@test("a state directory that cannot be made is refused with code 78 by an ordinary user")
def unmakable_state(world: World) -> None:
    refused(world, world.configuration('[listener]\n' + NO_KEY), CONFIGURATION, r"daemon\.state_directory.*/state", AS_NOBODY)


def used_state(world: World) -> Path:
    """A configuration whose state directory a daemon has used and left in order."""
    config = world.configuration()
    with world.daemon(config=config):
        pass
    return config


@test("a database of a newer schema is refused with code 78 or 75 and not touched")
def newer_schema(world: World) -> None:
    config = used_state(world)
    file = config.parent / "state" / "sealpost.db"
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    for left in file.parent.glob("sealpost.db-*"):
        left.unlink()
    shutil.chown(file, "nobody", "nogroup")
    refused(world, config, CONFIGURATION, r"sealpost\.db.*999.*newer")


@test("a file that is no database is refused and not touched")
def no_database(world: World) -> None:
    config = used_state(world)
    file = config.parent / "state" / "sealpost.db"
    file.write_bytes(b"This is a letter, not a database.\n" * 200)
    done = serve(world, config)
    require(done.returncode in (CONFIGURATION, TEMPORARY), f"the exit code is {done.returncode}")
    refused(world, config, done.returncode, r"sealpost\.db")
    require(file.read_bytes().startswith(b"This is a letter"), "the file was changed")


@test("a state directory in use is refused with code 75 and the daemon that uses it goes on")
def state_in_use(world: World) -> None:
    config = world.configuration()
    with world.daemon(config=config) as daemon:
        other = config.parent / "other.toml"
        other.write_text(config.read_text().replace("127.0.0.1:2525", "127.0.0.1:2526"))
        done = serve(world, other)
        same(f"the exit code (it said: {done.stderr})", done.returncode, TEMPORARY)
        require(re.search(r"state directory .*/state is in use by process \d+", done.stderr), f"it said: {done.stderr}")
        same("the lines on standard error", len(done.stderr.splitlines()), 1)
        same("the storage", daemon.status()["storage_healthy"], True)
    require(not os.path.exists(config.parent / "run" / "admin.sock"), "the admin socket is still there")
