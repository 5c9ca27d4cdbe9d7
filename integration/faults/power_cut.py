"""The power goes while mail runs: what the kernel had not written by then is gone.

The state directory is an ext4 of its own in a loop file. Its shutdown ioctl drops everything that is not on the "disk"
yet; the next mount replays the journal, as after a real cut.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon import Daemon, DaemonError
from form import figure, times
from harness import Void, World, same, test, wait_for
from load import Load
from preload import environment
from sink import Sink, account, domain, settings, sink

CUTS = times(3, 60)
SIZE = 256 << 20
SHUTDOWN, DROP_ALL = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN; EXT4_GOING_FLAGS_NOLOGFLUSH
DOMAINS = 20
LEAST = 5  # acknowledged before each cut: the disk may be slow
MOUNT_TIMEOUT = 30


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=MOUNT_TIMEOUT, check=False)
    if done.returncode:
        raise Void(f"{command[0]}: {(done.stderr or done.stdout).strip()}")


class Disk:
    """An ext4 on `directory`, which is seen in the lab's mount namespace alone."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.file = directory, directory.parent / "disk.img"
        directory.mkdir(mode=0o700)
        with self.file.open("wb") as out:
            out.truncate(SIZE)
        run("mkfs.ext4", "-q", "-F", self.file)
        self.mount()
        shutil.chown(directory, "nobody", "nogroup")
        directory.chmod(0o700)

    def mount(self) -> None:
        run("mount", "-o", "loop", self.file, self.directory)

    def unmount(self) -> None:
        run("umount", self.directory)

    def cut(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", DROP_ALL))
        except OSError as error:
            raise Void(f"no shutdown ioctl here: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def power_on(self) -> None:
        self.unmount()
        self.mount()


@contextmanager
def disk(directory: Path) -> Iterator[Disk]:
    made = Disk(directory)
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", directory], check=False, timeout=MOUNT_TIMEOUT, capture_output=True)
        made.file.unlink()


def load(name: str) -> Load:
    good = tuple(domain(n) for n in range(DOMAINS))
    return Load(name, pause=0, limit=1_000_000, good=good, held=(), largest=8000)


def halted(daemon: Daemon) -> bool:
    """No thread runs any more. One that is inside a call to the disk ends it, and says nothing to anybody after it."""
    assert daemon.process
    tasks = Path(f"/proc/{daemon.process.pid}/task").iterdir()
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] in "TtD" for task in tasks)


def cut_under_load(drive: Disk, daemon: Daemon, seconds: float) -> None:
    """Processor and disk end at the same moment. The ioctl is none: an fdatasync that runs meanwhile may return 0."""
    time.sleep(seconds)
    daemon.signal(signal.SIGSTOP)
    wait_for("the processor to stand still", lambda: halted(daemon))
    drive.cut()
    daemon.kill()
    drive.power_on()


def lost_without_sync(world: World, receivers: Sink) -> tuple[int, int]:
    """The same with a daemon whose fdatasync does nothing: how many are acknowledged, how many of them are lost."""
    daemon = Daemon(world.binary, world.configuration(settings()))
    receivers.behave("10.80.0.0/24", "down")
    with disk(daemon.home / "state") as drive:
        try:
            daemon.start(environment(world, "nosync"))
            with load("control") as control:
                cut_under_load(drive, daemon, 1.0)
            try:
                kept = daemon.start().status()["messages"]
            except DaemonError:  # not even the schema is there, or it is damaged
                kept = 0
        finally:
            daemon.kill()
    return len(control.acknowledged), len(control.acknowledged) - kept


@test("after power cuts under load nothing that was acknowledged is lost; without syncing it is [SMTP-33]")
def power_cut(world: World) -> None:
    if os.geteuid() or not shutil.which("mkfs.ext4"):
        raise Void("needs root and mkfs.ext4")
    chance = random.Random(4)
    with sink(world) as receivers:
        daemon = Daemon(world.binary, world.configuration(settings()))
        world.logs.append(daemon.log)
        # Half of the mail waits in the queue at each cut, the other half is under way.
        receivers.behave("10.80.0.0/28", "down")
        with disk(daemon.home / "state") as drive:
            try:
                with load("power") as running:
                    for _ in range(CUTS):
                        before = len(running.acknowledged)
                        daemon.start()
                        wait_for("mail under way", lambda: len(running.acknowledged) > before + LEAST, 30)
                        cut_under_load(drive, daemon, chance.uniform(0, 1))
                daemon.start()
                receivers.behave("10.80.0.0/28", "accept")
                copies = account(daemon, running, receivers)
                same("the exit code after SIGTERM", daemon.stop(), 0)
            finally:
                daemon.kill()
                world.check_sanitizer(daemon)
        acknowledged, lost = lost_without_sync(world, receivers)
    figure(f"power cut: {CUTS} cuts, {len(running.acknowledged)} acknowledged, 0 lost, {copies} copies; "
           f"control without fdatasync: {lost} of {acknowledged} lost")  # fmt: skip
    if not lost:
        raise Void("the control lost nothing either")
