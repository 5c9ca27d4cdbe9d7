"""Debian's Postfix as the sender. It shares programs and users with the lab's receiving Postfix, and no file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import client
import receivers
from fate import Fate, Fates, Row
from submission import message, recipient

MASTER = "/usr/lib/postfix/sbin/master"
LISTEN = ("127.0.0.1", 2526)
START_TIMEOUT = 20.0
PATIENCE = 60.0
STOP_TIMEOUT = 20.0

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {home}/spool/queue
data_directory = {home}/spool/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = {home}/etc
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
syslog_name = sender
myhostname = sealpost.example
mydestination =
alias_maps =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
inet_interfaces = loopback-only
proxy_interfaces = {addresses}
inet_protocols = {protocols}
smtp_dns_support_level = dnssec
smtp_tls_security_level = {level}
smtp_tls_CAfile = {lab}/ca.pem
smtp_tls_loglevel = 1
smtp_connection_cache_on_demand = no
smtp_connect_timeout = 5s
smtp_helo_timeout = 5s
smtp_starttls_timeout = 5s
smtp_mail_timeout = 10s
smtp_rcpt_timeout = 10s
smtp_data_init_timeout = 10s
smtp_data_xfer_timeout = 10s
smtp_data_done_timeout = 20s
smtp_quit_timeout = 5s
biff = no
"""

MASTER_CF = (
    f"{LISTEN[0]}:{LISTEN[1]} inet n - n - - smtpd\n"
    + receivers.MASTER_CF
    + """\
smtp      unix  -  -  n  -    -  smtp
"""
)

TLS = re.compile(r" sender/smtp\[(\d+)\]: (\w+) TLS connection established to ")
SENT = re.compile(
    r" sender/\w+\[(\d+)\]: (\w+): to=<([^>]*)>, (?:orig_to=<[^>]*>, )?relay=([^,]*), .*?"
    r"dsn=([0-9.]+), status=(\w+) \((.*)\)$"
)
NOT_TRIED = ("unknown mail transport error", "mail transport unavailable")  # the process died with another message
OUTCOMES = {"sent": "delivered", "deferred": "deferred", "bounced": "bounced"}


def fates(ids: dict[int, str], log: str) -> Fates:
    """Of the messages that the log has a first result for."""
    numbers = {queue_id: number for number, queue_id in ids.items()}
    level: dict[str, str] = {}  # of the connection that each process has open: it serves one message at a time
    found: Fates = {}
    for line in log.splitlines():
        if tls := TLS.search(line):
            level[tls[1]] = tls[2]
        elif sent := SENT.search(line):
            process, queue_id, _, relay, dsn, status, text = sent.groups()
            achieved = level.pop(process, "in clear")
            number = numbers.get(queue_id)
            if number is None or number in found or text.startswith(NOT_TRIED):
                continue
            if status == "sent":
                address = relay[relay.index("[") + 1 : relay.index("]")]
                found[number] = Fate("delivered", address, achieved, dsn)
            else:
                found[number] = Fate(OUTCOMES[status], said=f"{dsn} {text}")
    return found


def configure(lab: Path, home: Path, level: str, addresses: list[str]) -> None:
    (home / "etc").mkdir(parents=True)
    (home / "spool").mkdir()
    receivers.make_spool(home / "spool")
    protocols = "all" if any(":" in address for address in addresses) else "ipv4"
    main = MAIN_CF.format(lab=lab, home=home, level=level, addresses=", ".join(addresses), protocols=protocols)
    (home / "etc" / "main.cf").write_text(main)
    (home / "etc" / "master.cf").write_text(MASTER_CF)


def wait_until_listening(process: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            with client.Client(LISTEN):
                return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Postfix does not take mail: {error}; its log: {home}/maillog") from error
            time.sleep(0.1)


CRASHED = re.compile(r" sender/smtp\[\d+\]: (panic: .*)$", re.M)


class Run:
    """One Postfix with an empty queue and these messages, until it has made an attempt with each."""

    def __init__(self, lab: Path, home: Path, level: str, addresses: list[str]) -> None:
        configure(lab, home, level, addresses)
        self.home, self.log = home, home / "maillog"

    def _given_up(self, queue_id: str) -> bool:
        """Back in the queue, without a line in the log: the process that should have written it is dead."""
        return any((self.home / "spool" / "queue" / "deferred").glob(f"*/{queue_id}"))

    def send(self, rows: list[Row], user: str) -> Fates:
        """Those without a result are missing: a process ended with them, or with others before their turn came."""
        with (self.home / "master.out").open("wb") as out:
            process = subprocess.Popen(
                [MASTER, "-d", "-c", self.home / "etc"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        try:
            wait_until_listening(process, self.home)
            with client.Client(LISTEN) as session:
                ids = {row["number"]: session.submit([recipient(user, row)], message(user, row)) for row in rows}
            deadline = time.monotonic() + PATIENCE
            while True:
                found = fates(ids, self.log.read_text(errors="replace"))
                waiting = [queue_id for number, queue_id in ids.items() if number not in found]
                if all(self._given_up(queue_id) for queue_id in waiting):
                    return found
                if time.monotonic() > deadline:
                    raise RuntimeError(f"Postfix made no attempt with {', '.join(waiting)}; its log: {self.log}")
                time.sleep(0.2)
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # as `postfix stop` does: the master and all that it started
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def crash(self) -> str:
        """The last words of a process, "" when none died."""
        found = CRASHED.search(self.log.read_text(errors="replace"))
        return found[1] if found else ""


def send(lab: Path, home: Path, rows: list[Row], user: str, level: str, addresses: list[str]) -> Fates:
    """`level` is smtp_tls_security_level, `addresses` are the lab's own to connect from.

    A message that ends the process which delivers it takes others with it, so those without a result get a Postfix of
    their own each.
    """
    home.mkdir()
    found = Run(lab, home / "all", level, addresses).send(rows, user)
    for row in (row for row in rows if row["number"] not in found):
        alone = Run(lab, home / f"alone-{row['number']}", level, addresses)
        found |= alone.send([row], user)
        if row["number"] not in found:
            words = alone.crash()
            if not words:
                raise RuntimeError(f"Postfix has no result for {row['domain']}; its log: {alone.log}")
            found[row["number"]] = Fate("deferred", said=f"its smtp process died: {words}")
    return found
