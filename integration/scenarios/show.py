"""What deploy/quickstart shows: the twelve situations, what Sealpost made of them, and the day's TLS reports.

usage: show.py BINARY KEEP   (inside the lab; KEEP is "yes" or "no")

Exit codes: 0 all as expected, 1 not, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from daemon import Daemon, DaemonError
from outcome import Outcome, Row, differences, expected, report_differences
from settle import avoid_midnight, send, settled, table

IN_FULL = ("dane-mx2.example", "sts-mismatch.example")
LINE = "{:>2}  {:<48}  {:<28}  {:<54}  {}"


def expectation(row: Row) -> str:
    wanted = expected(row)
    if wanted.outcome != "delivered":
        return wanted.words()
    return f"delivered, {'in clear' if wanted.level == 'none' else wanted.level}"


def show_table(rows: list[Row], outcomes: dict[int, Outcome], reports: dict[str, Any]) -> int:
    """How many are as expected."""
    good = 0
    print(LINE.format("", "situation", "expected", "got", ""))
    for row in rows:
        got = outcomes.get(row["number"])
        problems = differences(row, got) + report_differences(row, reports.get(row["recipient"]))
        good += not problems
        words = got.words() if got else "no attempt"
        print(LINE.format(row["number"], row["title"], expectation(row), words, "NO" if problems else "ok"))
        for problem in problems:
            print(f"    ! {problem}")
    return good


def policy_line(policy: dict[str, Any]) -> str:
    summary = policy["summary"]
    types = ", ".join(detail["result-type"] for detail in policy.get("failure-details", []))
    counts = f"{summary['total-successful-session-count']} ok, {summary['total-failure-session-count']} failed"
    return f"{policy['policy']['policy-type']}: {counts}{f' ({types})' if types else ''}"


def show_reports(daemon: Daemon, reports: dict[str, Any]) -> None:
    print("\nThe TLS reports of today (RFC 8460), two in full:\n")
    for domain in IN_FULL:
        print(daemon.text("report", "build", "--day", "today", "--domain", domain).rstrip())
    print("\nand the others in a line each:\n")
    for domain, report in sorted(reports.items()):
        if domain not in IN_FULL:
            print(f"  {domain:<24} {'; '.join(policy_line(policy) for policy in report['policies'])}")


def show_next(daemon: Daemon, lab: Path, ids: dict[int, str], keep: bool) -> None:
    inside = f"integration/lab/exec --dir {lab}"
    sealpost = f"{inside} {os.path.relpath(daemon.binary)} -c {daemon.config}"
    if not keep:
        print("\nWhat to try next: `deploy/quickstart --keep --no-install` lets it run and says how to look around.")
        return
    print(f"""
It runs on. What to try next:

  {sealpost} queue list
      what is held, and why
  {sealpost} trace {ids[4]}
      what was asked, decided and seen for one message, and who must act
  {sealpost} trace {ids[11]}
  {inside.replace("exec", "send")} --to user@dane-ok.example
      send one yourself; what arrives is in {lab}/mail
  {sealpost} status
  less {daemon.log}
      the log

To stop it and remove everything:

  integration/lab/down --dir {lab} --remove""")


def main() -> int:
    binary, keep = Path(sys.argv[1]), sys.argv[2] == "yes"
    lab = Path(os.environ["SEALPOST_LAB"])
    rows = table(lab, last=12)
    avoid_midnight(print)
    daemon = Daemon(binary, lab / "sealpost" / "sealpost.toml", lab / "log" / "sealpost.log").start()
    try:
        ids = send(rows)
        outcomes = settled(daemon, ids)
        reports = daemon.reports()
        print()
        good = show_table(rows, outcomes, reports)
        show_reports(daemon, reports)
        if good < len(rows):
            print(f"\nThe end of the log, {daemon.log}:\n\n{daemon.log_text()[-6000:]}")
        show_next(daemon, lab, ids, keep)
    finally:
        if not keep:
            daemon.stop()
    print(f"\n{good} of {len(rows)} as expected", flush=True)
    return 0 if good == len(rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (DaemonError, OSError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        sys.exit(1)
