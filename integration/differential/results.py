"""RESULTS.md: the tables side by side, the reasons, and what each sender said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from difference import DEMANDED, OURS, PUBLISHED, Difference, Table
from explanations import VERDICTS, Explanation

TITLES = {
    PUBLISHED: (
        "DANE where it is published",
        "Sealpost by default; Postfix with `smtp_tls_security_level = dane`; Exim with `hosts_try_dane = *`.",
    ),
    DEMANDED: (
        "DANE demanded of every domain",
        'Sealpost with `[domain."*"] tls = "dane-only"`; Postfix with `dane-only`; Exim with `hosts_require_dane = *`.',
    ),
}
HEAD = """\
# One lab, three senders

Written by `integration/differential/run`; do not edit. Every scenario of `integration/lab` through Sealpost, Postfix and
Exim: the same signed DNS, receivers and messages, the first attempt of each. Postfix and Exim are Debian's, ask Debian's
unbound and know no MTA-STS. A result names the host that took the message and how the connection
to it is rated in Postfix's words ("Verified", "Trusted", "Untrusted", "in clear"; Exim's `CV=dane`, `CV=yes`, `CV=no`
are put into them), then the other hosts that were connected to; "unconnected" means that no host was. Connections,
copies and encryption are what the receivers saw, not what a sender says.
"""
RULE_MARK = "*"  # a scenario whose domain has a rule in Sealpost's configuration that the others have not


def render(
    versions: list[str], tables: list[Table], found: list[Difference], reasons: dict[Difference, Explanation]
) -> str:
    parts = [HEAD, f"Versions: {', '.join(versions)}.\n", counts(tables, found, reasons)]
    for table in tables:
        parts.append(render_table(table, [d for d in found if d.table == table.name], reasons))
    parts.append(render_reasons(found, reasons))
    parts += [render_words(table) for table in tables]
    return "\n".join(parts)


def counts(tables: list[Table], found: list[Difference], reasons: dict[Difference, Explanation]) -> str:
    lines = [
        "| | sender | same as Sealpost | delivers, Sealpost does not | does not, Sealpost delivers | other |",
        "|---|---|---|---|---|---|",
    ]
    for table in tables:
        for sender in (name for name in table.senders if name != OURS):
            here = [d for d in found if (d.table, d.sender) == (table.name, sender)]
            kinds = Counter(_direction(d) for d in here)
            numbers = [len(table.rows) - len(here), *(kinds[k] for k in ("delivers", "does not", "other"))]
            lines.append(f"| {TITLES[table.name][0]} | {sender} | {' | '.join(map(str, numbers))} |")
    verdicts = Counter(reasons[d].verdict for d in found if d in reasons)
    lines += ["", "Of the differences:", ""]
    lines += [f"- {verdicts[verdict]}: {meaning}" for verdict, meaning in VERDICTS.items()]
    return "\n".join(lines) + "\n"


def _direction(found: Difference) -> str:
    ours, theirs = (fate.outcome == "delivered" for fate in (found.ours, found.theirs))
    return "other" if ours == theirs else "delivers" if theirs else "does not"


def render_table(table: Table, found: list[Difference], reasons: dict[Difference, Explanation]) -> str:
    title, how = TITLES[table.name]
    lines = [f"## {title}", "", how, "", _line("", "scenario", *table.senders, "difference"), "|---" * 6 + "|"]
    for row in table.rows:
        here = {d.sender: d for d in found if d.number == row["number"]}
        cells = [
            table.senders[sender][row["number"]].words() if sender == OURS or sender in here else "same"
            for sender in table.senders
        ]
        mark = RULE_MARK if row["rule"] else ""
        notes = "; ".join(_note(d, reasons.get(d)) for d in here.values())
        lines.append(_line(f"{row['number']}{mark}", row["title"], *cells, notes))
    if any(row["rule"] for row in table.rows):
        lines += ["", f"{RULE_MARK} Sealpost has a rule for this domain that the others have not."]
        lines += ["Scenarios about other rules, which only Sealpost has, are left out."]
    return "\n".join(lines) + "\n"


def _note(found: Difference, reason: Explanation | None) -> str:
    why = f"{' '.join(reason.rows)}, note {reason.note}" if reason else "NOT EXPLAINED"
    return f"{found.sender} {found.kind()} ({why})"


def render_reasons(found: list[Difference], reasons: dict[Difference, Explanation]) -> str:
    lines = ["## Notes", "", _line("note", "where", "reason", "verdict", "rows"), "|---" * 5 + "|"]
    for reason in sorted(set(reasons.values()), key=lambda e: e.note):
        places: dict[str, list[int]] = {}
        for d in found:
            if reasons.get(d) is reason:
                places.setdefault(f"{d.sender}, {d.table}", []).append(d.number)
        where = "; ".join(f"{place}: {_numbers(numbers)}" for place, numbers in places.items())
        lines.append(_line(str(reason.note), where, reason.text, reason.verdict, " ".join(reason.rows)))
    return "\n".join(lines) + "\n"


def render_words(table: Table) -> str:
    """Why a message was not delivered, as each sender puts it."""
    lines = [f"## What they said: {TITLES[table.name][0]}", ""]
    for row in table.rows:
        said = [(name, fates[row["number"]]) for name, fates in table.senders.items()]
        said = [(name, fate) for name, fate in said if fate.outcome != "delivered"]
        if said:
            lines.append(f"- {row['number']} {row['title']}")
            lines += [f"  - {name}, {fate.outcome}: `{_one_line(fate.said)}`" for name, fate in said]
    return "\n".join(lines) + "\n"


def _numbers(numbers: Iterable[int]) -> str:
    return " ".join(str(n) for n in sorted(numbers))


def _one_line(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def _line(*cells: str) -> str:
    return "| " + " | ".join(_one_line(cell).replace("|", "\\|") for cell in cells) + " |"
