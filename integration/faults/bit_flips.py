"""One bit of the database or of its write-ahead log is not what was written."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon import Daemon, DaemonError
from form import figure, times
from harness import World, require, same, test, wait_for
from load import Load
from sink import Sink, domain, settings, sink

FLIPS = times(10, 200)  # half of them in the database, half in the log
MESSAGES = 60
PATIENCE = 8.0
REFUSAL_CODES = (75, 78)


@dataclass
class Original:
    """A state directory with mail in it that waits, and what the mail is."""

    state: Path
    wanted: list[str]  # "TOKEN RECIPIENT", in the order in which they were acknowledged


def fill(world: World, receivers: Sink, name: str, crash: bool) -> tuple[Daemon, Original]:
    """With `crash` everything is in the log, without it the daemon ended in order and it is in the database."""
    receivers.behave("10.80.0.0/24", "down")
    daemon = Daemon(world.binary, world.configuration(settings()))
    try:
        daemon.start()
        good = tuple(domain(n) for n in range(20))
        with Load(name, pause=0, limit=MESSAGES, good=good, held=(), largest=20_000) as load:
            wait_for("the queue", lambda: len(load.acknowledged) == MESSAGES)
        if not crash:
            same("the exit code after SIGTERM", daemon.stop(), 0)
    finally:
        daemon.kill()
    copy = daemon.home / "original"
    shutil.copytree(daemon.home / "state", copy)
    wanted = [f"{token} {to}" for token, (_, recipients) in load.acknowledged.items() for to in recipients]
    return daemon, Original(copy, wanted)


def restore(daemon: Daemon, original: Original) -> Path:
    state = daemon.home / "state"
    for file in state.iterdir():
        file.unlink()
    for file in original.state.iterdir():
        shutil.copy2(file, state)
        shutil.chown(state / file.name, "nobody", "nogroup")
    return state


def flip(file: Path, chance: random.Random) -> str:
    octets = bytearray(file.read_bytes())
    bit = chance.randrange(len(octets) * 8)
    octets[bit // 8] ^= 1 << bit % 8
    with file.open("r+b") as out:  # the owner and the rights stay
        out.write(octets)
    return f"bit {bit} of {file.name}"


def frozen(daemon: Daemon) -> set[str]:
    """The recipients that nobody is sent any more. A list that cannot be read shows none."""
    try:
        return {row["recipient"] for row in daemon.queue() if row["state"] == "frozen"}
    except DaemonError:
        return set()


@dataclass
class Outcome:
    word: str  # "refused", "harmless", "frozen", "lost"
    arrived: set[str]
    missing: set[str]  # neither arrived nor frozen


def outcome(daemon: Daemon, original: Original, receivers: Sink, what: str) -> Outcome:
    receivers.ask(forget=True)
    begin = daemon.log.stat().st_size
    try:
        daemon.start()
    except DaemonError as error:
        code = daemon.process and daemon.process.poll()
        require(code in REFUSAL_CODES, f"{what}: the exit code is {code}: {error}")
        said = daemon.log_text(begin).strip()
        require("sealpost.db" in said, f"{what}: it does not name the file: {said[-500:]}")
        return Outcome("refused", set(), set())
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        arrived = set(receivers.taken())  # fails when one arrived altered
        stopped = frozen(daemon)
        if daemon.status()["recipients"] == len(stopped):
            break
        time.sleep(0.1)
    arrived, wanted = set(receivers.taken()), set(original.wanted)
    require(arrived <= wanted, f"{what}: sent what nobody asked for: {sorted(arrived - wanted)[:3]}")
    same(f"{what}: the exit code of the daemon", daemon.process and daemon.process.poll(), None)
    missing = wanted - arrived
    if stopped:
        require("frozen" in daemon.log_text(begin), f"{what}: a message was frozen without an alarm")
        return Outcome("frozen", arrived, set() if len(missing) == len(stopped) else missing)
    return Outcome("lost" if missing else "harmless", arrived, missing)


def flips(world: World, name: str, crash: bool, check: Callable[[Original, Outcome, str], None]) -> Counter[str]:
    chance, counted = random.Random(name), Counter[str]()
    with sink(world) as receivers:
        daemon, original = fill(world, receivers, name, crash)
        world.logs.append(daemon.log)
        receivers.behave("10.80.0.0/24", "accept")
        for _ in range(FLIPS // 2):
            what = flip(restore(daemon, original) / name, chance)
            try:
                seen = outcome(daemon, original, receivers, what)
                check(original, seen, what)
                counted[seen.word] += 1
            finally:
                daemon.kill()
                world.check_sanitizer(daemon)
    return counted


@test("a flipped bit of the database is refused, or freezes its message with an alarm, and all others are sent unaltered")
def database(world: World) -> None:
    def check(_: Original, seen: Outcome, what: str) -> None:
        require(not seen.missing, f"{what}: {len(seen.missing)} messages are gone without a word")

    counted = flips(world, "sealpost.db", crash=False, check=check)
    figure(f"bit flips of the database: {dict(counted)}")


@test("a flipped bit of the write-ahead log alters nothing and costs nothing that was written before it")
def log(world: World) -> None:
    """SQLite takes the first frame that is not right for the end of the log: what came later is gone without a word."""

    def check(original: Original, seen: Outcome, what: str) -> None:
        if seen.word == "lost":
            first = len(original.wanted) - len(seen.missing)
            same(f"{what}: what is gone", seen.missing, set(original.wanted[first:]))

    counted = flips(world, "sealpost.db-wal", crash=True, check=check)
    figure(f"bit flips of the log: {dict(counted)}")
