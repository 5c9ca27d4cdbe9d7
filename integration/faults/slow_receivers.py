"""Receivers that let a connection live and nothing come of it, beside others that are in order."""

from __future__ import annotations

import re
import statistics
import time
from pathlib import Path

import client
from daemon import Daemon
from form import figure, times
from harness import World, require, same, test, wait_for
from load import tagged
from preload import sanitizer
from sink import domain, settings, sink

SLOW = times(500, 9800)
CONNECTIONS = times(1000, 10_000)  # delivery.max_connections: more than the slow ones take
FIRST_SLOW = 1000  # their numbers; see NETWORKS
NETWORKS = ("10.80.4.0/22", "10.80.8.0/21", "10.80.16.0/20", "10.80.32.0/20")
PROBES = times(200, 2000)
HEALTHY = 20
SLOWER, SLACK = 1.5, times(3.0, 0.1)  # times, and seconds that a busy machine may add
MAX_MEMORY = 600 << 20
SENT = re.compile(r"to=<probe@\S+>, .*, delay=([0-9.]+), .*status=sent")


def submit(tokens: range, name: str, recipient: str, first: int, count: int, gap: float) -> None:
    with client.Client() as session:
        for number in tokens:
            session.submit((f"{recipient}@{domain(first + number % count)}",), tagged(f"{name}-{number}"))
            time.sleep(gap)


def percentiles(daemon: Daemon, name: str) -> tuple[float, float]:
    """p50 and p99 of the delay of mail to the healthy ones."""
    begin = daemon.log.stat().st_size
    submit(range(PROBES), name, "probe", 0, HEALTHY, 0.01)

    def delays() -> list[float] | None:
        found = [float(delay) for delay in SENT.findall(daemon.log_text(begin))]
        return found if len(found) == PROBES else None

    cuts = statistics.quantiles(wait_for("the healthy receivers are served", delays, 60), n=100)
    return cuts[49], cuts[98]


def resident(daemon: Daemon) -> int:
    assert daemon.process
    kib = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{daemon.process.pid}/status").read_text())
    return int(kib[1]) << 10 if kib else 0


@test("hundreds of receivers that drip an endless greeting hold up no others and cost little memory")
def dripping(world: World) -> None:
    limits = f"max_connections = {CONNECTIONS}\ngreeting_timeout = \"5min\"\n"
    with sink(world) as receivers, world.daemon(settings(delivery=limits)) as daemon:
        for network in NETWORKS:
            receivers.behave(network, "drip")
        before = percentiles(daemon, "control")
        submit(range(SLOW), "slow", "slow", FIRST_SLOW, SLOW, 0)
        wait_for("they all drip", lambda: receivers.ask()["open"] >= SLOW, times(60, 300))
        after = percentiles(daemon, "beside")
        memory = resident(daemon)
        same("the connections that drip", receivers.ask()["open"] >= SLOW, True)
        daemon.kill()  # an orderly end would wait for them
    figure(f"slow receivers: {SLOW}; delay p50/p99 {after[0] * 1000:.0f}/{after[1] * 1000:.0f} ms, "
           f"control {before[0] * 1000:.0f}/{before[1] * 1000:.0f} ms; {memory >> 20} MiB")  # fmt: skip
    require(after[1] <= max(SLOWER * before[1], before[1] + SLACK), f"p99 rose from {before[1]:.3f} to {after[1]:.3f} s")
    require(sanitizer(world) or memory <= MAX_MEMORY, f"{memory >> 20} MiB of memory")
