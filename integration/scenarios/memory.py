"""What Sealpost remembers: the MTA-STS policy over a restart, held mail until the receiver is mended."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import client
from daemon import Daemon
from harness import World, require, same, test, wait_for
from outcome import Outcome, observe

POLICY_HOST = ("192.0.2.43", "2001:db8::43")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=30, check=True).stdout


def reload_zones(lab: Path) -> None:
    """NSD's first process reads the zone files again on SIGHUP."""
    name = f"{lab}/dns/nsd-zones/nsd.conf"
    for entry in sorted((p for p in Path("/proc").iterdir() if p.name.isdigit()), key=lambda p: int(p.name)):
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if command[:1] == ["nsd"] and name in command:
            os.kill(int(entry.name), signal.SIGHUP)
            return
    raise RuntimeError("the name server of the zones does not run")


@contextmanager
def zone(lab: Path, domain: str, text: str) -> Iterator[None]:
    """Another zone file for as long as it takes."""
    path = lab / "dns" / f"{domain}.zone"
    before = path.read_text()
    try:
        path.write_text(text)
        reload_zones(lab)
        yield
    finally:
        path.write_text(before)
        reload_zones(lab)


@contextmanager
def unreachable(*addresses: str) -> Iterator[None]:
    routes = [("-6" if ":" in a else "-4", f"{a}/{128 if ':' in a else 32}") for a in addresses]
    added = []
    try:
        for family, route in routes:
            run("ip", family, "route", "add", "prohibit", route, "table", "local")
            added.append((family, route))
        yield
    finally:
        for family, route in added:
            run("ip", family, "route", "del", "prohibit", route, "table", "local")


def attempts(daemon: Daemon, queue_id: str, number: int) -> Outcome:
    """The outcome when so many attempts were made."""
    wait_for(f"attempt {number}", lambda: len(daemon.traces(queue_id)) >= number)
    outcome = observe(daemon, queue_id)
    assert outcome
    return outcome


def forget_dns(daemon: Daemon) -> None:
    """A new resolver has an empty cache; else an old record would be good for its TTL."""
    before = daemon.status()["resolver"]
    os.kill(before["pid"], signal.SIGKILL)

    def anew() -> bool:
        now = daemon.status()["resolver"]
        return now["running"] and now["restarts"] > before["restarts"]

    wait_for("a new resolver", anew)
    time.sleep(0.2)


def with_id(text: str, id: str) -> str:
    changed, count = re.subn(r'^(_mta-sts TXT "v=STSv1; id=)\w+;', rf"\g<1>{id};", text, flags=re.M)
    same("the number of _mta-sts records", count, 1)
    return changed


def without_record(text: str) -> str:
    changed = re.sub(r"^_mta-sts TXT .*\n", "", text, flags=re.M)
    require(changed != text, "the zone has no _mta-sts record")
    return changed


def answers(world: World, name: str, rrtype: str) -> str:
    """From the lab's server of the leaf zones."""
    return run("dig", "+short", "+norecurse", "@192.0.2.3", name, rrtype)


@test("a policy outlives a restart: with record and policy host gone the mail is still held [STS-07 STS-29 STS-50]")
def policy_survives(world: World) -> None:
    domain = "sts-mismatch.example"
    config = world.configuration()
    with world.daemon(config=config) as daemon:
        first = client.submit([f"user@{domain}"], client.message("before the restart"))
        same("the first attempt", attempts(daemon, first, 1).words(), "held, sts-mx-mismatch")
    text = (world.lab / "dns" / f"{domain}.zone").read_text()
    with zone(world.lab, domain, without_record(text)), unreachable(*POLICY_HOST):
        wait_for("the record is gone", lambda: not answers(world, f"_mta-sts.{domain}", "TXT"))
        with world.daemon(config=config) as daemon:
            daemon.text("queue", "retry", first)
            second = client.submit([f"user@{domain}"], client.message("after the restart"))
            for queue_id, number in ((first, 2), (second, 1)):
                outcome = attempts(daemon, queue_id, number)
                same("the outcome", outcome.words(), "held, sts-mx-mismatch")
                same("the policy", outcome.trace["sts"]["policy"], "cached")
                same("the record", outcome.trace["sts"]["record"], "none")


