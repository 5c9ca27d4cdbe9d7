"""Large messages: they pass through the daemon without ever being in its memory whole."""

from __future__ import annotations

import random
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import client
from daemon import Daemon
from harness import World, require, same, test, wait_for
from intake import Raw
from preload import sanitizer

SIZE = 40 << 20
MAX_GROWTH = 32 << 20
PART = 8 << 20  # of a message that is never finished


def large(subject: str, size: int) -> bytes:
    """Lines of many lengths, some with a dot in front."""
    chance = random.Random(subject)
    lines = [b"." * (i % 3) + chance.randbytes(chance.randrange(1, 480)).hex().encode() + b"\r\n" for i in range(500)]
    head = f"From: {client.SENDER}\r\nSubject: {subject}\r\n\r\n".encode()
    body = b"".join(lines)
    return head + body * ((size - len(head)) // len(body) + 1)


def resident(daemon: Daemon) -> int:
    assert daemon.process
    text = Path(f"/proc/{daemon.process.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+) kB", text, re.M)[1]) << 10  # type: ignore[index]


def peak(daemon: Daemon) -> int:
    assert daemon.process
    text = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+) kB", text, re.M)[1]) << 10  # type: ignore[index]


def rows(daemon: Daemon, table: str) -> int:
    file = next(daemon.home.rglob("sealpost.db"))
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def begin(recipient: str, data: bytes) -> Raw:
    """A message without its end."""
    raw = Raw()
    raw.reply()
    for line in (b"EHLO [127.0.0.1]", b"MAIL FROM:<alice@sender.example>", f"RCPT TO:<{recipient}>".encode(), b"DATA"):
        require((reply := raw.command(line))[:1] in b"23", f"{line!r} was answered {reply!r}")
    raw.socket.sendall(data)
    return raw


def leave(raw: Raw) -> None:
    raw.file.close()
    raw.socket.close()


def nothing_left(daemon: Daemon) -> None:
    wait_for("the rows of the body are gone", lambda: rows(daemon, "body") == 0 and rows(daemon, "reception") == 0)


@test("a message of 40 MiB arrives octet for octet, and the daemon never holds it whole [SMTP-27 SMTP-30 SMTP-33]")
def passes_through(world: World) -> None:
    message = large("forty megabytes", SIZE)
    with world.daemon() as daemon:
        client.submit(["first@dane-ok.example"], client.message("small and first"))
        world.wait_for_mail("first@dane-ok.example", b"small and first")
        before = resident(daemon)
        client.submit(["large@dane-ok.example"], message)
        got = world.wait_for_mail("large@dane-ok.example", b"forty megabytes", 60)
        require(got.endswith(message), "what the receiver has is not what was sent")
        wait_for("an empty queue", lambda: daemon.queue() == [])
        nothing_left(daemon)
        growth = peak(daemon) - before
        print(f"       {before >> 20} MiB before, at most {growth >> 20} MiB more")
        # AddressSanitizer keeps what was freed, so that the figure says nothing there.
        require(growth < MAX_GROWTH or sanitizer(world), f"the daemon grew by {growth >> 20} MiB")


@test("of a message that never ends nothing is left, whether the client or the daemon goes away [SMTP-33]")
def left_in_the_middle(world: World) -> None:
    part = large("half a message", PART)
    config = world.configuration()
    with world.daemon(config=config) as daemon:
        raw = begin("half@plain.example", part)
        wait_for("rows of the body", lambda: rows(daemon, "body") > PART // (1 << 16) // 2)
        leave(raw)
        nothing_left(daemon)
        raw = begin("half@plain.example", part)
        wait_for("rows of the body", lambda: rows(daemon, "body") > PART // (1 << 16) // 2)
        daemon.kill()
        leave(raw)
        require(rows(daemon, "body") > 0, "nothing had been stored when the daemon was killed")
    with world.daemon(config=config) as daemon:
        nothing_left(daemon)
        client.submit(["half@plain.example"], client.message("after the half one"))
        world.wait_for_mail("half@plain.example", b"after the half one")
        same("what is in the queue", daemon.queue(), [])
        same("what the receiver took", len(world.mail("half@plain.example")), 1)


@test("a large message that breaks a rule at its end is refused and leaves nothing [SMTP-29 SMTP-31]")
def refused_at_the_end(world: World) -> None:
    part = large("bad at its end", PART)
    with world.daemon('[listener]\nmax_message_size = "16MiB"\n') as daemon:
        bare, long = b"bare\nline\r\n.\r\n", b"x" * 1200 + b"\r\n.\r\n"
        for end, code in ((bare, b"521"), (long, b"550"), (part + part + b".\r\n", b"552")):
            raw = begin("bad@plain.example", part)
            raw.socket.sendall(end)
            same("the reply code", raw.reply()[:3], code)
            leave(raw)
            nothing_left(daemon)
        same("what is in the queue", daemon.queue(), [])
