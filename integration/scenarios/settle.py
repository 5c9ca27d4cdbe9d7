"""Sends the messages of the scenario table and waits until each had its first attempt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import client
from daemon import Daemon
from outcome import Outcome, Row, observe

PATIENCE = 60.0
NEAR_MIDNIGHT = 90.0
DAY = 86400.0


def table(lab: Path, last: int = 255) -> list[Row]:
    """The situations of the lab up to number `last`, without the domains that are only there for others."""
    rows = json.loads((lab / "scenarios.json").read_text())
    return [row for row in rows if row["number"] <= last and row["expect"]]


def avoid_midnight(say: Callable[[str], None]) -> None:
    """The counts of a report belong to one UTC day: do not begin shortly before its end."""
    left = DAY - time.time() % DAY
    if left < NEAR_MIDNIGHT:
        say(f"waiting {left:.0f} s for the next day (UTC) to begin")
        time.sleep(left + 1)


def send(rows: list[Row]) -> dict[int, str]:
    """The queue id of each number."""
    with client.Client() as session:
        return {
            row["number"]: session.submit(
                [recipient := f"user@{row['recipient']}"], client.message(row["title"], recipient)
            )
            for row in rows
        }


def settled(daemon: Daemon, ids: dict[int, str]) -> dict[int, Outcome]:
    """Those that had an attempt before patience ended; the others are missing."""
    found: dict[int, Outcome] = {}
    deadline = time.monotonic() + PATIENCE
    while len(found) < len(ids) and time.monotonic() < deadline:
        log = daemon.log_text()
        for number in ids.keys() - found.keys():
            # Asking costs a process each time: only those that the log knows are worth it.
            if f"{ids[number]}: to=<" in log and (outcome := observe(daemon, ids[number])):
                found[number] = outcome
        time.sleep(0.05)
    return found
