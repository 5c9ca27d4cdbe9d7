"""The administrator's queue commands against a running daemon: hold, release, retry, delete, bounce, list, shape."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import client
from daemon import Daemon
from harness import World, require, same, test, wait_for

DOMAIN = "plain.example"  # its server has no TLS: a rule that wants it makes mail wait
SILENT = "silent.example"  # its server never greets


@contextmanager
def waiting_mail(world: World, settings: str = "") -> Iterator[Daemon]:
    """A daemon that holds mail to DOMAIN until let_through()."""
    config = world.configuration(settings)
    (config.parent / "domains.d" / "wait.toml").write_text(f'[domain."{DOMAIN}"]\ntls = "encrypt"\n')
    with world.daemon(config=config) as daemon:
        yield daemon


def let_through(daemon: Daemon) -> None:
    (daemon.home / "domains.d" / "wait.toml").unlink()
    before = daemon.log_text().count("reloaded: ")
    assert daemon.process is not None
    os.kill(daemon.process.pid, signal.SIGHUP)
    wait_for("the rules are taken over", lambda: daemon.log_text().count("reloaded: ") > before)


def submit(subject: str, domain: str = DOMAIN, sender: str = client.SENDER) -> str:
    return client.submit([f"user@{domain}"], client.message(subject), sender=sender)


def row(daemon: Daemon, queue_id: str) -> dict[str, Any]:
    rows = daemon.queue(queue_id)
    same("the recipients of the message", len(rows), 1)
    return rows[0]


def tried(daemon: Daemon, queue_id: str, times: int = 1) -> None:
    wait_for(f"attempt {times}", lambda: row(daemon, queue_id)["attempts"] >= times)


def answer(daemon: Daemon, words: bytes, *arguments: str) -> int:
    """The exit code of a queue command that asks at a terminal."""
    ours, theirs = os.openpty()
    try:
        command = [daemon.binary, "-c", daemon.config, "queue", *arguments]
        with subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            os.write(ours, words)
            _, asked = process.communicate(timeout=30)
        require(b"(y/N)" in asked, f"nothing was asked, but: {asked!r}")
        return process.returncode
    finally:
        os.close(ours)
        os.close(theirs)


@test("mail on hold is not tried by a retry or after a restart and goes on when it is released")
def hold(world: World) -> None:
    with waiting_mail(world) as daemon:
        queue_id = submit("on hold")
        tried(daemon, queue_id)
        same("the policy that holds it", row(daemon, queue_id)["held"], "starttls-not-supported")
        same("hold", daemon.text("queue", "hold", queue_id), "1 recipient is put on hold\n")
        let_through(daemon)
        same("retry", daemon.text("queue", "retry", queue_id), "0 recipients are due now\n")
        time.sleep(1)
        same("the state", row(daemon, queue_id)["state"], "on-hold")
        same("the exit code after SIGTERM", daemon.stop(), 0)
        daemon.start()
        require("release" in daemon.text("queue", "show", queue_id), "show does not tell what to do")
        time.sleep(1)
        same("the state after a restart", row(daemon, queue_id)["state"], "on-hold")
        same("its attempts", row(daemon, queue_id)["attempts"], 1)
        same("release", daemon.text("queue", "release", queue_id), "1 recipient is released\n")
        daemon.text("queue", "retry", queue_id)
        wait_for("the delivery", lambda: f"{queue_id}: removed" in daemon.log_text())


@test("mail that is put on hold while it is sent keeps the hold when the attempt ends")
def hold_in_flight(world: World) -> None:
    with world.daemon('[delivery]\ngreeting_timeout = "2s"\n') as daemon:
        queue_id = submit("in flight", SILENT)
        wait_for("an attempt", lambda: row(daemon, queue_id).get("attempting"))
        daemon.text("queue", "hold", queue_id)
        same("the state at once", row(daemon, queue_id)["state"], "on-hold")
        same("left alone by a bounce", daemon.json("queue", "bounce", queue_id)["left_alone"], 1)
        tried(daemon, queue_id)
        ended = row(daemon, queue_id)
        same("the state after the attempt", (ended["state"], ended.get("attempting")), ("on-hold", None))
        same("delete", daemon.text("queue", "delete", queue_id), "1 recipient is deleted\n")
        same("the exit code of an unknown id", daemon.run("queue", "release", queue_id).returncode, 66)


@test("mail that waits in memory for a free connection is not tried any more once it is on hold")
def hold_in_memory(world: World) -> None:
    settings = '[delivery]\ngreeting_timeout = "3s"\nmax_connections = 1\nmax_connections_per_destination = 1\n'
    with world.daemon(settings) as daemon:
        first = submit("takes the only connection", SILENT)
        wait_for("an attempt", lambda: row(daemon, first).get("attempting"))
        queue_id = submit("waits in memory", SILENT)
        wait_for("a place in memory", lambda: row(daemon, queue_id)["state"] == "active")
        same("hold", daemon.text("queue", "hold", queue_id), "1 recipient is put on hold\n")
        tried(daemon, first)
        time.sleep(1)
        now = row(daemon, queue_id)
        same("what became of it", (now["state"], now["attempts"], now.get("attempting")), ("on-hold", 0, None))
        daemon.text("queue", "release", queue_id)
        tried(daemon, queue_id)


@test("the time in the queue that runs out while on hold ends the mail only after its release")
def expiry(world: World) -> None:
    short = '[queue]\nretry_first = "500ms"\nretry_max = "1s"\nmax_age = "4s"\nmax_age_null_sender = "4s"\n'
    sender = "expired@sender.example"
    with waiting_mail(world, short) as daemon:
        queue_id = submit("too late", sender=sender)
        tried(daemon, queue_id)
        daemon.text("queue", "hold", queue_id)
        time.sleep(5)
        same("the state", row(daemon, queue_id)["state"], "on-hold")
        same("mail to the sender", world.mail(sender), [])
        daemon.text("queue", "release", queue_id)
        require(b"ran out" in world.wait_for_mail(sender, queue_id.encode()), "the notice does not tell of its age")


@test("filters say what mail is meant and much of it is changed only when that was agreed to [DSN-03]")
def bulk(world: World) -> None:
    with waiting_mail(world) as daemon:
        ids = [submit(f"bulk {number}", sender=f"bulk{number % 2}@sender.example") for number in range(6)]
        for queue_id in ids:
            tried(daemon, queue_id)
        same("all", {entry["id"] for entry in daemon.queue()}, set(ids))
        same("by sender", len(daemon.queue("--from", "bulk0@*")), 3)
        same("by policy", len(daemon.queue("--policy", "starttls-*", "--state", "held")), 6)
        same("by reason", len(daemon.queue("--reason", "no such words")), 0)
        same("by age", len(daemon.queue("--age", ">1h", "--domain", DOMAIN)), 0)
        same("by ids", len(daemon.queue(ids[0], ids[1], "--to", "user@*")), 2)
        shape = daemon.json("queue", "shape")
        same("the shape", [(r["domain"], r["recipients"], r["ages"][0]) for r in shape["rows"]], [(DOMAIN, 6, 6)])
        same("by sender domain", daemon.json("queue", "shape", "--sender")["rows"][0]["domain"], "sender.example")

        refused = daemon.run("queue", "delete", "--from", "bulk0@*")
        same("the exit code without --yes", refused.returncode, 64)
        require("3 messages with 3 recipients of 1 domain" in refused.stderr, f"no count in: {refused.stderr}")
        dry = json.loads(daemon.text("queue", "delete", "--all", "--dry-run", "--json"))
        same("dry run", (dry["messages"], dry["recipients"], dry["domains"]), (6, 6, 1))
        same("nothing is changed", len(daemon.queue()), 6)
        same("the answer no", answer(daemon, b"n\n", "hold", "--all"), 64)
        same("on hold after no", len(daemon.queue("--state", "on-hold")), 0)
        same("the answer yes", answer(daemon, b"y\n", "hold", "--all"), 0)
        same("on hold after yes", len(daemon.queue("--state", "on-hold")), 6)
        same("delete", daemon.json("queue", "delete", "--from", "bulk0@*", "--yes")["messages_gone"], 3)
        same("left", {entry["sender"] for entry in daemon.queue()}, {"bulk1@sender.example"})
        bounced = daemon.json("queue", "bounce", "--domain", DOMAIN, "--text", "partner-closed", "--yes")
        same("bounce", (bounced["recipients"], bounced["notices"]), (3, 3))
        notice = world.wait_for_mail("bulk1@sender.example", b"partner-closed")
        require(b"Status: 5.0.0" in notice, "the notice has another status")
        wait_for("an empty queue", lambda: not daemon.queue())
        same("mail to who was deleted", world.mail("bulk0@sender.example"), [])


@test("a filter that cannot be meant and an unknown queue id are one clear line each")
def wrong(world: World) -> None:
    with world.daemon() as daemon:
        for arguments, code, word in (
            (("list", "--age", "soon"), 64, "--age: 'soon'"),
            (("hold", "--state", "sleepy"), 64, "--state: 'sleepy'"),
            (("delete",), 64, "give ids, filters"),
            (("bounce", "0000000000Z"), 66, "0000000000Z"),
            (("list", "0000000000Z"), 66, "0000000000Z"),
        ):
            done = daemon.run("queue", *arguments)
            same(f"the exit code of queue {' '.join(arguments)}", done.returncode, code)
            same("lines", (done.stdout, done.stderr.count("\n")), ("", 1))
            require(word in done.stderr, f"{word} is not in: {done.stderr}")
        require("TOTAL" in daemon.text("queue", "shape"), "an empty queue has no shape")
