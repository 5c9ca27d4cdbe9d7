"""MTA-STS over time: a record that flaps, a refresh that fails, a new policy just before the mail would bounce."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import client
from harness import World, require, same, test, wait_for
from memory import POLICY_HOST, answers, attempts, run, unreachable, zone

POLICYHOST = Path(__file__).resolve().parent.parent / "lab" / "policyhost.py"
OTHER_HOST = "192.0.2.143"


def record(text: str, policy_id: str) -> str:
    """The zone with another id, which nobody may keep."""
    changed = re.sub(r"^_mta-sts .*TXT .*\n", f'_mta-sts 0 TXT "v=STSv1; id={policy_id};"\n', text, flags=re.M)
    require(changed != text, "the zone has no _mta-sts record")
    return changed


def policy_host(text: str, address: str) -> str:
    """The zone with the policy host on this address alone."""
    changed = re.sub(r"^mta-sts (A|AAAA) .*\n", "", text, flags=re.M) + f"mta-sts 0 A {address}\n"
    require(changed.count("mta-sts 0 A") == 1, "the zone has no policy host")
    return changed


def fetches(lab: Path, domain: str) -> int:
    log = lab / "log" / "policyhost.jsonl"
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return sum(event.get("host") == f"mta-sts.{domain}" for event in events)


@contextmanager
def another_policy_host(world: World, domain: str, body: str) -> Iterator[None]:
    """The domain's policy host with the certificate that it has, on another address and with another policy."""
    lab = world.lab
    config = json.loads((lab / "policyhost.json").read_text())
    name = f"mta-sts.{domain}"
    logs = lab / "log" / "other-policyhost"
    logs.mkdir(exist_ok=True)
    host = config["hosts"][name] | {"behaviour": "ok", "body": body}
    changed = {"addresses": [OTHER_HOST], "hosts": {name: host}, "log": str(logs)}
    made = lab / "other-policyhost.json"
    made.write_text(json.dumps(changed))
    run("ip", "address", "add", f"{OTHER_HOST}/32", "dev", "lo")
    process = subprocess.Popen([sys.executable, POLICYHOST, made], stdin=subprocess.DEVNULL)
    try:
        wait_for("the other policy host", lambda: OTHER_HOST in run("ss", "-Hltn"))
        yield
    finally:
        process.kill()
        process.wait(10)
        run("ip", "address", "del", f"{OTHER_HOST}/32", "dev", "lo")


@test("a record with another id at every question costs three fetches and holds up no mail [STS-51 STS-52]")
def flapping(world: World) -> None:
    domain = "sts-ok.example"
    text = (world.lab / "dns" / f"{domain}.zone").read_text()
    before = fetches(world.lab, domain)
    with world.daemon("[delivery]\nreuse_messages = 1\n") as daemon:  # each one looks again
        for number in range(1, 8):
            with zone(world.lab, domain, record(text, f"flap{number}")):
                wait_for("the new id", lambda: f"flap{number}" in answers(world, f"_mta-sts.{domain}", "TXT"))
                queue_id = client.submit([f"user@{domain}"], client.message(f"flap {number}"))
                outcome = attempts(daemon, queue_id, 1)
                same("the outcome", outcome.words(), f"delivered to mx.{domain}, Verified (sts)")
                same("the policy", outcome.trace["sts"]["policy"], "fetched" if number <= 3 else "cached")
        same("the fetches", fetches(world.lab, domain) - before, 3)


@test("a policy that cannot be refreshed goes on, alerts the administrator and is seen in the status [STS-53 STS-54]")
def refresh_alert(world: World) -> None:
    domain = "sts-mismatch.example"
    settings = '[log]\nformat = "json"\n[mta_sts]\nrefresh_after = "1s"\nretry_after = "200ms"\n'
    with world.daemon(settings) as daemon:
        queue_id = client.submit([f"user@{domain}"], client.message("before the policy host goes away"))
        same("the first attempt", attempts(daemon, queue_id, 1).words(), "held, sts-mx-mismatch")
        before = fetches(world.lab, domain)
        wait_for("a refresh", lambda: fetches(world.lab, domain) > before)
        status = daemon.status()["mta_sts"]
        same("policies in the status", (status["cached"], status["enforced"]), (1, 1))
        same("failing in the status", status["refresh_failing"], 0)
        require("could not be refreshed" not in daemon.log_text(), "an alert without a cause")
        with unreachable(*POLICY_HOST):
            wait_for("the status", lambda: daemon.status()["mta_sts"]["refresh_failing"] == 1)
            alert = re.compile(rf"^.*the MTA-STS policy of {domain} \(mode enforce\) .*$", re.M)
            said = wait_for("the alert", lambda: alert.search(daemon.log_text()))
            for word in ('"level":"error"', "could not be refreshed since 20", "It ends 20", "Remedy: "):
                require(word in said[0], f"the alert does not say {word!r}: {said[0]}")
            daemon.text("queue", "retry", queue_id)
            same("the next attempt", attempts(daemon, queue_id, 2).words(), "held, sts-mx-mismatch")
        wait_for("the recovery", lambda: daemon.status()["mta_sts"]["refresh_failing"] == 0)


@test("before a bounce a new policy is looked for although its fetch failed a moment ago [STS-68 STS-75]")
def last_look(world: World) -> None:
    domain = "sts-mismatch.example"
    text = (world.lab / "dns" / f"{domain}.zone").read_text()
    better = f"version: STSv1\nmode: enforce\nmx: mx.{domain}\nmax_age: 86400\n"
    # Nothing is retried between the first attempt and the last one, which falls on the deadline.
    settings = (
        '[queue]\nmax_age = "18s"\nmax_age_null_sender = "18s"\n'
        'retry_first = "18s"\nretry_max = "18s"\nretry_jitter = 0.0\n'
        '[mta_sts]\nretry_after = "1h"\n'
    )
    first = record(policy_host(text, POLICY_HOST[0]), "first")
    with zone(world.lab, domain, first), world.daemon(settings) as daemon:
        wait_for("the first id", lambda: "first" in answers(world, f"_mta-sts.{domain}", "TXT"))
        queue_id = client.submit([f"user@{domain}"], client.message("saved at the last moment"))
        began = time.monotonic()
        same("the first attempt", attempts(daemon, queue_id, 1).words(), "held, sts-mx-mismatch")
        with zone(world.lab, domain, record(policy_host(text, OTHER_HOST), "better")):
            wait_for("the new id", lambda: "better" in answers(world, f"_mta-sts.{domain}", "TXT"))
            # Nobody listens on the new address yet: the fetch fails, and no other attempt may repeat it.
            daemon.text("queue", "retry", queue_id)
            outcome = attempts(daemon, queue_id, 2)
            same("the second attempt", outcome.words(), "held, sts-mx-mismatch")
            same("the failure", outcome.trace["sts"].get("failure"), "sts-policy-fetch-error")
            require(time.monotonic() - began < 7, "the lab is too slow for this test")
            with another_policy_host(world, domain, better):
                daemon.text("queue", "retry", queue_id)
                same("the third attempt", attempts(daemon, queue_id, 3).words(), "held, sts-mx-mismatch")
                require(time.monotonic() - began < 17, "the lab is too slow for this test")
                wait_for("the last attempt", lambda: len(daemon.traces(queue_id)) >= 4, 30)
                last = attempts(daemon, queue_id, 4)
                same("the last attempt", last.words(), f"delivered to mx.{domain}, Verified (sts)")
        world.wait_for_mail(f"user@{domain}", b"saved at the last moment")
