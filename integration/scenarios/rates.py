"""How often and over how many connections mail goes to a destination, and how long it lives, as its rule says."""

from __future__ import annotations

import re
import time

import client
from daemon import Daemon
from harness import World, require, same, test, wait_for
from reload import DOMAIN, write_rule

OTHER = "dane-ok.example"
SENT = re.compile(r"(\w+): to=<user@([^>]*)>, .* status=sent ")


def sent(daemon: Daemon) -> dict[str, str]:
    """Domain by queue id."""
    return dict(SENT.findall(daemon.log_text()))


@test("a rule's rate spaces the mail of its domain, and nobody else waits for it")
def rate(world: World) -> None:
    config = world.configuration()
    write_rule(config.parent / "domains.d" / "rate.toml", 'rate = "60/min"')
    with world.daemon(config=config) as daemon:
        slow = [client.submit([f"user@{DOMAIN}"], client.message(f"slow {n}")) for n in range(4)]
        quick = [client.submit([f"user@{OTHER}"], client.message(f"quick {n}")) for n in range(4)]
        began = time.monotonic()
        wait_for("the mail of the other domain", lambda: set(quick) <= set(sent(daemon)))
        require(not set(slow) <= set(sent(daemon)), "all the mail of the domain with a rate is gone at once")
        wait_for("all mail", lambda: set(slow) <= set(sent(daemon)), 20)
        require(time.monotonic() - began > 2, "four messages at one a second took less than two")


@test("a message over a connection that is open already has the whole trace of its first one [DANE-78 TLS-23]")
def reuse(world: World) -> None:
    with world.daemon("[delivery]\nreuse_idle = \"10s\"\n") as daemon:
        traces = []
        for number in range(3):
            queue_id = client.submit([f"user@{OTHER}"], client.message(f"over one connection {number}"))
            wait_for("the delivery", lambda queue_id=queue_id: daemon.traces(queue_id))
            traces.append((queue_id, daemon.traces(queue_id)[0]))
        same("the outcomes", [t["outcome"] for _, t in traces], ["delivered"] * 3)
        same("which message of the connection", [t.get("reused") for _, t in traces], [None, 2, 3])
        for queue_id, trace in traces:
            same("whose trace it is", trace["message"], queue_id)
            same("the lookups", trace["mx_lookup"], traces[0][1]["mx_lookup"])
            session = trace["hops"][0]["sessions"][0]
            same("the verdict", session["verdict"], traces[0][1]["hops"][0]["sessions"][0]["verdict"])
        replies = {t["hops"][0]["sessions"][0]["reply"] for _, t in traces}
        same("a reply for each", len(replies), 3)
        require("over a connection that was opened" in daemon.text("trace", traces[2][0]), "the words do not tell it")


@test("a rule's max_age ends mail that its policy holds, and not before")
def life(world: World) -> None:
    prompt = '[queue]\nretry_first = "500ms"\nretry_max = "500ms"\nretry_jitter = 0.0\n'
    config = world.configuration(prompt)
    write_rule(config.parent / "domains.d" / "life.toml", 'tls = "encrypt"\nmax_age = "3s"')
    with world.daemon(config=config) as daemon:
        queue_id = client.submit([f"user@{DOMAIN}"], client.message("three seconds"))
        began = time.monotonic()
        wait_for("it is held", lambda: "status=deferred" in daemon.log_text())
        wait_for("its end", lambda: f"{queue_id}: to=<user@{DOMAIN}>" in daemon.log_text() and "status=expired" in daemon.log_text())
        require(time.monotonic() - began > 2, "it was given up too early")
