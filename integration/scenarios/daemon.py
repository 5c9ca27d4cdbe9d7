"""One Sealpost daemon in the lab: start it, ask it, stop it, kill it. Runs inside the lab (integration/lab/exec)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

START_TIMEOUT = 30.0
STOP_TIMEOUT = 20.0
COMMAND_TIMEOUT = 30.0
SEEN_TRACES: dict[str, dict[str, Any]] = {}  # of all daemons, for the test of their schema
NOT_LOOKED_AT = re.compile(
    r"[^\n]*runtime error: [^\n]*\n[^\n]*object has invalid vptr *\n *<memory cannot be printed> *\n"
)
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")


class DaemonError(Exception):
    """The daemon or its command line did not do what every test relies on."""


def variant(lab: Path, name: str, settings: str = "") -> Path:
    """The lab's configuration with a state directory of its own; `settings` is TOML that comes on top."""
    home = lab / "runs" / name
    (home / "conf.d").mkdir(parents=True)
    (home / "domains.d").mkdir()
    base = (lab / "sealpost" / "sealpost.toml").read_text().replace(f"{lab}/sealpost/", f"{home}/")
    (home / "sealpost.toml").write_text(base)
    (home / "conf.d" / "test.toml").write_text(settings)
    (home / "domains.d" / "lab.toml").write_text((lab / "sealpost" / "domains.d" / "lab.toml").read_text())
    return home / "sealpost.toml"


class Daemon:
    def __init__(self, binary: Path, config: Path, log: Path | None = None) -> None:
        self.binary, self.config = binary, config
        self.home = config.parent
        self.log = log or self.home / "sealpost.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str] | None = None, before: Sequence[str] = ()) -> Daemon:
        """Returns when it is ready to take mail. `environment` comes on top of ours; `before` runs the daemon."""
        with self.log.open("ab") as out:
            begin = out.tell()
            self.process = subprocess.Popen(
                [*before, self.binary, "serve", "-c", self.config],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/",
                env={**os.environ, **(environment or {})},
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT
        while "ready: " not in self.log_text(begin):
            if (code := self.process.poll()) is not None:
                raise DaemonError(f"sealpost serve ended with {code}: {self.log_text(begin).strip()[-500:]}")
            if time.monotonic() > deadline:
                self.kill()
                raise DaemonError(f"sealpost serve is not ready after {START_TIMEOUT:.0f} s")
            time.sleep(0.02)
        return self

    def signal(self, number: signal.Signals) -> None:
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def wait(self, seconds: float = STOP_TIMEOUT) -> int:
        assert self.process
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DaemonError(f"sealpost did not end within {seconds:.0f} s") from None

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait(STOP_TIMEOUT)

    def log_text(self, begin: int = 0) -> str:
        with self.log.open("rb") as file:
            file.seek(begin)
            return file.read().decode("utf-8", "replace")

    def sanitizer_report(self) -> str:
        """What AddressSanitizer or UBSan said, "" for nothing."""
        text = self.log_text()
        # UBSan looks at an object through a pipe; without a descriptor for it every object seems to be a bad one.
        if "Too many open files" in text:
            text = NOT_LOOKED_AT.sub("", text)
        found = SANITIZER.search(text)
        return text[found.start() : found.start() + 3000] if found else ""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command line, talking to this daemon."""
        return subprocess.run(
            [self.binary, "-c", self.config, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_TIMEOUT, check=False,
        )  # fmt: skip

    def text(self, *arguments: str) -> str:
        done = self.run(*arguments)
        if done.returncode:
            raise DaemonError(f"sealpost {' '.join(arguments)}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments, "--json"))

    def status(self) -> Any:
        return self.json("status")

    def queue(self, *filters: str) -> list[dict[str, Any]]:
        rows = self.text("queue", "list", "--limit", "100000", "--json", *filters)
        return [json.loads(row) for row in rows.splitlines()]

    def traces(self, queue_id: str) -> list[dict[str, Any]]:
        """The trace of each attempt so far, oldest first. None yet: an empty list."""
        done = self.run("trace", queue_id, "--json")
        if done.returncode == 66:
            return []
        if done.returncode:
            raise DaemonError(f"sealpost trace {queue_id}: exit code {done.returncode}: {done.stderr.strip()}")
        traces = [attempt["trace"] for attempt in json.loads(done.stdout)["attempts"]]
        SEEN_TRACES.update({json.dumps(trace): trace for trace in traces})
        return traces

    def explain(self, domain: str, *options: str) -> dict[str, Any]:
        trace = self.json("explain", domain, *options)
        SEEN_TRACES[json.dumps(trace)] = trace
        return trace

    def reports(self) -> dict[str, dict[str, Any]]:
        """Today's TLS reports by recipient domain."""
        reports = [json.loads(line) for line in self.text("report", "build", "--day", "today", "--json").splitlines()]
        return {report["report-id"].partition("@")[0].partition(".")[2]: report for report in reports}