@test("when the id changes and the fetch fails the cached policy stays in force [STS-29 STS-52 RPT-73]")
def failing_change(world: World) -> None:
    domain = "sts-mismatch.example"
    with world.daemon() as daemon:
        first = client.submit([f"user@{domain}"], client.message("under the first id"))
        same("the first attempt", attempts(daemon, first, 1).words(), "held, sts-mx-mismatch")
        text = with_id((world.lab / "dns" / f"{domain}.zone").read_text(), "20260202T000000")
        with zone(world.lab, domain, text), unreachable(*POLICY_HOST):
            wait_for("the new id", lambda: "20260202" in answers(world, f"_mta-sts.{domain}", "TXT"))
            forget_dns(daemon)
            second = client.submit([f"user@{domain}"], client.message("under an id without a policy"))
            outcome = attempts(daemon, second, 1)
        same("the outcome", outcome.words(), "held, sts-mx-mismatch")
        same("the record", outcome.trace["sts"]["record"], "found")
        same("the policy", outcome.trace["sts"]["policy"], "cached")
        same("the id of the policy", outcome.trace["sts"]["id"], "20260101T000000")
        same("what is reported", outcome.trace["sts"]["failure"], "sts-policy-fetch-error")
        daemon.stop()
    mx = world.row(domain)["hosts"]["mx"]["addresses"][0]
    same("what the host that is not listed saw", world.events(mx), [])


@test("when the id changes a policy of mode none ends the enforcement at once for mail that waits too [STS-52 STS-55 STS-75]")
def policy_withdrawn(world: World) -> None:
    domain, host = "sts-cn.example", "mx.sts-cn.example"
    override = world.lab / "policies" / f"mta-sts.{domain}"
    override.parent.mkdir(exist_ok=True)
    with world.daemon() as daemon:
        queue_id = client.submit([f"waits@{domain}"], client.message("waits for another policy"))
        same("the first attempt", attempts(daemon, queue_id, 1).words(), "held, certificate-host-mismatch")
        text = with_id((world.lab / "dns" / f"{domain}.zone").read_text(), "20260202T000000")
        override.write_bytes(b"version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n")
        try:
            with zone(world.lab, domain, text):
                wait_for("the new id", lambda: "20260202" in answers(world, f"_mta-sts.{domain}", "TXT"))
                forget_dns(daemon)
                daemon.text("queue", "retry", queue_id)
                outcome = attempts(daemon, queue_id, 2)
        finally:
            override.unlink()
        same("the outcome", outcome.words(), f"delivered to {host}, Untrusted (opportunistic)")
        same("the mode", outcome.trace["sts"]["mode"], "none")
        world.wait_for_mail(f"waits@{domain}", b"waits for another policy")


def mended(lab: Path, domain: str, host: str) -> str:
    """The signed zone with the TLSA record of the key that the host serves, and its signatures made anew."""
    dns, text = lab / "dns", (lab / "dns" / f"{domain}.zone").read_text()
    key = run("openssl", "x509", "-in", lab / "certs" / f"{host}.pem", "-noout", "-pubkey")
    base64 = "".join(line for line in key.splitlines() if not line.startswith("-----"))
    digest = hashlib.sha256(b64decode(base64)).hexdigest()
    plain = "".join(line + "\n" for line in text.splitlines() if not re.search(r"\sIN\s+(RRSIG|NSEC|DNSKEY)\s", line))
    plain, count = re.subn(r"(\sIN\s+TLSA\s+3 1 1 )[0-9a-f]+", rf"\g<1>{digest}", plain)
    require(count == 1, "the zone has not one TLSA record")
    made = lab / "dns" / f"mended.{domain}.zone"
    made.write_text(plain)
    keys = next(dns.glob(f"K{domain}.+*.private"))
    run("ldns-signzone", "-o", f"{domain}.", "-f", made.name, made.name, keys.stem, cwd=dns)
    return made.read_text()


@test("held mail goes out authenticated when the receiver has mended its records and it is retried [DANE-32 DANE-75]")
def repaired(world: World) -> None:
    domain, host = "dane-mismatch.example", "mx.dane-mismatch.example"
    with world.daemon() as daemon:
        queue_id = client.submit([f"mended@{domain}"], client.message("waits for the repair"))
        same("the first attempt", attempts(daemon, queue_id, 1).words(), "held, validation-failure")
        old = answers(world, f"_25._tcp.{host}", "TLSA")
        with zone(world.lab, domain, mended(world.lab, domain, host)):
            wait_for("the new record", lambda: answers(world, f"_25._tcp.{host}", "TLSA") not in ("", old))
            forget_dns(daemon)
            daemon.text("queue", "retry", queue_id)
            same("the second attempt", attempts(daemon, queue_id, 2).words(), f"delivered to {host}, Verified (dane)")
        world.wait_for_mail(f"mended@{domain}", b"waits for the repair")
        same("what is left in the queue", daemon.queue(), [])
