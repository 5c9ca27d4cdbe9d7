"""The tests' own frame: what a test is, how it says what is wrong, and what it may use."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from daemon import Daemon, variant
from outcome import Row
from settle import table

T = TypeVar("T")


class Failed(Exception):
    """A test failed; the text says in words what is wrong."""


class Void(Exception):
    """A test could show nothing here; the text says what is missing. That is no failure, but told."""


@dataclass
class Test:
    """The title states the rule, with the conformance rows that it proves in brackets at the end."""

    title: str
    run: Callable[[World], None]


TESTS: list[Test] = []


def test(title: str) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def register(function: Callable[[World], None]) -> Callable[[World], None]:
        TESTS.append(Test(title, function))
        return function

    return register


def require(condition: object, text: str) -> None:
    if not condition:
        raise Failed(text)


def same(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise Failed(f"{what} is {got!r}, expected {wanted!r}")


def wait_for(what: str, probe: Callable[[], T | None], seconds: float = 20.0) -> T:
    """The first true value that `probe` gives."""
    deadline = time.monotonic() + seconds
    while True:
        if value := probe():
            return value
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def tree(directory: Path) -> dict[str, tuple[int, str]]:
    """Mode and digest of everything below `directory`, to see that nothing changed."""
    found = {}
    for path in sorted(directory.rglob("*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(directory))] = (path.lstat().st_mode, digest)
    return found


@dataclass
class World:
    """The running lab, and the binary that is tested."""

    lab: Path
    binary: Path
    logs: list[Path] = field(default_factory=list)  # of the test that runs, for when it fails
    known: dict[str, Any] = field(default_factory=dict)
    runs: int = 0

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What several tests look at is made by the first. When that fails, the others fail as well."""
        if name not in self.known:
            try:
                self.known[name] = make()
            except Exception as error:
                self.known[name] = error
        if isinstance(self.known[name], Exception):
            raise self.known[name]
        return self.known[name]

    def rows(self) -> list[Row]:
        return table(self.lab)

    def row(self, domain: str) -> Row:
        return next(row for row in self.rows() if row["domain"] == domain)

    def configuration(self, settings: str = "") -> Path:
        """A configuration with a state directory of its own; `settings` is TOML on top of the lab's."""
        self.runs += 1
        return variant(self.lab, f"{self.runs:02}", settings)

    @contextmanager
    def daemon(self, settings: str = "", config: Path | None = None) -> Iterator[Daemon]:
        """A daemon, already started. At the end it must stop in order, whatever the test did to it."""
        daemon = Daemon(self.binary, config or self.configuration(settings))
        self.logs.append(daemon.log)
        try:
            yield daemon.start()
            if daemon.process and daemon.process.poll() is None:
                same("the exit code after SIGTERM", daemon.stop(), 0)
        finally:
            daemon.kill()
            self.check_sanitizer(daemon)

    @staticmethod
    def check_sanitizer(daemon: Daemon) -> None:
        if report := daemon.sanitizer_report():
            raise Failed(f"a sanitizer found a bug:\n{report}")

    def mail(self, recipient: str) -> list[Path]:
        """What the receivers took for this recipient, oldest first."""
        return sorted((self.lab / "mail" / recipient).glob("[0-9]*.eml"))

    def wait_for_mail(self, recipient: str, holding: bytes, seconds: float = 20.0) -> bytes:
        """The first message for the recipient with these octets in it."""

        def find() -> bytes | None:
            return next((data for path in self.mail(recipient) if holding in (data := path.read_bytes())), None)

        return wait_for(f"mail for {recipient}", find, seconds)

    def events(self, address: str) -> list[dict[str, Any]]:
        """What the hostile server on this address saw."""
        log = self.lab / "log" / f"smtpd-{address}.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()]
