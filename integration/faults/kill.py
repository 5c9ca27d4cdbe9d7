"""The daemon or its resolver is killed, or told to end, while mail runs."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path

import client
from daemon import Daemon
from form import figure, times
from harness import World, require, same, test, wait_for
from load import GOOD, HELD, Load, account, drain

CYCLES = times(10, 200)
CONNECTIONS = 6  # at once, and so the deliveries in flight at a kill
RESOLVER_KILLS = times(5, 60)
RESOLVER_PAUSE = 2.0  # from one to the next
SENT = re.compile(r"to=<[^@>]*@([^>]*)>, relay=[^,]*, .* status=sent \([^)]*\) tls=(\w+)")
LEVEL = {domain: "Verified" for domain in GOOD} | {"plain.example": "none"}
SHUTDOWN_SLACK = 8.0  # beyond shutdown_timeout: ending the rest has 5 s of its own


def check_levels(daemon: Daemon) -> None:
    """No message went out over a weaker channel than its domain's policy demands."""
    for domain, level in SENT.findall(daemon.log_text()):
        if domain in LEVEL:
            same(f"tls= for {domain}", level, LEVEL[domain])


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/exe").exists()


@test("after SIGKILL again and again under load nothing acknowledged is lost, altered or sent twice once settled [SMTP-33 SMTP-34]")
def killed(world: World) -> None:
    chance = random.Random(20)
    daemon = Daemon(world.binary, world.configuration(f"[delivery]\nmax_connections = {CONNECTIONS}\nmax_connections_per_destination = {CONNECTIONS}\n"))
    world.logs.append(daemon.log)
    try:
        with Load("kill", limit=100 * CYCLES) as load:
            for _ in range(CYCLES):
                daemon.start()
                time.sleep(chance.uniform(0.05, 1.0))
                daemon.kill()
        daemon.start()
        require(len(load.acknowledged) > 2 * CYCLES, f"only {len(load.acknowledged)} messages were acknowledged")
        drain(world, daemon, load)
        copies = account(world, daemon, load)
        require(copies <= CYCLES * CONNECTIONS, f"{copies} copies are more than the deliveries in flight at the kills")
        check_levels(daemon)
        same("the exit code after SIGTERM", daemon.stop(), 0)
    finally:
        daemon.kill()
        world.check_sanitizer(daemon)
    figure(f"SIGKILL: {CYCLES} kills, {len(load.acknowledged)} acknowledged, 0 lost, {copies} copies of what was in flight")


@test("a killed daemon leaves no resolver process behind")
def orphans(world: World) -> None:
    with world.daemon() as daemon:
        resolver = daemon.status()["resolver"]["pid"]
        require(alive(resolver), "the resolver does not run")
        daemon.kill()
        wait_for("the end of the resolver", lambda: not alive(resolver), 10)


@test("while the resolver is killed again and again nothing goes out weaker and nothing is lost [DNS-07 DANE-03 DANE-31 STS-16]")
def resolver_killed(world: World) -> None:
    with world.daemon() as daemon:
        # So that the policy is known: with nothing cached, a failed lookup of the record holds up nothing (RFC 8461).
        client.submit(["user@sts-ok.example"], client.message("first contact"))
        wait_for("the first delivery", lambda: "status=sent" in daemon.log_text())
        with Load("resolver", pause=0.03, limit=60 * RESOLVER_KILLS) as load:
            for _ in range(RESOLVER_KILLS):
                pid = wait_for("a resolver", lambda: daemon.status()["resolver"]["pid"])
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # it had ended since we asked
                time.sleep(RESOLVER_PAUSE)
        resolver = wait_for("the resolver is back", lambda: (s := daemon.status()["resolver"])["running"] and s)
        require(resolver["restarts"] >= RESOLVER_KILLS - 1, f"only {resolver['restarts']} restarts were counted")
        drain(world, daemon, load)
        account(world, daemon, load)
        check_levels(daemon)
    figure(f"resolver: {RESOLVER_KILLS} kills, {len(load.acknowledged)} acknowledged, 0 lost, 0 weaker")


@test("SIGTERM ends the daemon in time and in order; what was in flight is kept")
def terminated(world: World) -> None:
    settings = '[daemon]\nshutdown_timeout = "2s"\n[delivery]\ngreeting_timeout = "60s"\n'
    config = world.configuration(settings)
    with world.daemon(config=config) as daemon:
        stuck = client.submit(["user@silent.example"], client.message("stuck"))
        with Load("term") as load:
            wait_for("mail under way", lambda: len(load.acknowledged) > 30)
            began = time.monotonic()
            same("the exit code after SIGTERM", daemon.stop(), 0)
            took = time.monotonic() - began
        require(took < 2 + SHUTDOWN_SLACK, f"it took {took:.1f} s with a shutdown_timeout of 2 s")
    with world.daemon(config=config) as daemon:
        drain(world, daemon, load)
        account(world, daemon, load)
        require(stuck in {entry["id"] for entry in daemon.queue()}, "the message in flight is lost")
        # The one in flight must not make the end of this daemon slow as well.
        daemon.run("queue", "delete", stuck)


assert not set(GOOD) & set(HELD)
