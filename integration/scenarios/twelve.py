"""Every situation of the scenario table: outcome, trace, log line, report, and what the receiver saw."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness import TESTS, Failed, Test, World, require, same, wait_for
from outcome import Outcome, Row, differences, full_name, report_differences
from settle import avoid_midnight, send, settled

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))
from scenarios import read_tables  # noqa: E402

OWN_FAILURES = ("sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid")  # of the policy host
LOGGED = re.compile(r": (\w+): to=<([^>]*)>, relay=([^,]*), .* status=(\w+) \(([^)]*)\) tls=(\w+)")
STATUS = {"delivered": "sent", "held": "deferred", "deferred": "deferred", "failed": "bounced"}
ENVELOPE = ("MAIL", "RCPT", "DATA", "BDAT", "AUTH")


@dataclass
class Seen:
    """One message of each scenario through one daemon with an empty queue."""

    log: Path
    ids: dict[int, str]
    outcomes: dict[int, Outcome]
    reports: dict[str, Any]
    waiting: dict[str, dict[str, Any]]  # by queue id
    lines: dict[str, tuple[str, ...]]  # of the log, by queue id: recipient, relay, status, text, tls
    explained: dict[int, dict[str, Any]]  # by the same daemon, afterwards


def see(world: World) -> Seen:
    avoid_midnight(lambda text: print(f"({text})", flush=True))
    with world.daemon() as daemon:
        ids = send(world.rows())
        outcomes = settled(daemon, ids)
        lines = {found[1]: found.groups()[1:] for found in LOGGED.finditer(daemon.log_text())}
        waiting = {entry["id"]: entry for entry in daemon.queue()}
        reports = daemon.reports()
        # Before the receivers are looked at, so that an explanation that dials is seen there as well; several at once,
        # because what is held is tried again after two minutes.
        domains = {row["number"]: row["recipient"] for row in world.rows() if row["number"] in ids}
        with ThreadPoolExecutor(8) as pool:
            explained = dict(zip(domains, pool.map(daemon.explain, domains.values())))
        return Seen(daemon.log, ids, outcomes, reports, waiting, lines, explained)


def check_log(row: Row, got: Outcome, line: tuple[str, ...]) -> None:
    recipient, relay, status, text, tls = line
    same("the recipient in the log", recipient, f"user@{row['recipient']}")
    same("status= in the log", status, STATUS[got.outcome])
    same("tls= in the log", tls, got.level or "none")
    if got.outcome == "delivered":
        require(relay.startswith(f"{got.relay}["), f"relay= in the log is {relay}, expected {got.relay}")
    if got.outcome == "held":
        require(text.startswith(f"held by policy, {got.reason}: "), f"the log does not name {got.reason}: {text}")


def check_queue(got: Outcome, entry: dict[str, Any] | None) -> None:
    if got.outcome in ("delivered", "failed"):
        return same("what is left in the queue", entry, None)
    require(entry, "the message is not in the queue any more")
    same("the state in the queue", entry["state"], "queued")
    same("held in the queue", entry.get("held", ""), got.reason)
    same("the class of the status", entry["status"][0], "4")
    if got.outcome == "held":
        same("the status", entry["status"], "4.7.5")
        require(got.trace.get("remedy") and got.trace.get("side"), "the trace names no remedy or no side")


def check_receivers(world: World, row: Row, got: Outcome) -> None:
    """Where the policy was not met, no envelope command was sent; and no connection where the table says so."""
    wanted = row["expect"]
    untouched = wanted.get("untouched", [])
    takes = full_name(row, wanted.get("server") or wanted.get("relay") or "")
    for host in row["hosts"].values():
        if host["server"] != "smtpd":
            continue
        events = [event for address in host["addresses"] for event in world.events(address)]
        if host["name"] in untouched:
            same(f"what {host['fqdn']} saw", events, [])
        # Only there, and in clear only where the table says so, may an envelope be seen.
        met = got.outcome == "delivered" and host["fqdn"] == takes
        sni = full_name(row, wanted["sni"]) if "sni" in wanted else host["fqdn"]
        hops = [hop["decision"] for hop in got.trace["hops"] if hop["host"] == host["fqdn"]]
        forced = any(decision.get("tls_required") for decision in hops)
        for event in events:
            said = f"{host['fqdn']} was sent '{event['text']}' (encrypted: {event['tls']})"
            if event["event"] == "command" and event["text"].upper().startswith(ENVELOPE):
                require(met and event["tls"] == (got.level != "none"), said)
            if event["event"] == "command" and event["text"].upper().startswith("HELO"):
                require(not forced, said)  # it would give up STARTTLS [TLS-02]
            if event["event"] == "tls" and "sni=" in event["text"]:
                require(event["text"].endswith(f"sni={sni}"), f"the SNI is not {sni}: {event['text']}")
    recipient = f"user@{row['recipient']}"
    if got.outcome == "delivered":
        wait_for(f"mail for {recipient}", lambda: world.mail(recipient))
    same("how many messages arrived", len(world.mail(recipient)), int(got.outcome == "delivered"))


def check_report_details(got: Outcome, report: dict[str, Any] | None) -> None:
    """What no session was made for has no addresses (RFC 8460 section 4.4: members that do not apply are left out)."""
    met = {hop["host"] for hop in got.trace["hops"] if hop["sessions"]}
    for policy in (report or {"policies": []})["policies"]:
        for detail in policy.get("failure-details", []):
            of_session = detail.get("receiving-mx-hostname") in met and detail["result-type"] not in OWN_FAILURES
            for member in ("receiving-ip", "sending-mta-ip"):
                same(f"{member} is reported", member in detail, of_session)


def check(number: int, world: World) -> None:
    seen: Seen = world.once("scenarios", lambda: see(world))
    world.logs[:] = [seen.log]
    row = next((row for row in world.rows() if row["number"] == number), None)
    if row is None:
        return print(f"({number} needs IPv6, which this kernel has not)", flush=True)
    got, report = seen.outcomes.get(number), seen.reports.get(row["recipient"])
    if problems := differences(row, got) + report_differences(row, report):
        raise Failed("; ".join(problems))
    assert got
    queue_id = seen.ids[number]
    require(queue_id in seen.lines, "the log has no line of this message")
    check_log(row, got, seen.lines[queue_id])
    check_queue(got, seen.waiting.get(queue_id))
    check_receivers(world, row, got)
    check_report_details(got, report)


def register() -> None:
    rows = [row for row in read_tables() if "expect" in row]
    for row in sorted(rows, key=lambda row: row["number"]):
        proven = " ".join(row.get("rows", []))
        title = f"{row['number']} {row['title']}" + (f" [{proven}]" if proven else "")
        TESTS.append(Test(title, partial(check, row["number"])))


register()
