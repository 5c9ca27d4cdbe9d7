"""Where another sender's result is not Sealpost's, and in which way."""

from __future__ import annotations

from dataclasses import dataclass

from fate import Fate, Fates, Row

OURS = "Sealpost"
PUBLISHED, DEMANDED = "published", "demanded"  # DANE where it is published, DANE demanded of every domain


@dataclass(frozen=True)
class Table:
    """All scenarios under one of the two."""

    name: str
    rows: list[Row]
    senders: dict[str, Fates]  # by name of the sender; Sealpost's own is the first


@dataclass(frozen=True, eq=False)
class Difference:
    table: str
    row: Row
    sender: str
    ours: Fate
    theirs: Fate

    @property
    def number(self) -> int:
        return self.row["number"]

    def place(self) -> str:
        return f"{self.number} {self.row['title']} ({self.table}), {self.sender}"

    def kind(self) -> str:
        """The other sender is the subject."""
        if self.ours.outcome != self.theirs.outcome:
            verbs = {"delivered": "delivers", "deferred": "defers", "bounced": "bounces"}
            return verbs[self.theirs.outcome]
        if self.ours.outcome == "delivered" and self.ours.relay != self.theirs.relay:
            return "other host"
        return "other level" if self.ours.level != self.theirs.level else "other connections"


def differences(tables: list[Table]) -> list[Difference]:
    return [
        Difference(table.name, row, sender, ours, theirs)
        for table in tables
        for row in table.rows
        for sender, fates in table.senders.items()
        if (ours := table.senders[OURS][row["number"]]).words() != (theirs := fates[row["number"]]).words()
    ]
