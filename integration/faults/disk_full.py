"""The disk is full: mail is put off, what is queued goes out, and nothing needs a restart when there is room again."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import client
from daemon import Daemon
from form import figure, times
from harness import World, require, same, test, wait_for
from load import Load, tagged
from sink import QUEUE, account, domain, settings, sink

RESERVE = 64 << 20  # the default of queue.min_free_space
LARGE, SMALL = 3 * RESERVE, 24 << 20
BLOCK = 64 << 10
QUEUED = times(40, 2000)
HARD_ROUNDS = times(2, 20)


@contextmanager
def small_disk(directory: Path, size: int) -> Iterator[Path]:
    """The state directory on a file system of its own; only the lab's mount namespace sees it."""
    account = pwd.getpwnam("nobody")
    directory.mkdir(mode=0o700)
    options = f"size={size},mode=0700,uid={account.pw_uid},gid={account.pw_gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "full", directory], check=True, timeout=10)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True, timeout=10)


@contextmanager
def ballast(disk: Path, leave: int) -> Iterator[None]:
    """All but `leave` octets of the disk are taken."""
    file = disk / "ballast"
    try:
        with file.open("wb", buffering=0) as out:
            while (room := free(disk) - leave) > 0:
                out.write(bytes(min(BLOCK, room)))
        yield
    finally:
        file.unlink()


def free(disk: Path) -> int:
    return os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize


def stage(recipient: str) -> tuple[str, int]:
    """Which step of a transaction is refused, and with which code; ("done", 250) when none is."""
    data = tagged("room")
    with client.Client() as session:
        smtp = session.smtp
        steps = (
            ("MAIL", lambda: smtp.mail(client.SENDER, [f"SIZE={len(data)}"])),
            ("RCPT", lambda: smtp.rcpt(recipient)),
            ("DATA", lambda: smtp.docmd("DATA")),
        )
        for name, step in steps:
            if (code := step()[0]) >= 400:
                return name, code
        smtp.send(data + b".\r\n")
        code = smtp.getreply()[0]
        return ("done" if code == 250 else "body"), code


def accepted(recipient: str) -> bool:
    return stage(recipient)[1] == 250


@test("on a full disk mail is answered 452, what is queued goes out, and with room again mail is taken without a restart [SMTP-33]")
def reserve(world: World) -> None:
    config = world.configuration(settings())
    with small_disk(config.parent / "state", LARGE) as disk, sink(world) as receivers, world.daemon(config=config) as daemon:
        receivers.behave("10.80.0.0/24", "down")
        with Load("full", pause=0, limit=QUEUED, good=tuple(domain(n) for n in range(20)), held=(), largest=4000) as load:
            wait_for("the queue", lambda: len(load.acknowledged) == QUEUED)
        with ballast(disk, RESERVE - (1 << 20)):
            wait_for("452", lambda: not accepted(f"load@{domain(0)}"), 5)
            same("the reply", stage(f"load@{domain(0)}")[1], 452)
            receivers.behave("10.80.0.0/24", "accept")
            copies = account(daemon, load, receivers)
            same("the copies", copies, 0)
            same("the storage", daemon.status()["storage_healthy"], True)
            require("cannot be stored" not in daemon.log_text(), "the reserve was not enough for the outcomes")
            same("the reply after that", stage(f"load@{domain(0)}")[1], 452)
        began = time.monotonic()
        wait_for("mail is taken again", lambda: accepted(f"load@{domain(0)}"), 10)
        figure(f"disk full: {QUEUED} messages delivered meanwhile; mail is taken {time.monotonic() - began:.1f} s after there is room")


def hard_round(disk: Path, daemon: Daemon, load: Load) -> None:
    """No room at all while mail runs: until some was refused, and then until some is taken again."""
    refused = len(load.refused)
    with ballast(disk, 0):
        wait_for("a refusal", lambda: len(load.refused) > refused, 30)
        time.sleep(0.5)
    taken = len(load.acknowledged)
    wait_for("mail is taken again", lambda: len(load.acknowledged) > taken + 5, 20)
    wait_for("the storage is healthy", lambda: daemon.status()["storage_healthy"], 10)


@test("that there is no room is said before the body is sent")
def before_the_body(world: World) -> None:
    config = world.configuration(settings())
    with small_disk(config.parent / "state", LARGE) as disk, sink(world), world.daemon(config=config):
        with ballast(disk, RESERVE - (1 << 20)):
            wait_for("452", lambda: not accepted(f"load@{domain(0)}"), 5)
            step, code = stage(f"load@{domain(0)}")
            same("the reply", code, 452)
            require(step in ("MAIL", "RCPT", "DATA"), "452 comes only after the body was sent")


@test("a disk without any room loses nothing that was acknowledged, and is used again when it has some [SMTP-33]")
def no_room(world: World) -> None:
    config = world.configuration(settings(QUEUE + 'min_free_space = "0B"\n'))
    with small_disk(config.parent / "state", SMALL) as disk, sink(world) as receivers, world.daemon(config=config) as daemon:
        with Load("noroom", pause=0.002, limit=100_000, good=tuple(domain(n) for n in range(20)), held=(), largest=4000) as load:
            wait_for("mail under way", lambda: len(load.acknowledged) > 20)
            for _ in range(HARD_ROUNDS):
                hard_round(disk, daemon, load)
        copies = account(daemon, load, receivers)
        require(all(text.startswith("45") for text in load.refused), f"refused with {set(load.refused)}")
        same("the exit code after SIGTERM", daemon.stop(), 0)
    figure(
        f"no room: {HARD_ROUNDS} times, {len(load.acknowledged)} acknowledged, {len(load.refused)} refused, 0 lost, {copies} copies"
    )
