"""Sealpost in the lab: the unchanged daemon with the lab's configuration."""

from __future__ import annotations

import re

import client
from fate import Fate, Fates, Row
from harness import World
from outcome import Outcome
from settle import settled
from submission import message, recipient

RELAY = re.compile(r"[^\[]+\[([^\]]+)\]:\d+ ")
OUTCOMES = {"delivered": "delivered", "held": "deferred", "deferred": "deferred", "failed": "bounced"}
DANE_ONLY = '[domain."*"]\ntls = "dane-only"\n'


def fate(got: Outcome) -> Fate:
    if got.outcome != "delivered":
        return Fate(OUTCOMES[got.outcome], said=got.reason or got.trace["summary"])
    address = RELAY.match(got.trace["summary"])
    assert address, got.trace["summary"]
    return Fate("delivered", address[1], "in clear" if got.level == "none" else got.level, got.reason)


def send(world: World, rows: list[Row], user: str, dane_only: bool) -> Fates:
    with world.daemon(DANE_ONLY if dane_only else "") as daemon:
        with client.Client() as session:
            ids = {row["number"]: session.submit([recipient(user, row)], message(user, row)) for row in rows}
        outcomes = settled(daemon, ids)
        if late := [row["domain"] for row in rows if row["number"] not in outcomes]:
            raise RuntimeError(f"Sealpost made no attempt for {', '.join(late)}; its log: {daemon.log}")
    return {row["number"]: fate(outcomes[row["number"]]) for row in rows}
