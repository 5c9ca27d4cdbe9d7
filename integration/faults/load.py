"""Mail under load, and the account afterwards: what was acknowledged must be delivered or in the queue."""

from __future__ import annotations

import functools
import hashlib
import itertools
import random
import re
import smtplib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import client
from daemon import Daemon
from harness import Failed, World, require, wait_for

GOOD = ("dane-ok.example", "dane-rollover.example", "sts-ok.example", "plain.example", "dane-mx2.example")
HELD = ("dane-mismatch.example", "mx-bogus.example", "sts-mismatch.example", "dane-required.example")
HEAD = re.compile(rb"X-Token: (\S+)\r\nX-Digest: (\w+)\r\n\r\n")
DRAIN = 40.0


def tagged(token: str, octets: bytes = b"One line.") -> bytes:
    """A message that the receivers can tell from others, and from itself when it was altered."""
    body = octets.hex().encode()
    lines = b"".join(body[i : i + 76] + b"\r\n" for i in range(0, len(body), 76))
    head = f"Subject: load\r\nX-Token: {token}\r\nX-Digest: {hashlib.sha256(lines).hexdigest()}\r\n\r\n"
    return head.encode() + lines


@dataclass
class Load:
    """Submits from a thread of its own until stopped, whatever becomes of the daemon."""

    name: str
    pause: float = 0.01
    limit: int = 1000
    held: tuple[str, ...] = HELD
    good: tuple[str, ...] = GOOD
    largest: int = 120_000  # octets, about
    acknowledged: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)  # token: queue id, recipients
    refused: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._chance = random.Random(self.name)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(client.TIMEOUT)

    def _message(self, token: str) -> bytes:
        return tagged(token, self._chance.randbytes(min(self._chance.choice((40, 4000, 60000)), self.largest // 2)))

    def _recipients(self) -> tuple[str, ...]:
        """To one domain, or to a good and a held one: they settle apart."""
        domains = [self._chance.choice(self.good)]
        if self.held and self._chance.random() < 0.4:
            domains.append(self._chance.choice(self.held))
        return tuple(f"load@{domain}" for domain in domains)

    def _run(self) -> None:
        numbers = itertools.count(1)
        while not self._end.is_set():
            try:
                with client.Client() as session:
                    for number in itertools.islice(numbers, 50):
                        if self._end.is_set() or number > self.limit:
                            return
                        token, recipients = f"{self.name}-{number}", self._recipients()
                        try:
                            queue_id = session.submit(recipients, self._message(token))
                        except client.Refused as refused:
                            self.refused.append(str(refused))
                        else:
                            self.acknowledged[token] = (queue_id, recipients)
                        time.sleep(self.pause)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)  # the daemon is away


@functools.cache
def token_of(path: Path) -> str:
    """A message that was altered fails the test."""
    message = path.read_bytes()
    head = HEAD.search(message)
    require(head, f"{path} has no token")
    assert head
    require(hashlib.sha256(message[head.end() :]).hexdigest().encode() == head[2], f"{path} was altered")
    return head[1].decode()


def arrived(world: World, domain: str) -> Counter[str]:
    """How often each token reached the domain."""
    return Counter(token_of(path) for path in world.mail(f"load@{domain}"))


def drain(world: World, daemon: Daemon, load: Load) -> None:
    """Wait until everything for good domains has left the queue and, if nothing is lost, arrived."""

    def left() -> int:
        waiting = [entry for entry in daemon.queue() if entry["domain"] in GOOD]
        for domain in {entry["domain"] for entry in waiting if entry["state"] == "queued" and entry["attempts"]}:
            daemon.run("queue", "retry", "--yes", "--domain", domain)
        return len(waiting)

    wait_for("all good domains are served", lambda: left() == 0, DRAIN)
    # What the receivers took still has their own way to go.
    deadline = time.monotonic() + DRAIN
    while missing(world, load) and time.monotonic() < deadline:
        time.sleep(0.2)


def missing(world: World, load: Load) -> list[str]:
    """What was acknowledged for a good domain and has not arrived."""
    there = {domain: arrived(world, domain) for domain in GOOD}
    return [
        f"{queue_id} to {recipient}"
        for token, (queue_id, recipients) in load.acknowledged.items()
        for recipient in recipients
        if (domain := recipient.partition("@")[2]) in GOOD and not there[domain][token]
    ]


def account(world: World, daemon: Daemon, load: Load) -> int:
    """Call after `drain`. Returns how many copies arrived more than once; raises when anything was lost."""
    if lost := missing(world, load):
        raise Failed(f"{len(lost)} acknowledged messages are lost: {', '.join(lost[:5])}")
    waiting = {(entry["id"], entry["recipient"]) for entry in daemon.queue()}
    for queue_id, recipients in load.acknowledged.values():
        for recipient in recipients:
            if recipient.partition("@")[2] in HELD:
                require((queue_id, recipient) in waiting, f"{queue_id} to {recipient} is held no more")
    for domain in HELD:
        require(not arrived(world, domain), f"mail was delivered to {domain}, against its policy")
    log = daemon.log_text()
    copies = 0
    for domain in GOOD:
        for name, count in arrived(world, domain).items():
            if count > 1 and name in load.acknowledged:
                copies += count - 1
                queue_id = load.acknowledged[name][0]
                # The line is written after the commit. What was settled is never sent again.
                sent = re.findall(rf"{queue_id}: to=<load@{re.escape(domain)}>, .*status=sent", log)
                require(len(sent) <= 1, f"{queue_id} to {domain} was settled and sent again")
    return copies
