"""What became of a message of the scenario table, and how that differs from what the table expects."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from daemon import Daemon

Row = dict[str, Any]  # one entry of the lab's scenarios.json
DELIVERED = re.compile(r"([^\[]+)\[[^\]]+\]:\d+ tls=(\w+)")


@dataclass(frozen=True)
class Outcome:
    """Of the last attempt. `reason`: why it is held, or the policy it was sent under."""

    outcome: str
    relay: str = ""
    level: str = ""
    reason: str = ""
    trace: dict[str, Any] = field(default_factory=dict)

    def words(self) -> str:
        if self.outcome == "delivered":
            level = "in clear" if self.level == "none" else self.level
            return f"delivered to {self.relay}, {level} ({self.reason})"
        return f"{self.outcome}, {self.reason}" if self.reason else self.outcome


def observe(daemon: Daemon, queue_id: str) -> Outcome | None:
    """None: no attempt has been made yet."""
    traces = daemon.traces(queue_id)
    if not traces:
        return None
    trace = traces[-1]
    if trace["outcome"] == "delivered":
        # In words, because a trace tells of the first twenty hosts only.
        relay, level = DELIVERED.match(trace["summary"]).groups()
        hop = next((hop for hop in trace["hops"] if hop["host"] == relay), {"decision": {"reason": ""}})
        return Outcome("delivered", relay, level, hop["decision"]["reason"], trace)
    held = ""
    if trace["outcome"] == "held":
        held = daemon.json("queue", "show", queue_id)["recipients"][0].get("held", "")
    return Outcome(trace["outcome"], reason=held, trace=trace)


def full_name(row: Row, name: str) -> str:
    """A name of the table; one that ends in a dot is whole already."""
    if name.endswith("."):
        return name[:-1]
    return row["domain"] if name == "@" else f"{name}.{row['domain']}"


def expected(row: Row) -> Outcome:
    wanted = row["expect"]
    relay = full_name(row, wanted["relay"]) if wanted.get("relay") else ""
    return Outcome(wanted["outcome"], relay, wanted.get("level", ""), wanted.get("reason", ""))


def differences(row: Row, got: Outcome | None) -> list[str]:
    """In words; empty when all is as the table says."""
    if got is None:
        return ["no attempt was made"]
    wanted = expected(row)
    found = [
        f"{name} is '{getattr(got, name)}', expected '{getattr(wanted, name)}'"
        for name in ("outcome", "relay", "level", "reason")
        if getattr(got, name) != getattr(wanted, name)
    ]
    if (mx := got.trace.get("mx_lookup", {"dnssec": "none"})["dnssec"]) != row["expect"]["mx"]:
        found.append(f"the MX answer is {mx}, expected {row['expect']['mx']}")
    hops_wanted = [one for hop in row["expect"]["hops"] for one in _hops_wanted(row, hop)]
    hops = [_hop(hop) for hop in got.trace["hops"]]
    for hop, wanted_hop in zip(hops, hops_wanted):
        for detail in ("sni", "names"):  # only where the table names them
            if detail not in wanted_hop:
                hop.pop(detail, None)
    if hops != hops_wanted:
        found.append(f"hops are {hops}, expected {hops_wanted}")
    return found


def _hop(hop: dict[str, Any]) -> dict[str, Any]:
    """A hop of the trace in the words of the table."""
    decision = hop["decision"]
    words = {"host": hop["host"], "decision": decision["reason"], "sni": decision.get("sni", "")}
    words["names"] = decision.get("dane", {}).get("reference_names", [])
    if tlsa := [lookup["dnssec"] for lookup in hop["lookups"] if lookup["type"] == "TLSA"]:
        words["tlsa"] = " ".join(tlsa)
    if sessions := [session.get("tls", {}).get("stage", "none") for session in hop["sessions"]]:
        words["tls"] = " ".join(sessions)
    return words


def _hops_wanted(row: Row, hop: dict[str, Any]) -> list[dict[str, Any]]:
    """An entry of the table is one hop, or with `numbers` one for each of them."""
    names = [hop["host"]]
    if "numbers" in hop:
        first, last = hop["numbers"]
        names = [hop["host"].format(number) for number in range(first, last + 1)]
    words = {key: value for key, value in hop.items() if key != "numbers"}
    if "sni" in hop:
        words["sni"] = full_name(row, hop["sni"])
    if "names" in hop:
        words["names"] = [full_name(row, name) for name in hop["names"]]
    return [words | {"host": full_name(row, name)} for name in names]


def report_differences(row: Row, report: dict[str, Any] | None) -> list[str]:
    """The day's report of the scenario's domain, which got one message, against the table."""
    wanted = sorted(_policy_wanted(row, entry) for entry in row["expect"]["tlsrpt"])
    got = sorted(_policy(policy) for policy in (report or {"policies": []})["policies"])
    return [] if got == wanted else [f"the report says {got}, expected {wanted}"]


def _policy(policy: dict[str, Any]) -> tuple[Any, ...]:
    details = policy.get("failure-details", [])
    return (
        policy["policy"]["policy-type"],
        policy["policy"]["policy-domain"],
        policy["summary"]["total-successful-session-count"],
        policy["summary"]["total-failure-session-count"],
        tuple(sorted((d["result-type"], d["failed-session-count"]) for d in details)),
    )


def _policy_wanted(row: Row, entry: dict[str, Any]) -> tuple[Any, ...]:
    """A TLSA policy belongs to a host, unless the MX answer itself failed; every other to the domain."""
    domain = row["recipient"]
    if entry["policy"] == "tlsa" and row["expect"]["hops"]:
        domain = full_name(row, entry.get("host") or next(iter(row["hosts"])))
    types = tuple((name, 1) for name in sorted(entry.get("types", [])))
    return entry["policy"], domain, entry.get("success", 0), entry.get("failure", 0), types
