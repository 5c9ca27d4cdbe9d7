"""The wall clock jumps under the running daemon, and comes back."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import client
from daemon import Daemon
from form import figure
from harness import World, require, same, test, wait_for
from kill import check_levels
from load import GOOD, HELD, Load, arrived, tagged
from preload import environment
from sink import Sink, domain, settings, sink

DAY = 86400
LOOK = 2.5  # seconds of the wrong time, for what is tried again meanwhile
PATIENCE = 30.0


class Clock:
    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)
        file.chmod(0o644)

    def set(self, seconds: int) -> None:
        with self.file.open("r+b" if self.file.exists() else "wb") as out:
            out.write(struct.pack("=q", seconds))


@contextmanager
def daemon_with_clock(world: World, text: str) -> Iterator[tuple[Daemon, Clock]]:
    daemon = Daemon(world.binary, world.configuration(text))
    world.logs.append(daemon.log)
    clock = Clock(daemon.home / "clock")
    try:
        daemon.start({**environment(world, "clock"), "FAULT_CLOCK": str(clock.file)})
        yield daemon, clock
        same("the exit code after SIGTERM", daemon.stop(), 0)
    finally:
        daemon.kill()
        world.check_sanitizer(daemon)


def submit(load: Load, when: str, domains: Sequence[str]) -> None:
    for number, name in enumerate(domains):
        token, to = f"{load.name}-{when}-{number}", (f"load@{name}",)
        load.acknowledged[token] = (client.submit(to, tagged(token)), to)


def held_back(world: World, load: Load) -> None:
    """Nothing of this load reached a domain whose policy holds it."""
    for name in HELD:
        sent = [token for token in arrived(world, name) if token in load.acknowledged]
        require(not sent, f"mail was delivered to {name}, against its policy")


def account_for_all(world: World, daemon: Daemon, load: Load, receivers: Sink) -> int:
    """Each message has arrived, waits, or came back to its sender. Returns how many came back."""
    waiting = {entry["id"] for entry in daemon.queue()}
    there = {domain: arrived(world, domain) for domain in GOOD}
    taken, back = receivers.taken(), 0
    for token, (queue_id, (to,)) in load.acknowledged.items():
        if queue_id in waiting or there.get(to.partition("@")[2], {}).get(token) or f"{token} {to}" in taken:
            continue
        require(f"{queue_id}: to=<{to}>" in daemon.log_text(), f"{token} to {to} is lost")
        world.wait_for_mail(client.SENDER, f"X-Token: {token}".encode())
        back += 1
    return back


def delivered(world: World, load: Load, when: str) -> bool:
    """Whether all that was submitted then for good domains has arrived."""
    prefix = f"{load.name}-{when}-"
    return all(
        arrived(world, name)[token]
        for token, (_, (to,)) in load.acknowledged.items()
        if token.startswith(prefix) and (name := to.partition("@")[2]) in GOOD
    )


def jump(world: World, load: Load, days: int, meanwhile: Callable[[Daemon], object]) -> int:
    """Mail before, during and after the wrong time. Returns how many messages came back to the sender."""
    with sink(world) as receivers, daemon_with_clock(world, settings()) as (daemon, clock):
        receivers.behave("10.80.0.0/24", "down")
        submit(load, "before", [*GOOD[:2], *HELD, domain(1), domain(2)])  # others are not in the cache yet
        wait_for("what goes out at once", lambda: delivered(world, load, "before"))
        # A policy that was never fetched holds nothing, and none can be while the clock is wrong.
        held = [queue_id for queue_id, (to,) in load.acknowledged.values() if to.partition("@")[2] in HELD]
        wait_for("the policies", lambda: all(f"{queue_id}: to=" in daemon.log_text() for queue_id in held))
        clock.set(days * DAY)
        submit(load, "during", [*GOOD, *HELD])
        meanwhile(daemon)
        time.sleep(LOOK)
        held_back(world, load)
        clock.set(0)
        receivers.behave("10.80.0.0/24", "accept")
        submit(load, "after", [*GOOD, *HELD])
        wait_for("new mail goes out", lambda: delivered(world, load, "after"), PATIENCE)
        daemon.run("queue", "retry", "--all")
        wait_for("what came meanwhile goes out", lambda: delivered(world, load, "during"), PATIENCE)
        held_back(world, load)
        check_levels(daemon)
        same("the storage", daemon.status()["storage_healthy"], True)
        return account_for_all(world, daemon, load, receivers)


@test("a clock ten days ahead for a while sends nothing weaker and loses nothing without a report")
def ahead(world: World) -> None:
    load = Load("ahead")

    def goes_on(_: Daemon) -> object:
        return wait_for("mail goes out meanwhile", lambda: delivered(world, load, "during"), PATIENCE)

    back = jump(world, load, +10, goes_on)
    figure(f"clock +10 d: {len(load.acknowledged)} acknowledged, 0 lost, 0 weaker, {back} came back as too old")


@test("a clock three days behind for a while sends nothing weaker, and nothing comes back")
def behind(world: World) -> None:
    load = Load("behind")

    def is_held(daemon: Daemon) -> object:
        return wait_for("the signatures of then", lambda: "Signature Not Yet Valid" in daemon.log_text(), PATIENCE)

    back = jump(world, load, -3, is_held)
    same("the messages that came back", back, 0)
    figure(f"clock -3 d: {len(load.acknowledged)} acknowledged, 0 lost, 0 weaker, 0 came back")
