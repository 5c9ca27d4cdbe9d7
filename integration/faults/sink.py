"""Receivers of the fault tests' own, by the thousand, with a name server for their domains.

They stand in a network namespace of their own behind a veth pair (sinkd.py) and take nothing away from the lab's
receivers. What goes there is sent in clear: the policies are the business of load.py and the other tests.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon import Daemon
from harness import Failed, World, require, same, wait_for
from load import Load

HERE = Path(__file__).resolve().parent
NETWORK, HOLES = "10.80.0.0/16", "10.81.0.0/16"
ZONE = "sink.plain.example"
OURS, THEIRS = "10.79.255.1/30", "10.79.255.2/30"
PATIENCE = 60.0
# The lab's own settings forbid 10.0.0.0/8.
DELIVERY = 'forbidden_networks = ["0.0.0.0/8", "127.0.0.0/8", "::1/128"]\n'
DNS = f'stub_zones = {{ "{ZONE}" = ["{THEIRS.partition("/")[0]}:53"] }}\n'


# So that what waits is tried again while a test looks on. The longest rest of a destination is the longest wait.
QUEUE = 'retry_first = "500ms"\nretry_max = "2s"\n'


def settings(queue: str = QUEUE, delivery: str = "", dns: str = "") -> str:
    """TOML on top of the lab's: how the receivers here are reached, and what a test wants beside it."""
    return f"[delivery]\n{DELIVERY}{delivery}[dns]\n{DNS}{dns}[queue]\n{queue}"


def domain(number: int) -> str:
    """The domain of the receiver with this number, 0 to 62499."""
    return f"d{number}.{ZONE}"


def hole(number: int) -> str:
    """A domain whose name server never answers."""
    return f"hole{number}.{ZONE}"


def ip(*arguments: str, inside: int = 0) -> None:
    enter = ["nsenter", "--net", "--target", str(inside)] if inside else []
    done = subprocess.run([*enter, "ip", *arguments], capture_output=True, text=True, timeout=10, check=False)
    require(done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Sink:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rwb")

    def ask(self, **what: Any) -> dict[str, Any]:
        self.stream.write(json.dumps(what).encode() + b"\n")
        self.stream.flush()
        return json.loads(self.stream.readline())

    def behave(self, numbers: str, behaviour: str) -> None:
        self.ask(set={numbers: behaviour})

    def taken(self) -> dict[str, int]:
        """How often each "TOKEN RECIPIENT" was taken. A message that was altered fails the test."""
        report = self.ask(report=True)
        same("the messages that arrived altered", report["altered"], 0)
        return report["taken"]


@contextmanager
def sink(world: World) -> Iterator[Sink]:
    path = world.lab / f"sink-{os.getpid()}.sock"
    path.unlink(missing_ok=True)
    process = subprocess.Popen(["unshare", "--net", sys.executable, "-B", HERE / "sinkd.py", path], stdin=subprocess.DEVNULL)
    try:
        # It listens on all addresses there will be; then the veth pair gives it its own.
        wait_for("the receivers", path.exists, 10)
        ip("link", "add", "sink0", "type", "veth", "peer", "name", "sink1", "netns", str(process.pid))
        ip("link", "set", "lo", "up", inside=process.pid)
        ip("addr", "add", THEIRS, "dev", "sink1", inside=process.pid)
        ip("link", "set", "sink1", "up", inside=process.pid)
        ip("route", "add", "local", NETWORK, "dev", "lo", inside=process.pid)
        ip("route", "add", "default", "via", OURS.partition("/")[0], inside=process.pid)
        ip("addr", "add", OURS, "dev", "sink0")
        ip("link", "set", "sink0", "up")
        for network in (NETWORK, HOLES):
            ip("route", "add", network, "via", THEIRS.partition("/")[0])
        yield Sink(path)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        # The kernel takes the pair away with the namespace, but not at once.
        subprocess.run(["ip", "link", "del", "sink0"], capture_output=True, check=False)
        path.unlink(missing_ok=True)


def account(daemon: Daemon, load: Load, sink: Sink, seconds: float = PATIENCE) -> int:
    """Waits until all that was acknowledged has arrived. Returns how many copies came more than once."""
    wanted = {f"{token} {to}" for token, (_, recipients) in load.acknowledged.items() for to in recipients}
    deadline = time.monotonic() + seconds
    while lost := wanted - (taken := sink.taken()).keys():
        if time.monotonic() > deadline:
            waiting = daemon.status()["recipients"]
            raise Failed(f"{len(lost)} acknowledged messages are lost, or still among the {waiting} that wait: "
                         f"{', '.join(sorted(lost)[:5])}")  # fmt: skip
        time.sleep(0.1)
    log = daemon.log_text()
    for token, (queue_id, recipients) in load.acknowledged.items():
        for to in recipients:
            if taken[f"{token} {to}"] > 1:
                # The line is written after the commit. What was settled is never sent again.
                settled = len(re.findall(rf"{queue_id}: to=<{re.escape(to)}>, .*status=sent", log))
                require(settled <= 1, f"{queue_id} to {to} was settled and sent again")
    return sum(taken[key] - 1 for key in wanted)
