"""SIGHUP: changed rules are taken over as a whole, or not at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import client
from daemon import Daemon
from harness import World, same, test, wait_for

DOMAIN = "plain.example"  # nothing is published there, and its server has no TLS


def reload(daemon: Daemon, word: str) -> None:
    assert daemon.process is not None
    before = daemon.log_text().count(word)
    os.kill(daemon.process.pid, signal.SIGHUP)
    wait_for(f"the log says '{word}'", lambda: daemon.log_text().count(word) > before)


def reason(daemon: Daemon) -> str:
    return daemon.explain(DOMAIN)["hops"][0]["decision"]["reason"]


def write_rule(path: Path, text: str) -> None:
    path.write_text(f'[domain."{DOMAIN}"]\n{text}\n')


@test("SIGHUP takes over changed rules as a whole and keeps the old ones when one is wrong [TLS-10]")
def rules(world: World) -> None:
    config = world.configuration()
    rule = config.parent / "domains.d" / "reloaded.toml"
    with world.daemon(config=config) as daemon:
        same("the reason at first", reason(daemon), "opportunistic")
        write_rule(rule, 'tls = "encrypt"')
        same("the reason before SIGHUP", reason(daemon), "opportunistic")
        reload(daemon, "reloaded: ")
        same("the reason after SIGHUP", reason(daemon), "rule-encrypt")
        write_rule(rule, 'tls = "encrpyt"')
        reload(daemon, "the rules stay as they were")
        write_rule(rule, 'tls = "dane-only"')  # not taken over; the command line reads the files as well
        same("the reason after a wrong rule", reason(daemon), "rule-encrypt")
        write_rule(rule, 'tls = "fingerprint"\nca_file = "/nowhere.pem"')
        reload(daemon, "the rules stay as they were")
        same("the reason after a rule without its CA", reason(daemon), "rule-encrypt")
        # Deliveries go by the same table.
        queue_id = client.submit([f"user@{DOMAIN}"], client.message("after the reload"))
        wait_for("an attempt", lambda: daemon.traces(queue_id))
        same("the outcome", daemon.traces(queue_id)[0]["outcome"], "held")
        rule.unlink()
        reload(daemon, "reloaded: ")
        same("the reason without the rule", reason(daemon), "opportunistic")
        daemon.text("queue", "retry", queue_id)
        wait_for("the delivery", lambda: any(t["outcome"] == "delivered" for t in daemon.traces(queue_id)))
