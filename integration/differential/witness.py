"""What the receivers saw: no sender is believed about where it connected and what it encrypted."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fate import Fate, Fates, Row
from submission import recipient

CONNECTED = re.compile(r" postfix/([a-z0-9.-]+)/smtpd\[\d+\]: connect from ")
RCPT = re.compile(r"RCPT TO:<([^>]*)>", re.I)
QUIET = 1.0  # seconds without a new line in any log
LONGEST = 30.0


class Disagreement(Exception):
    """A sender says other than the receivers saw."""


@dataclass(frozen=True)
class Receiver:
    name: str  # as the table calls it; the whole name when it belongs to another scenario
    fqdn: str
    server: str
    addresses: tuple[str, ...]


def receivers(row: Row, table: list[Row]) -> list[Receiver]:
    """Those of the scenario, and those of a domain without a result of its own that the scenario's zone names."""
    helpers = [other for other in table if not other["expect"] and other["domain"] in row["zone"]]
    named = [(host["name"], host) for host in row["hosts"].values()]
    named += [(host["fqdn"], host) for other in helpers for host in other["hosts"].values()]
    return [Receiver(name, host["fqdn"], host["server"], tuple(host["addresses"])) for name, host in named]


def waves(rows: list[Row], table: list[Row]) -> list[list[Row]]:
    """The scenarios in so many groups that none shares a host with another of its group."""
    groups: list[tuple[set[str], list[Row]]] = []
    for row in rows:
        hosts = {host.fqdn for host in receivers(row, table)}
        taken, group = next((g for g in groups if not g[0] & hosts), (set(), []))
        if not group:
            groups.append((taken, group))
        taken |= hosts
        group.append(row)
    return [group for _, group in groups]


class Witness:
    """Of one wave through one sender: from the moment it is made to `fates`."""

    def __init__(self, lab: Path, table: list[Row], user: str) -> None:
        """`table`: every entry of scenarios.json."""
        self.lab, self.table, self.user = lab, table, user
        self.log = lab / "log" / "postfix.log"
        self.begun = {path: path.stat().st_size for path in self._logs()}

    def _logs(self) -> list[Path]:
        return [path for path in (self.log, *(self.lab / "log").glob("smtpd-*.jsonl")) if path.exists()]

    def _new_lines(self, path: Path) -> list[str]:
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self.begun.get(path, 0))
            return file.read().decode("utf-8", "replace").splitlines()

    def _copies(self, row: Row) -> list[Path]:
        return sorted((self.lab / "mail" / recipient(self.user, row)).glob("[0-9]*.eml"))

    def _wait(self, delivered: list[Row]) -> None:
        """Until what is on its way has arrived: a copy of each delivered message, and every line of a log."""
        deadline, sizes = time.monotonic() + LONGEST, None
        while time.monotonic() < deadline and not all(self._copies(row) for row in delivered):
            time.sleep(0.1)
        while (now := [path.stat().st_size for path in self._logs()]) != sizes and time.monotonic() < deadline:
            sizes = now
            time.sleep(QUIET)

    def fates(self, claimed: Fates) -> Fates:
        """The claims, with the hosts that were met. Raises Disagreement."""
        rows = [row for row in self.table if row["number"] in claimed]
        self._wait([row for row in rows if claimed[row["number"]].outcome == "delivered"])
        connected = {found[1] for line in self._new_lines(self.log) if (found := CONNECTED.search(line))}

        @cache
        def events(address: str) -> list[dict[str, Any]]:
            return [json.loads(line) for line in self._new_lines(self.lab / "log" / f"smtpd-{address}.jsonl")]

        problems, fates = [], {}
        for row in rows:
            claim = claimed[row["number"]]
            hosts = receivers(row, self.table)
            met = [h for h in hosts if h.fqdn in connected or any(events(address) for address in h.addresses)]
            relay = next((h for h in hosts if claim.relay in h.addresses), None)
            channels = Counter(
                encrypted for h in hosts for a in h.addresses for encrypted in self._transfers(row, events(a))
            )
            if problem := self._contradiction(row, claim, relay, met, channels):
                problems.append(f"{row['number']} {row['domain']}: {claim.words()}, but {problem}")
            fates[row["number"]] = claim.seen(relay.name if relay else "", tuple(host.name for host in met))
        if problems:
            raise Disagreement("\n  ".join([f"{self.user} says other than the receivers saw:", *problems]))
        return fates

    def _transfers(self, row: Row, events: list[dict[str, Any]]) -> list[bool]:
        """Of each time that our own server got the message: whether the channel was encrypted."""
        wanted = recipient(self.user, row).lower()
        found, ours = [], set()
        for event in events:
            if event["event"] == "command" and (rcpt := RCPT.match(event["text"])) and rcpt[1].lower() == wanted:
                ours.add(event["session"])
            elif event["event"] == "data" and event["session"] in ours:
                found.append(event["tls"])
                ours.discard(event["session"])
        return found

    def _contradiction(
        self, row: Row, claim: Fate, relay: Receiver | None, met: list[Receiver], channels: Counter[bool]
    ) -> str:
        copies = self._copies(row)
        if claim.outcome != "delivered":
            return f"{len(copies)} copies arrived" if copies else ""
        if relay is None:
            return "that is no host of this scenario"
        if relay not in met:
            return "it saw no connection"
        if len(copies) != 1:
            return f"{len(copies)} copies arrived"
        if relay.server == "postfix":
            channels = Counter([b"(using TLSv1" in last_received(copies[0].read_bytes())])
        if channels != Counter([claim.level != "in clear"]):
            return f"the message came {channels[True]} times encrypted, {channels[False]} times in clear"
        return ""


def last_received(message: bytes) -> bytes:
    """The Received field of the last host: the topmost."""
    found = re.search(rb"(?im)^Received:.*(?:\r?\n[ \t].*)*", message)
    return found[0] if found else b""
