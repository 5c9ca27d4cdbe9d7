"""What became of one message, in words that are the same for every sender."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Row = dict[str, Any]  # one entry of the lab's scenarios.json


@dataclass(frozen=True)
class Fate:
    """After the first attempt. `level` is Postfix's word: "in clear", "Untrusted", "Trusted", "Verified"."""

    outcome: str  # "delivered", "deferred", "bounced"
    relay: str = ""  # the host that took it, or its address while nobody has looked it up
    level: str = ""
    said: str = ""  # the sender's own words; shown, never compared
    met: tuple[str, ...] = ()  # the hosts that saw a connection, in the table's order

    def seen(self, relay: str, met: tuple[str, ...]) -> Fate:
        return replace(self, relay=relay, met=met)

    def words(self) -> str:
        """What is compared: two senders differ when these words do."""
        others = ", ".join(host for host in self.met if host != self.relay)
        if self.outcome != "delivered":
            return f"{self.outcome} after {others}" if others else f"{self.outcome} unconnected"
        return f"delivered to {self.relay}, {self.level}{f', after {others}' if others else ''}"


Fates = dict[int, Fate]  # by number of the scenario
