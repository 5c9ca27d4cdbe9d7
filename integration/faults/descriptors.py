"""The daemon may open hardly any descriptor more while mail runs."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from bad_input import AS_NOBODY
from daemon import Daemon
from form import figure, times
from harness import Void, World, require, same, test, wait_for
from load import Load
from preload import sanitizer
from sink import account, domain, settings, sink

ROUNDS = times(3, 40)
SPARE = (0, 1, 3, 8)  # how many more it may open, in turn
STARVED = 1.5  # seconds of each round
CLIENTS = 4
COMPLAINT = re.compile(r"Too many open files")


def limit(daemon: Daemon, spare: int | None) -> None:
    """So many descriptors more than now; None: as many as we may have."""
    assert daemon.process
    process = Path(f"/proc/{daemon.process.pid}")
    hard = re.search(r"Max open files +\d+ +(\d+)", (process / "limits").read_text())
    assert hard
    used = max(int(path.name) for path in (process / "fd").iterdir()) + 1
    soft = hard[1] if spare is None else used + spare
    # As the daemon's own user: not every root may do this to the processes of others.
    command = [*AS_NOBODY, "prlimit", f"--pid={daemon.process.pid}", f"--nofile={soft}:{hard[1]}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    require(done.returncode == 0, done.stderr)


@test("without descriptors nothing that was acknowledged is lost, and with some again mail runs on")
def starved(world: World) -> None:
    if sanitizer(world):
        # It opens a pipe to look at an object, takes one that it cannot open for a bad object, and ends the daemon.
        raise Void("UBSan needs descriptors of its own; remedy: run it with build/dev or build/release")
    good = tuple(domain(n) for n in range(200))  # a connection of their own each
    loads = [Load(f"fd{n}", pause=0.002, limit=100_000, good=good, held=(), largest=8000) for n in range(CLIENTS)]
    with sink(world) as receivers, world.daemon(settings()) as daemon:
        receivers.ask(latency=0.1)
        for load in loads:
            load.__enter__()
        try:
            for number in range(ROUNDS):
                wait_for("mail under way", lambda: len(loads[0].acknowledged) > 10)
                limit(daemon, SPARE[number % len(SPARE)])
                time.sleep(STARVED)
                limit(daemon, None)
                taken = len(loads[0].acknowledged)
                wait_for("mail is taken again", lambda: len(loads[0].acknowledged) > taken + 5, 15)
        finally:
            for load in loads:
                load.stop()
        receivers.ask(latency=0)
        copies = sum(account(daemon, load, receivers) for load in loads)
        complaints = len(COMPLAINT.findall(daemon.log_text()))
        require(complaints, "no descriptor was ever missing")
        require(complaints < 2000 * ROUNDS, f"{complaints} complaints fill the log")
        same("the storage", daemon.status()["storage_healthy"], True)
        require(all(text.startswith(("4", "421")) for load in loads for text in load.refused), "a refusal was permanent")
        require("status=bounced" not in daemon.log_text(), "mail came back to its sender")
    acknowledged = sum(len(load.acknowledged) for load in loads)
    refused = sum(len(load.refused) for load in loads)
    figure(f"descriptors: {ROUNDS} times, {acknowledged} acknowledged, {refused} refused, 0 lost, {copies} copies, "
           f"{complaints} complaints in the log")  # fmt: skip
