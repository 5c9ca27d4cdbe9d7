"""The disk fails once: at the K-th fdatasync or pwrite64 of the daemon, by strace's injection."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import client
from daemon import Daemon
from form import figure, times
from harness import Failed, Void, World, require, same, test, wait_for
from load import Load, tagged
from sink import account, domain, settings, sink

FAULTS = (("fdatasync", "EIO"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC"))
POSITIONS = times((1, 2, 3, 5, 8), tuple(range(1, 201)))
MESSAGES = 400  # at most, until the fault has struck
FAILED = "nothing of this transaction is acknowledged"
REFUSED = "not stored, answered 4xx"
# What a transaction holds, and how the log tells that it failed. A failure that strikes none of these struck nobody.
VICTIMS = (REFUSED, "the outcome cannot be stored", "cannot be loaded", "cannot be read", "could not be given back")


@contextmanager
def injected(daemon: Daemon, call: str, error: str, position: int) -> Iterator[None]:
    """From here on the daemon's call fails once, at this position of the thread that makes it."""
    assert daemon.process
    log = daemon.home / "strace.log"
    log.unlink(missing_ok=True)
    strace = subprocess.Popen(
        ["strace", "-f", "-y", "-qq", "-o", log, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={position}",
         "-p", str(daemon.process.pid)],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        pid = str(strace.pid)
        status = f"/proc/{daemon.process.pid}/status"
        deadline = time.monotonic() + 10
        while f"TracerPid:\t{pid}\n" not in open(status).read():
            if strace.poll() is not None or time.monotonic() > deadline:
                raise Void(f"strace cannot trace here: {strace.stderr.read().strip() if strace.stderr else ''}")
            time.sleep(0.01)
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait(10)


def struck(daemon: Daemon) -> str:
    """The name of the file whose call failed; "" as long as none did."""
    log = daemon.home / "strace.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    hit = re.search(r"\(\d+<[^>]*/([^/>]+)>.*\(INJECTED\)", text)
    return hit[1] if hit else ""


def one(daemon: Daemon, load: Load, fault: tuple[str, str, int], numbers: count[int]) -> int:
    """Mail one by one until the fault strikes, then until some is taken again. Returns how many were refused."""
    call, error, position = fault
    refused, begin = 0, daemon.log.stat().st_size
    with injected(daemon, call, error, position):
        for _ in range(MESSAGES):
            token = f"eio-{next(numbers)}"
            to = (f"load@{domain(int(token[4:]) % 20)}",)
            try:
                load.acknowledged[token] = (client.submit(to, tagged(token)), to)
            except client.Refused as refusal:
                require(refusal.code in (451, 452), f"{call} {error} at {position}: {refusal}")
                refused += 1
            if struck(daemon):
                break
        else:
            raise Failed(f"{call} {error} at {position} did not strike within {MESSAGES} messages")
        what = f"{call} {error} at {position}, of {struck(daemon)},"
        # A checkpoint that fails strikes nobody: what it would have copied stays in the log of the database.
        if struck(daemon).endswith("-wal"):
            # It may be that the end of a delivery could not be written down: that is tried again.
            hit = lambda: any(victim in daemon.log_text(begin) for victim in VICTIMS)  # noqa: E731
            wait_for(f"{what} is in the log", lambda: FAILED in daemon.log_text(begin) and hit(), 10)
    same(f"{what}: the refusals in the log", daemon.log_text(begin).count(REFUSED), refused)
    token, to = f"after-{next(numbers)}", (f"load@{domain(0)}",)

    def taken() -> str | None:
        try:
            return client.submit(to, tagged(token))
        except client.Refused:
            return None

    load.acknowledged[token] = (wait_for("mail is taken again", taken, 10), to)
    same("the storage", daemon.status()["storage_healthy"], True)
    return refused


@test("when a write or fdatasync fails its mail is not acknowledged, the log says so, and the database is opened again [SMTP-33]")
def disk_errors(world: World) -> None:
    load, numbers, refused, faults = Load("eio"), count(1), 0, 0
    with sink(world) as receivers, world.daemon(settings()) as daemon:
        for call, error in FAULTS:
            for position in POSITIONS:
                refused += one(daemon, load, (call, error, position), numbers)
                faults += 1
        copies = account(daemon, load, receivers)
        # An fdatasync that failed says nothing about what is on the disk: only opening it again does.
        opened = daemon.log_text().count("the database is open again")
        require(opened >= len(POSITIONS), f"the database was opened again {opened} times only")
    require(refused, "no message was refused")
    figure(
        f"disk errors: {faults}, {len(load.acknowledged)} acknowledged, {refused} refused, 0 lost, {copies} copies, "
        f"{opened} times opened again"
    )
