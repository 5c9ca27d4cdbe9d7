"""Hundreds of domains whose name servers never answer, beside domains that are in order."""

from __future__ import annotations

import re
import statistics
import time

import client
from daemon import Daemon
from form import figure, times
from harness import World, require, same, test, wait_for
from load import tagged
from sink import domain, hole, settings, sink

HOLES = 500
PROBES = times(60, 500)
GAP = times(0.05, 0.1)
SLOWER = times(4.0, 0.100)  # seconds that a look-up may take longer; short: on a busy machine, under sanitizers
LATE = 3.0  # seconds until the questions of the holes are under way
# delays=a/b/c/d as Postfix has it: c is the time for look-ups, connection, TLS and greeting.
SENT = re.compile(r"to=<probe@d(\d+)\.\S+>, .*, delay=([0-9.]+), delays=[0-9.]+/[0-9.]+/([0-9.]+)/\S+, .*status=sent")


def probe(daemon: Daemon, first: int) -> dict[int, tuple[float, float]]:
    """One message to each of so many domains that nobody asked for yet: their delay, and that of reaching them."""
    begin = daemon.log.stat().st_size
    with client.Client() as session:
        for number in range(first, first + PROBES):
            session.submit((f"probe@{domain(number)}",), tagged(f"hole-{number}"))
            time.sleep(GAP)

    def found() -> dict[int, tuple[float, float]] | None:
        sent = {int(n): (float(delay), float(reach)) for n, delay, reach in SENT.findall(daemon.log_text(begin))}
        return sent if len(sent) == PROBES else None

    return wait_for("the healthy domains are served", found, 60)


@test("five hundred domains that never answer in the DNS hold up no others [DNS-06]")
def black_holes(world: World) -> None:
    # With the default for a question, so that all of them hang as long as the test looks.
    with sink(world), world.daemon(settings(queue="", dns='timeout = "20s"\n')) as daemon:
        control = probe(daemon, 0)
        with client.Client() as session:
            for number in range(HOLES):
                session.submit((f"probe@{hole(number)}",), tagged(f"hole-lost-{number}"))
        time.sleep(LATE)
        pending = daemon.status()["resolver"]["pending"]
        require(pending >= HOLES / 4, f"only {pending} questions wait for an answer: the holes are none")
        beside = probe(daemon, PROBES)
        same("the storage", daemon.status()["storage_healthy"], True)
        daemon.kill()  # the holes would make an orderly end long, which is another test's business
    before, after = (statistics.median(delay for delay, _ in seen.values()) for seen in (control, beside))
    worst = max(delay for delay, _ in beside.values())
    figure(f"black holes: {HOLES} domains, {pending} questions pending; delay p50 {after * 1000:.0f} ms, "
           f"control {before * 1000:.0f} ms, longest {worst * 1000:.0f} ms")  # fmt: skip
    require(after < before + SLOWER, f"the median delay rose from {before:.3f} to {after:.3f} s")
