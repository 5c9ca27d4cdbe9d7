"""The reviewed reasons: explanations.toml against the differences that were found."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from difference import DEMANDED, PUBLISHED, Difference

TABLE = Path(__file__).with_name("explanations.toml")
ROWS = Path(__file__).resolve().parents[2] / "tests" / "conformance_rows.tsv"
SENDERS = ("Postfix", "Exim")
VERDICTS = {
    "both may": "the RFCs allow both",
    "theirs lacks it": "the other sender does not implement what decides",
    "theirs departs": "the other sender departs from an RFC",
    "ours departs": "Sealpost departs from an RFC",
}
KEYS = {
    "tables": list, "senders": list, "scenarios": list, "topic": str, "kind": str, "ours": str, "theirs": str,
    "verdict": str, "rows": list, "text": str,
}  # fmt: skip

OPTIONAL = {"tables", "scenarios", "topic", "kind"}


class ExplanationError(Exception):
    """explanations.toml is wrong; the text says where."""


@dataclass(frozen=True)
class Explanation:
    note: int  # its place in the file, from 1
    tables: tuple[str, ...]
    senders: tuple[str, ...]
    scenarios: tuple[int, ...]  # empty: every scenario
    topic: str  # only those that prove a row of it; "": any
    kind: str  # of difference; "": any
    ours: str
    theirs: str
    verdict: str
    rows: tuple[str, ...]
    text: str

    def covers(self, found: Difference) -> bool:
        return (
            found.table in self.tables
            and found.sender in self.senders
            and (not self.scenarios or found.number in self.scenarios)
            and (not self.topic or any(row.startswith(f"{self.topic}-") for row in found.row["rows"]))
            and self.kind in ("", found.kind())
            and fnmatchcase(found.ours.words(), self.ours)
            and fnmatchcase(found.theirs.words(), self.theirs)
        )

    def rank(self) -> int:
        """The more exactly it says where it holds, the higher."""
        return 2 if self.scenarios else 1 if self.topic else 0

    def place(self) -> str:
        return self.topic or "every scenario"


def known_rows() -> set[str]:
    return {line.split("\t")[0] for line in ROWS.read_text().splitlines() if line and not line.startswith("#")}


def load(path: Path = TABLE) -> list[Explanation]:
    known = known_rows()
    return [
        _explanation(note, entry, known)
        for note, entry in enumerate(tomllib.loads(path.read_text()).get("explanation", []), start=1)
    ]


def _explanation(note: int, entry: dict[str, Any], known: set[str]) -> Explanation:
    where = f"{TABLE.name}, explanation {note}"
    for key, value in entry.items():
        if not isinstance(value, KEYS.get(key, ())):
            raise ExplanationError(f"{where}: '{key}' is unknown or of the wrong type")
    if missing := KEYS.keys() - entry.keys() - OPTIONAL:
        raise ExplanationError(f"{where}: no '{min(missing)}'")
    made = Explanation(
        note, tuple(entry.get("tables", (PUBLISHED, DEMANDED))), tuple(entry["senders"]),
        tuple(entry.get("scenarios", ())), entry.get("topic", ""), entry.get("kind", ""), entry["ours"],
        entry["theirs"], entry["verdict"], tuple(entry["rows"]), entry["text"].strip(),
    )  # fmt: skip
    for got, allowed in (
        (made.tables, (PUBLISHED, DEMANDED)), (made.senders, SENDERS), ((made.verdict,), VERDICTS), (made.rows, known)
    ):  # fmt: skip
        if bad := [word for word in got if word not in allowed]:
            raise ExplanationError(f"{where}: '{bad[0]}' is not known")
    if not made.rows or not made.text:
        raise ExplanationError(f"{where}: names no row or gives no reason")
    return made


@dataclass(frozen=True)
class Judgement:
    reasons: dict[Difference, Explanation]
    problems: list[str]


def judge(found: list[Difference], explanations: list[Explanation]) -> Judgement:
    """The most exact reason holds; two of the same rank are a problem, and so is a place that needs none."""
    reasons: dict[Difference, Explanation] = {}
    problems = []
    bare: dict[tuple[str, ...], list[Difference]] = {}
    for difference in found:
        fitting = [e for e in explanations if e.covers(difference)]
        fitting = [e for e in fitting if e.rank() == max(e.rank() for e in fitting)]
        if len(fitting) > 1:
            notes = ", ".join(str(e.note) for e in fitting)
            problems.append(f"{difference.place()}: explanations {notes} all fit")
        if fitting:
            reasons[difference] = fitting[0]
        else:
            same = (difference.table, difference.sender, difference.ours.words(), difference.theirs.words())
            bare.setdefault(same, []).append(difference)
    problems += [f"no explanation for this:\n{stanza(alike)}" for alike in bare.values()]
    for explanation in explanations:
        used = [difference for difference, reason in reasons.items() if reason is explanation]
        for table in explanation.tables:
            for sender in explanation.senders:
                here = {d.number for d in used if (d.table, d.sender) == (table, sender)}
                stale = [n for n in explanation.scenarios if n not in here]
                if stale or not here:
                    what = f"scenarios {', '.join(map(str, stale))}" if stale else explanation.place()
                    problems.append(f"explanation {explanation.note} is stale for {sender} ({table}): {what}")
    return Judgement(reasons, problems)


def stanza(alike: list[Difference]) -> str:
    """To paste into explanations.toml and finish by hand."""
    first = alike[0]
    lines = [f"# {d.number} {d.row['title']}: {d.ours.said or '-'} / {d.theirs.said or '-'}" for d in alike]
    lines += [
        "[[explanation]]",
        f'tables = ["{first.table}"]',
        f'senders = ["{first.sender}"]',
        f"scenarios = {[d.number for d in alike]}",
        f"ours = {json.dumps(first.ours.words())}",
        f"theirs = {json.dumps(first.theirs.words())}",
        'verdict = ""',
        "rows = []",
        'text = ""',
    ]
    return "\n".join(f"    {line}" for line in lines)
